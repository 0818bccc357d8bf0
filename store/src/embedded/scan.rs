//! Reading one shard of a contest, a chunk at a time, past everything else by seeking.

use std::{ops::Bound, ops::RangeInclusive, sync::Arc, vec};

use ballot::{Batch, Bucket, Shard, Slug};
use fjall::Keyspace;

use super::{
    Inner,
    document::read_failed,
    keys::{first_key, last_key, place},
};
use crate::StoreError;

/// Bytes read at once: what fits a core's cache until the reader has unpacked it.
const CHUNK_BYTES: usize = 256 * 1_024;
/// Batches read at once, where they are small.
const CHUNK_BATCHES: usize = 1_024;
/// Keys of other shards that are stepped over before a seek, which costs about as much.
const STEPS_MAX: usize = 32;

/// The batches of a shard. Between two chunks it holds nothing of the database.
pub(super) struct Scan {
    store: Arc<Inner>,
    range: Range,
    /// Where the next chunk begins; `None` after the last.
    next: Option<Vec<u8>>,
    chunk: vec::IntoIter<Batch>,
}

struct Range {
    contest: Slug,
    shard: Shard,
    buckets: RangeInclusive<Bucket>,
}

impl Scan {
    pub(super) fn new(
        store: Arc<Inner>,
        contest: Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> Self {
        let range = Range { contest, shard, buckets };
        let next = Some(range.first());
        Self { store, range, next, chunk: Vec::new().into_iter() }
    }

    fn read(&mut self, from: Vec<u8>) -> Result<(), StoreError> {
        let (chunk, next) = self.store.ballots.read(|keyspace| self.range.read(keyspace, from))?;
        self.chunk = chunk.into_iter();
        self.next = next;
        Ok(())
    }
}

impl Iterator for Scan {
    type Item = Result<Batch, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.chunk.next() {
                return Some(Ok(batch));
            }
            // Taken, so that after an error there is no more to read.
            let from = self.next.take()?;
            if let Err(error) = self.read(from) {
                return Some(Err(error));
            }
        }
    }
}

/// What was read, and the key from which to read on, if there may be more.
type Chunk = (Vec<Batch>, Option<Vec<u8>>);

impl Range {
    fn first(&self) -> Vec<u8> {
        first_key(&self.contest, *self.buckets.start(), self.shard)
    }

    /// The first key of our shard after a key of another.
    fn next_stretch(&self, (bucket, shard): (Bucket, Shard)) -> Vec<u8> {
        let bucket = if shard < self.shard { bucket } else { Bucket(bucket.0.saturating_add(1)) };
        first_key(&self.contest, bucket, self.shard)
    }

    fn read(&self, keyspace: &Keyspace, mut from: Vec<u8>) -> Result<Chunk, StoreError> {
        let last = last_key(&self.contest, *self.buckets.end(), self.shard);
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        // Each round is a seek.
        'seek: while from <= last {
            let stretch = (Bound::Included(from.as_slice()), Bound::Included(last.as_slice()));
            let mut steps = 0;
            for entry in keyspace.range::<&[u8], _>(stretch) {
                // The value of another shard's key stays unread.
                let (key, value) = entry
                    .into_inner_if(|key| {
                        place(key).is_some_and(|(_, shard, _)| shard == self.shard)
                    })
                    .map_err(read_failed)?;
                let (bucket, shard, id) =
                    place(&key).ok_or_else(|| StoreError::Corrupt("not a batch's key".into()))?;
                if let Some(value) = value {
                    bytes += value.len();
                    let contest = self.contest.clone();
                    chunk.push(Batch { contest, id, shard, packed: value.into() });
                    if bytes >= CHUNK_BYTES || chunk.len() >= CHUNK_BATCHES {
                        let mut next = key.to_vec();
                        next.push(0);
                        return Ok((chunk, Some(next)));
                    }
                    steps = 0;
                } else if steps < STEPS_MAX {
                    steps += 1;
                } else {
                    from = self.next_stretch((bucket, shard));
                    continue 'seek;
                }
            }
            break;
        }
        Ok((chunk, None))
    }
}
