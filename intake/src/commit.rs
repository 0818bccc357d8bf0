//! Committing: a batch is put until it is durable or its deadline has passed.

use std::time::Duration;

use ballot::{
    Ballot, Batch, BatchId, Destination, Entropy, Moment, NodeClock, Shard, Timestamp,
    random_bytes, timing,
};
use store::StoreError;
use tokio::time::{sleep, timeout};

use crate::{intake::Intake, ticket::NotRecorded};

/// First pause before a put is tried again; doubled each time, with full jitter.
const RETRY_MIN: Duration = Duration::from_millis(10);
/// Longest pause before a put is tried again.
const RETRY_MAX: Duration = Duration::from_millis(500);

/// Ballots that become one batch.
pub(crate) struct Commit {
    pub(crate) destination: Destination,
    /// Whose turn it is among the contest's shards.
    pub(crate) turn: Shard,
    /// The stamp of the oldest ballot, by both clocks.
    pub(crate) created_at: Timestamp,
    pub(crate) created: Moment,
    pub(crate) ballots: Vec<Ballot>,
}

/// Puts the batch, always under the same id: a put whose reply was lost is the same put.
pub(crate) async fn put(intake: &Intake, commit: Commit) -> Result<(), NotRecorded> {
    let Commit { destination, turn, created_at, created, ballots } = commit;
    let id = batch_id(created_at, destination.shards, turn, &*intake.entropy);
    let batch = Batch::pack(&destination.contest, destination.shards, id, &ballots);
    let (observer, clock) = (&intake.observer, &intake.clock);
    let mut pause = RETRY_MIN;
    loop {
        let left = timing::COMMIT_DEADLINE.saturating_sub(age(clock, created_at, created));
        let put = timeout(left, intake.store.put_batch(batch.clone())).await;
        // Looked at after the put, whatever it says: the tally leaves a bucket when no batch of it
        // can be acknowledged any more, so past the deadline an acknowledgement would be a lie.
        let age = age(clock, created_at, created);
        let late = age >= timing::COMMIT_DEADLINE;
        let error = match put {
            Ok(Ok(())) if !late => {
                observer.committed(ballots.len(), batch.packed.len(), age);
                return Ok(());
            }
            Ok(Ok(())) | Err(_) => StoreError::Unavailable("the commit deadline passed".into()),
            Ok(Err(error)) => error,
        };
        let retry = matches!(error, StoreError::Unavailable(_)) && !late;
        observer.put_failed(&error, !retry);
        if !retry {
            tracing::error!(%error, batch = %id, ballots = ballots.len(), "batch given up");
            let deadline_passed = matches!(error, StoreError::Unavailable(_));
            return Err(if deadline_passed {
                NotRecorded::DeadlinePassed
            } else {
                NotRecorded::StoreFailed
            });
        }
        let jittered = pause.mul_f64(fastrand::f64());
        sleep(jittered.min(timing::COMMIT_DEADLINE.saturating_sub(age))).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

/// How old a batch is, by the clock that says more. The one that is never set may have stood still
/// while the machine was suspended; the wall clock may have been set.
fn age(clock: &NodeClock, created_at: Timestamp, created: Moment) -> Duration {
    clock.moment().since(created).max(clock.wall().since(created_at))
}

/// A batch id whose shard is the one whose turn it is: as calculated as any, for whoever has the id.
/// Left to chance, the hottest of 16 shards had 1.3 times the mean after 700 batches.
fn batch_id(created_at: Timestamp, shards: u16, turn: Shard, entropy: &dyn Entropy) -> BatchId {
    let mut random = random_bytes(entropy);
    // Each try hits one in `shards`; what is varied is the end, and the rest is drawn once.
    for _ in 0..u16::MAX {
        let id = BatchId::new(created_at, random);
        if id.shard(shards) == turn {
            return id;
        }
        let end = u16::from_be_bytes([random[8], random[9]]).wrapping_add(1);
        random[8..].copy_from_slice(&end.to_be_bytes());
    }
    // Any other is as right, if not as even.
    BatchId::new(created_at, random)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The operating system's.
    struct Random;

    impl Entropy for Random {
        fn fill(&self, bytes: &mut [u8]) {
            getrandom::fill(bytes).unwrap();
        }
    }

    #[test]
    fn a_batch_id_has_the_shard_whose_turn_it_is() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let mut ids = HashSet::new();
        for shards in [1, 2, 16, 1_000, ballot::limits::SHARDS_MAX] {
            for turn in (0..shards).step_by(usize::from(shards / 16 + 1)).map(Shard) {
                let id = batch_id(now, shards, turn, &Random);
                assert_eq!(id.shard(shards), turn, "of {shards}");
                assert!(ids.insert(id), "the same id twice");
            }
        }
    }
}
