//! Which batches a final count is of: `batchset/{contest}/{digest}/{part}`.
//!
//! The digest is part of the key, so a set is never overwritten by another: of two workers that
//! both write theirs, one publishes, and the row names its own.

use ballot::{BatchId, BatchSet, Slug};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use store::{ControlStore, Read, StoreError, Version};

use crate::lease::Pulse;

/// Batch ids of one document: 256 KB.
const PART_IDS: usize = 16_384;

/// Parts that are written at once: most of a write's time is waiting for replicas.
const PARTS_AT_ONCE: usize = 8;

/// Why a set cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BatchSetError {
    /// The store did not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not the set that the row names.
    #[error("the stored list of batches is not the one that the counts name: {0}")]
    Damaged(String),
}

/// Names a set: the ids must ascend.
pub(crate) fn name(ids: &[BatchId]) -> BatchSet {
    let mut hasher = blake3::Hasher::new();
    for id in ids {
        hasher.update(id.as_bytes());
    }
    BatchSet { batches: ids.len() as u64, digest: hasher.finalize().to_hex().to_string() }
}

/// Stores a set, so that [`load_batch_set`] finds it by its name. Millions of batches make hundreds
/// of parts.
pub(crate) async fn save(
    control: &dyn ControlStore,
    contest: &Slug,
    set: &BatchSet,
    ids: &[BatchId],
    pulse: &Pulse,
) -> Result<(), StoreError> {
    let parts = ids.chunks(PART_IDS).enumerate();
    let write = |(part, ids): (usize, &[BatchId])| {
        let key = key(contest, set, part);
        let body: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        async move {
            match control.compare_and_swap(&key, Version::NONE, body.into()).await {
                // Under this key nobody writes anything else.
                Ok(_) | Err(StoreError::Conflict) => {
                    pulse.beat();
                    Ok(())
                }
                Err(error) => Err(error),
            }
        }
    };
    stream::iter(parts.map(write)).buffer_unordered(PARTS_AT_ONCE).try_collect().await
}

/// The ids of the batches that a final or certified row counts, ascending; checked against their
/// number and digest.
pub async fn load_batch_set(
    control: &dyn ControlStore,
    contest: &Slug,
    set: &BatchSet,
) -> Result<Vec<BatchId>, BatchSetError> {
    let mut ids = Vec::new();
    for part in 0..set.batches.div_ceil(PART_IDS as u64) as usize {
        let key = key(contest, set, part);
        let Some(document) = control.get(&key, Read::Serial).await? else {
            return Err(BatchSetError::Damaged(format!("{key} is missing")));
        };
        ids.extend(unpack(&document.body));
    }
    let stored = name(&ids);
    if stored != *set {
        return Err(BatchSetError::Damaged(format!(
            "{} batches with digest {}, not {} with {}",
            stored.batches, stored.digest, set.batches, set.digest
        )));
    }
    Ok(ids)
}

fn unpack(body: &Bytes) -> impl Iterator<Item = BatchId> {
    body.as_chunks::<16>().0.iter().copied().map(BatchId::from_bytes)
}

fn key(contest: &Slug, set: &BatchSet, part: usize) -> String {
    // 16 hex digits tell two sets of one contest apart; the whole digest is checked on reading.
    format!("batchset/{contest}/{}/{part:05}", set.digest.get(..16).unwrap_or(&set.digest))
}
