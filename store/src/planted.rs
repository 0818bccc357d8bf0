//! Bugs to order, as a store before a store: the checks that must catch one are run against it. With
//! the feature `planted-bugs` alone, which no release has.

use std::{
    collections::HashSet,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ballot::{Ballot, Batch, BatchId, Bucket, Shard, Slug, Voter};
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::StreamExt;

use crate::{BallotStore, StoreError};

/// Between an acknowledgement and its put, as on a slow disk: time enough for a crash.
const PAUSE: Duration = Duration::from_millis(20);

/// What is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlantedBugs {
    /// A put is acknowledged first and done then.
    pub acknowledge_before_put: bool,
    /// A put that fails is acknowledged.
    pub ignore_write_errors: bool,
    /// Every n-th put fails, with nothing written; 0: none.
    pub fail_put_every: u64,
    /// Each batch makes other voters of its ballots' voters: a retry in another batch counts again.
    pub count_retries_twice: bool,
}

/// The ballots of a store, with bugs. Needs a tokio runtime with time.
pub struct PlantedStore {
    store: Arc<dyn BallotStore>,
    bugs: PlantedBugs,
    puts: AtomicU64,
}

impl PlantedStore {
    /// Puts the bugs before the store; says so in the log.
    pub fn new(store: Arc<dyn BallotStore>, bugs: PlantedBugs) -> Self {
        tracing::warn!(?bugs, "this program has bugs on purpose");
        Self { store, bugs, puts: AtomicU64::new(0) }
    }

    async fn put(&self, batch: Batch) -> Result<(), StoreError> {
        let put = self.puts.fetch_add(1, Ordering::Relaxed) + 1;
        let every = self.bugs.fail_put_every;
        if every > 0 && put.is_multiple_of(every) {
            return Err(StoreError::Unavailable("planted".into()));
        }
        if self.bugs.acknowledge_before_put {
            let store = Arc::clone(&self.store);
            tokio::spawn(async move {
                tokio::time::sleep(PAUSE).await;
                store.put_batch(batch).await
            });
            return Ok(());
        }
        self.store.put_batch(batch).await
    }

    fn spoil(
        &self,
        batches: BoxStream<'static, Result<Batch, StoreError>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        if self.bugs.count_retries_twice {
            batches.map(|batch| batch.map(with_voters_of_its_own)).boxed()
        } else {
            batches
        }
    }
}

/// One that cannot be read stays as it is.
fn with_voters_of_its_own(batch: Batch) -> Batch {
    let Ok(ballots) = batch.unpack() else { return batch };
    let of_batch = u128::from_be_bytes(*batch.id.as_bytes());
    let spoiled = ballots.into_iter().map(|ballot| {
        let voter = u128::from_be_bytes(*ballot.voter.as_bytes()) ^ of_batch;
        Ballot { voter: Voter::from_bytes(voter.to_be_bytes()), ..ballot }
    });
    let packed = Batch::pack(&batch.contest, 1, batch.id, &spoiled.collect::<Vec<_>>()).packed;
    Batch { packed, ..batch }
}

impl BallotStore for PlantedStore {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            match self.put(batch).await {
                Err(_) if self.bugs.ignore_write_errors => Ok(()),
                outcome => outcome,
            }
        })
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        self.spoil(self.store.scan(contest, shard, buckets))
    }

    fn scan_except(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
        already_read: &Arc<HashSet<BatchId>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        self.spoil(self.store.scan_except(contest, shard, buckets, already_read))
    }
}

#[cfg(test)]
mod tests {
    use ballot::{BallotId, ChannelNumber, ChoiceNumber, Timestamp};

    use super::*;
    use crate::MemoryStore;

    const TIME: Timestamp = Timestamp::from_micros(1_795_464_000_000_000);

    /// A batch with one ballot, the same in each.
    fn batch(number: u8) -> Batch {
        let ballot = Ballot {
            id: BallotId::new(TIME, [7; 10]),
            voter: Voter::from_bytes([7; 16]),
            choice: ChoiceNumber(3),
            channel: ChannelNumber::WEB,
            recorded_at: TIME,
        };
        let id = BatchId::new(TIME, [number; 10]);
        Batch::pack(&"tv".parse().unwrap(), 1, id, &[ballot])
    }

    fn with(bugs: PlantedBugs) -> (Arc<MemoryStore>, PlantedStore) {
        let store = Arc::new(MemoryStore::new());
        (Arc::clone(&store), PlantedStore::new(store, bugs))
    }

    #[tokio::test]
    async fn acknowledged_before_it_is_there() {
        let (inner, store) =
            with(PlantedBugs { acknowledge_before_put: true, ..PlantedBugs::default() });
        store.put_batch(batch(1)).await.unwrap();
        assert_eq!(inner.batches(), []);
        while inner.batches() != [batch(1)] {
            tokio::time::sleep(PAUSE).await;
        }
    }

    #[tokio::test]
    async fn every_second_put_fails_and_may_be_acknowledged_for_all_that() {
        for ignore_write_errors in [false, true] {
            let bugs = PlantedBugs { ignore_write_errors, fail_put_every: 2, ..Default::default() };
            let (inner, store) = with(bugs);
            store.put_batch(batch(1)).await.unwrap();
            assert_eq!(store.put_batch(batch(2)).await.is_ok(), ignore_write_errors);
            store.put_batch(batch(3)).await.unwrap();
            assert_eq!(inner.batches(), [batch(1), batch(3)]);
        }
        // An error of the store's own, too.
        let (_, store) = with(PlantedBugs { ignore_write_errors: true, ..Default::default() });
        let too_large = Batch { packed: vec![0; 1_000_000].into(), ..batch(1) };
        store.put_batch(too_large).await.unwrap();
    }

    #[tokio::test]
    async fn one_voter_looks_like_two_in_two_batches() {
        let (_, store) = with(PlantedBugs { count_retries_twice: true, ..Default::default() });
        for number in 1..=2 {
            store.put_batch(batch(number)).await.unwrap();
        }
        let (contest, all) = ("tv".parse().unwrap(), Bucket(0)..=Bucket(u64::MAX));
        for _ in 0..2 {
            let batches = store.scan(&contest, Shard(0), all.clone());
            let ballots = batches.map(|batch| batch.unwrap().unpack().unwrap()).concat().await;
            assert_eq!(ballots.len(), 2);
            assert_ne!(ballots[0].voter, ballots[1].voter);
            let of_voter = |voter| ballots.iter().map(move |ballot| Ballot { voter, ..*ballot });
            let voter = Voter::from_bytes([7; 16]);
            assert!(of_voter(voter).all(|ballot| batch(1).unpack().unwrap() == [ballot]));
        }
    }
}
