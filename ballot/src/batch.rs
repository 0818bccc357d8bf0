//! A batch: the ballots of one contest that one intake node committed together, packed.

use bytes::Bytes;

use crate::{Ballot, BatchId, Bucket, Shard, Slug};

/// A sealed batch: its key and its packed ballots. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Whose ballots.
    pub contest: Slug,
    /// Which batch; gives the bucket too.
    pub id: BatchId,
    /// `id.shard(contest.shards)`.
    pub shard: Shard,
    /// The ballots, packed.
    pub packed: Bytes,
}

/// Bytes that are not a packed batch, or not the one that the key says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("corrupt batch: {0}")]
pub struct CorruptBatch(pub &'static str);

impl Batch {
    /// The bucket of the batch's creation.
    pub fn bucket(&self) -> Bucket {
        self.id.bucket()
    }

    /// Packs ballots, 1 to [`crate::limits::BATCH_BALLOTS_MAX`], in the order given.
    pub fn pack(contest: &Slug, shards: u16, id: BatchId, ballots: &[Ballot]) -> Self {
        let _ = ballots;
        Self { contest: contest.clone(), id, shard: id.shard(shards), packed: Bytes::new() }
    }

    /// The ballots, in the order they were packed.
    pub fn unpack(&self) -> Result<Vec<Ballot>, CorruptBatch> {
        Ok(Vec::new())
    }
}
