//! A batch: the ballots of one contest that one intake node committed together, packed.
//!
//! The bytes are specified in `docs/decisions/0004-packed-batch-format.md`.

use bytes::Bytes;

use crate::{Ballot, BallotId, BatchId, Bucket, Shard, Slug, Voter};

mod format;
mod integers;
mod layout;
mod rows;
mod write;

pub use format::{CorruptBatch, RECORDED_AT_MAX};
pub use rows::Rows;

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

impl Batch {
    /// The bucket of the batch's creation.
    pub fn bucket(&self) -> Bucket {
        self.id.bucket()
    }

    /// Packs ballots, 1 to [`crate::limits::BATCH_BALLOTS_MAX`], in the order given.
    ///
    /// A `recorded_at` before the Unix epoch or after [`RECORDED_AT_MAX`] becomes the nearest one
    /// inside.
    ///
    /// # Panics
    ///
    /// With no ballots or too many, a choice number of 1,024 or more, or a channel number of 64 or
    /// more: to write anything in their place would be a false count.
    pub fn pack(contest: &Slug, shards: u16, id: BatchId, ballots: &[Ballot]) -> Self {
        let packed = write::pack(contest, id, ballots, write::Voters::Stored);
        Self { contest: contest.clone(), id, shard: id.shard(shards), packed }
    }

    /// Packs ballots whose voters all derive from their ballot ids, without the voters. They are
    /// read with [`Self::rows_deriving`]. Otherwise as [`Self::pack`].
    pub fn pack_without_voters(
        contest: &Slug,
        shards: u16,
        id: BatchId,
        ballots: &[Ballot],
    ) -> Self {
        let packed = write::pack(contest, id, ballots, write::Voters::Derived);
        Self { contest: contest.clone(), id, shard: id.shard(shards), packed }
    }

    /// A batch as read from a store, checked whole: [`Self::rows_deriving`] will not fail. A store
    /// that leaves the check to its reader fills in the fields instead.
    pub fn read(
        contest: Slug,
        id: BatchId,
        shard: Shard,
        packed: Bytes,
    ) -> Result<Self, CorruptBatch> {
        let batch = Self { contest, id, shard, packed };
        batch.columns()?;
        Ok(batch)
    }

    /// The ballots, in the order they were packed.
    pub fn unpack(&self) -> Result<Vec<Ballot>, CorruptBatch> {
        Ok(self.rows()?.collect())
    }

    /// Checks the whole batch, then walks its ballots in the order they were packed without
    /// allocating. A batch packed without voters is refused.
    pub fn rows(&self) -> Result<Rows<'_>, CorruptBatch> {
        Rows::stored(self.columns()?)
    }

    /// As [`Self::rows`]; where the batch was packed without voters, `derive` gives them.
    pub fn rows_deriving<D>(&self, derive: D) -> Result<Rows<'_, D>, CorruptBatch>
    where
        D: Fn(BallotId) -> Voter,
    {
        Ok(Rows::deriving(self.columns()?, derive))
    }

    fn columns(&self) -> Result<layout::Columns<'_>, CorruptBatch> {
        layout::Columns::parse(&self.packed, &self.contest, self.id)
    }
}

#[cfg(test)]
mod tests;
