//! How far the count of an open contest has come.

use std::{collections::HashSet, ops::RangeInclusive, sync::Arc, time::Duration};

use ballot::{
    BatchId, Bucket, Contest, Timestamp,
    fold::{Fold, RowCounts, Rules},
    timing::COMMIT_DEADLINE,
};

use crate::{
    CountError,
    map::{self, LAST_BUCKET, Source},
};

/// The fold of what was read, and what need not be read again.
pub(crate) struct Progress {
    fold: Fold,
    rows: RowCounts,
    shards: u16,
    /// The first bucket that is not left yet.
    from: Bucket,
    /// The batches absorbed of the buckets not left: a scan may meet them again.
    absorbed: Arc<HashSet<BatchId>>,
}

impl Progress {
    /// Nothing counted.
    pub(crate) fn new(contest: &Contest) -> Self {
        Self {
            fold: Fold::new(contest),
            rows: RowCounts::default(),
            shards: contest.shards,
            from: Bucket(0),
            absorbed: Arc::default(),
        }
    }

    /// Whether nothing was counted yet.
    pub(crate) fn is_new(&self) -> bool {
        self.from == Bucket(0)
    }

    /// Whether it is a count of the contest as it is now: a change of the hours or the policy
    /// makes it another one, which starts from nothing.
    pub(crate) fn is_of(&self, contest: &Contest) -> bool {
        self.fold.rules() == Rules::new(contest) && self.shards == contest.shards
    }

    /// The buckets to scan. There is no last one: a node's clock may be ahead of this one's.
    pub(crate) fn buckets(&self) -> RangeInclusive<Bucket> {
        self.from..=LAST_BUCKET
    }

    /// The batches of those buckets that were counted.
    pub(crate) fn known(&self) -> Arc<HashSet<BatchId>> {
        Arc::clone(&self.absorbed)
    }

    /// Counts what is new. After an error it may be tried again; what was absorbed is known.
    pub(crate) async fn count(mut self, source: Source) -> (Self, Result<(), CountError>) {
        let mut new = Vec::new();
        let rows = &mut self.rows;
        let (fold, result) = map::count(source, self.fold, |ids, counts| {
            new.extend(ids);
            *rows += counts;
        })
        .await;
        self.fold = fold;
        Arc::make_mut(&mut self.absorbed).extend(new);
        (self, result)
    }

    /// Leaves the buckets whose last batch had been committed or given up before the scan began.
    pub(crate) fn leave_buckets(&mut self, scan_started: Timestamp, clock_skew: Duration) {
        // A batch of bucket b was made before b's end by its node's clock, and is not
        // acknowledged after the deadline from then.
        let settled = scan_started.minus(COMMIT_DEADLINE).minus(clock_skew).bucket();
        if settled > self.from {
            self.from = settled;
            Arc::make_mut(&mut self.absorbed).retain(|id| id.bucket() >= settled);
        }
    }

    pub(crate) fn fold(&self) -> &Fold {
        &self.fold
    }

    pub(crate) fn rows(&self) -> RowCounts {
        self.rows
    }
}
