//! What the store shows to have been recorded, for a node whose clock nobody else can judge.

use ballot::{Bucket, Shard, Timestamp, timing};
use futures_util::TryStreamExt;
use store::{BallotStore, StoreError};

use crate::{contests::Contests, live::LiveContest};

impl Contests {
    /// Raises the node's floor to the newest ballot of every contest that is not final. Reads what
    /// came after each contest's last count, which is a moment's ballots where it is counted.
    pub async fn raise_floor(&self, ballots: &dyn BallotStore) -> Result<(), StoreError> {
        for live in self.all() {
            let is_draft = live.contest.hours.opens_at.is_none();
            if !is_draft && !live.is_final() {
                let newest = self.newest(&live, ballots).await?;
                newest.inspect(|newest| self.clock.raise_floor(*newest));
            }
        }
        Ok(())
    }

    async fn newest(
        &self,
        live: &LiveContest,
        ballots: &dyn BallotStore,
    ) -> Result<Option<Timestamp>, StoreError> {
        // A batch is of the bucket of its first ballot; its last may be younger by the deadline.
        let counted = live.counted_through().minus(timing::COMMIT_DEADLINE);
        let buckets = counted.bucket()..=Bucket::LAST;
        let mut newest = None;
        for shard in (0..live.contest.shards).map(Shard) {
            let mut batches = ballots.scan(&live.slug, shard, buckets.clone());
            while let Some(batch) = batches.try_next().await? {
                // One that cannot be read is the tally's to report.
                let rows = batch.rows().into_iter().flatten();
                newest = rows.map(|ballot| ballot.recorded_at).chain(newest).max();
            }
        }
        Ok(newest)
    }
}
