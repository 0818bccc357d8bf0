//! What the contracts promise, as tests, written once for every backend.
//!
//! ```ignore
//! struct MyBackend { .. }
//! impl store::conformance::Backend for MyBackend { .. }
//! store::conformance_tests!(MyBackend::new());
//! ```
//!
//! A backend may fail now and then ([`StoreError::Unavailable`]): the suite tries again as the
//! contract allows. Contests and keys differ from test to test and from run to run, so that the
//! tests may share a server.

mod ballots;
mod control;

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use ballot::{Batch, BatchId, Bucket, Shard, Slug, Timestamp};
pub use ballots::*;
use bytes::Bytes;
pub use control::*;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;

use crate::{BallotStore, ControlStore, Document, Read, StoreError, Version};

/// A backend under test.
pub trait Backend: Send + Sync {
    /// What it opens.
    type Store: BallotStore + ControlStore;

    /// Opens the store. Called again, after what it gave was dropped, it opens the same one.
    fn open(&self) -> impl Future<Output = Arc<Self::Store>> + Send;
}

/// All tests of the suite for the backend that the expression gives, each with a new one.
#[macro_export]
macro_rules! conformance_tests {
    ($backend:expr) => {
        $crate::conformance_tests!(@each $backend;
            a_durable_batch_is_seen,
            a_second_put_changes_nothing,
            both_ends_of_the_buckets_are_included,
            shards_are_separate,
            contests_are_separate,
            gaps_are_skipped,
            scans_agree_with_a_model,
            a_scan_leaves_out_only_what_is_known,
            the_largest_batches_are_kept,
            a_batch_too_large_is_invalid,
            a_scan_sees_what_was_durable_before_it,
            a_dropped_put_harms_nothing,
            a_document_is_kept,
            what_is_acknowledged_is_seen,
            a_conflict_writes_nothing,
            documents_are_listed_in_order,
            concurrent_swaps_lose_none,
            bad_documents_are_invalid,
            a_removed_document_is_gone,
            a_delete_that_conflicts_removes_nothing,
            the_next_life_goes_on_with_larger_versions,
            of_a_delete_and_a_swap_one_happens,
            a_delete_without_a_reply_is_done_or_is_not,
            opened_again_nothing_is_missing,
            opened_again_what_was_removed_stays_so,
        );
    };
    (@each $backend:expr; $($test:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let backend = $backend;
                $crate::conformance::$test(&backend).await;
            }
        )*
    };
}

/// Tries after which a store counts as gone.
const TRIES_MAX: usize = 100;
/// The time of most batches made here: 2026-11-23T20:00:00Z, the first moment of its bucket.
const TIME: Timestamp = Timestamp::from_micros(1_795_464_000_000_000);
const SHARDS: u16 = 4;

/// Random numbers for one test; its seed is printed, and shown if the test fails.
fn random() -> fastrand::Rng {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// A name that no other test and no other run has.
fn name(test: &str) -> String {
    format!("{test}-{:016x}", fastrand::u64(..))
}

fn contest(test: &str) -> Slug {
    name(test).parse().expect("a slug")
}

fn batch(random: &mut fastrand::Rng, contest: &Slug, created_at: Timestamp, bytes: usize) -> Batch {
    let mut id = [0; 10];
    random.fill(&mut id);
    let id = BatchId::new(created_at, id);
    let mut packed = vec![0; bytes];
    random.fill(&mut packed);
    Batch { contest: contest.clone(), id, shard: id.shard(SHARDS), packed: packed.into() }
}

/// A batch of the shard.
fn batch_in(random: &mut fastrand::Rng, contest: &Slug, at: Timestamp, shard: Shard) -> Batch {
    loop {
        let batch = batch(random, contest, at, 100);
        if batch.shard == shard {
            return batch;
        }
    }
}

/// `n` buckets after [`TIME`].
fn bucket_time(n: u64) -> Timestamp {
    Bucket(TIME.bucket().0 + n).start()
}

const ALL: RangeInclusive<Bucket> = Bucket(0)..=Bucket(u64::MAX);

async fn pause() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Puts until it is acknowledged.
async fn put(store: &impl BallotStore, batch: &Batch) {
    for _ in 0..TRIES_MAX {
        match store.put_batch(batch.clone()).await {
            Ok(()) => return,
            Err(StoreError::Unavailable(_)) => pause().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store stays away");
}

/// What a whole scan gives, in the order of the batch ids; again from the start after an error.
async fn scan(
    store: &impl BallotStore,
    contest: &Slug,
    shard: Shard,
    buckets: RangeInclusive<Bucket>,
) -> Vec<Batch> {
    whole(|| store.scan(contest, shard, buckets.clone())).await
}

/// What a scan gives that is begun so.
async fn whole(begin: impl Fn() -> BoxStream<'static, Result<Batch, StoreError>>) -> Vec<Batch> {
    'again: for _ in 0..TRIES_MAX {
        let mut batches = Vec::new();
        let mut stream = begin();
        while let Some(batch) = stream.next().await {
            match batch {
                Ok(batch) => batches.push(batch),
                Err(StoreError::Unavailable(_)) => {
                    assert!(stream.next().await.is_none(), "a scan goes on after an error");
                    pause().await;
                    continue 'again;
                }
                Err(error) => panic!("{error}"),
            }
        }
        batches.sort_by_key(|batch| batch.id);
        return batches;
    }
    panic!("the store stays away");
}

async fn scan_all(store: &impl BallotStore, contest: &Slug) -> Vec<Batch> {
    let mut batches = Vec::new();
    for shard in 0..SHARDS {
        batches.extend(scan(store, contest, Shard(shard), ALL).await);
    }
    batches.sort_by_key(|batch| batch.id);
    batches
}

/// What a read gives, past errors that mean nothing.
async fn patiently<T, F>(read: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _ in 0..TRIES_MAX {
        match read().await {
            Ok(read) => return read,
            Err(StoreError::Unavailable(_)) => pause().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store stays away");
}

async fn get(store: &impl ControlStore, key: &str) -> Option<Document> {
    patiently(|| store.get(key, Read::Serial)).await
}

/// Swaps until the outcome is known. The body must be one that nobody else writes.
async fn swap(
    store: &impl ControlStore,
    key: &str,
    expected: Version,
    body: &str,
) -> Result<Version, StoreError> {
    let mut unknown = false;
    for _ in 0..TRIES_MAX {
        let error = match store.compare_and_swap(key, expected, Bytes::from(body.to_owned())).await
        {
            Ok(version) => return Ok(version),
            Err(error) => error,
        };
        unknown |= matches!(error, StoreError::Unavailable(_));
        if !unknown {
            return Err(error);
        }
        // A write reported as failed may have happened.
        match get(store, key).await {
            Some(now) if now.body == body => return Ok(now.version),
            Some(now) if now.version != expected => return Err(StoreError::Conflict),
            None if expected != Version::NONE => return Err(StoreError::Conflict),
            _ => pause().await,
        }
    }
    panic!("the store stays away");
}

/// Deletes until the outcome is known. Nobody else may remove the document.
async fn delete(store: &impl ControlStore, key: &str, expected: Version) -> Result<(), StoreError> {
    let mut unknown = false;
    for _ in 0..TRIES_MAX {
        let Err(error) = store.delete(key, expected).await else { return Ok(()) };
        unknown |= matches!(error, StoreError::Unavailable(_));
        if !unknown {
            return Err(error);
        }
        match get(store, key).await {
            None => return Ok(()),
            Some(now) if now.version != expected => return Err(StoreError::Conflict),
            Some(_) => pause().await,
        }
    }
    panic!("the store stays away");
}
