//! What [`BallotStore`] promises.

use std::{collections::HashSet, time::Duration};

use super::*;

/// A batch that was acknowledged is seen by a scan, as it was put.
pub async fn a_durable_batch_is_seen(backend: &impl Backend) {
    let (store, mut random, contest) = (backend.open().await, random(), contest("seen"));
    assert_eq!(scan_all(&*store, &contest).await, []);
    let batch = batch(&mut random, &contest, TIME, 3_200);
    put(&*store, &batch).await;
    assert_eq!(scan(&*store, &contest, batch.shard, ALL).await, [batch]);
}

/// A second put of the same batch changes nothing.
pub async fn a_second_put_changes_nothing(backend: &impl Backend) {
    let (store, mut random, contest) = (backend.open().await, random(), contest("twice"));
    let batches = [0; 3].map(|_| batch(&mut random, &contest, TIME, 700));
    for _ in 0..3 {
        for batch in &batches {
            put(&*store, batch).await;
        }
        tokio::join!(put(&*store, &batches[0]), put(&*store, &batches[0]));
    }
    let mut expected = batches.to_vec();
    expected.sort_by_key(|batch| batch.id);
    assert_eq!(scan_all(&*store, &contest).await, expected);
}

/// A scan gives the first and the last bucket of its range, and none outside.
pub async fn both_ends_of_the_buckets_are_included(backend: &impl Backend) {
    let (store, mut random, contest) = (backend.open().await, random(), contest("ends"));
    let shard = Shard(1);
    let mut batches = Vec::new();
    for bucket in 0..5 {
        // The first and the last millisecond of the bucket.
        let last = bucket_time(bucket + 1).minus(Duration::from_millis(1));
        for at in [bucket_time(bucket), last] {
            let batch = batch_in(&mut random, &contest, at, shard);
            put(&*store, &batch).await;
            batches.push(batch);
        }
    }
    for (first, last) in [(0, 4), (1, 3), (2, 2), (0, 0), (4, 4), (5, 9)] {
        let buckets = bucket_time(first).bucket()..=bucket_time(last).bucket();
        let expected: Vec<_> =
            batches.iter().filter(|batch| buckets.contains(&batch.bucket())).cloned().collect();
        assert_eq!(scan(&*store, &contest, shard, buckets.clone()).await, expected, "{buckets:?}");
    }
    let none = Bucket(9)..=Bucket(2);
    assert_eq!(scan(&*store, &contest, shard, none).await, []);
}

/// A scan gives its own shard only.
pub async fn shards_are_separate(backend: &impl Backend) {
    let (store, mut random, contest) = (backend.open().await, random(), contest("shards"));
    let mut batches = Vec::new();
    // Many in the others, so that stepping over them is not enough.
    for (shard, count) in [(0, 60), (1, 2), (2, 60), (3, 1)] {
        for n in 0..count {
            let batch = batch_in(&mut random, &contest, bucket_time(n % 2), Shard(shard));
            put(&*store, &batch).await;
            batches.push(batch);
        }
    }
    batches.sort_by_key(|batch| batch.id);
    for shard in (0..SHARDS).map(Shard) {
        let expected: Vec<_> =
            batches.iter().filter(|batch| batch.shard == shard).cloned().collect();
        assert_eq!(scan(&*store, &contest, shard, ALL).await, expected, "{shard:?}");
    }
}

/// A scan gives its own contest only, also where one's name begins with the other's.
pub async fn contests_are_separate(backend: &impl Backend) {
    let (store, mut random, name) = (backend.open().await, random(), name("contest"));
    let contests: Vec<Slug> = ["", "-", "-a", "0", "a", "a-"]
        .iter()
        .map(|end| format!("{name}{end}").parse().expect("a slug"))
        .collect();
    let mut batches = Vec::new();
    for contest in &contests {
        let batch = batch_in(&mut random, contest, TIME, Shard(0));
        put(&*store, &batch).await;
        batches.push(batch);
    }
    for (contest, batch) in contests.iter().zip(batches) {
        assert_eq!(scan(&*store, contest, Shard(0), ALL).await, [batch], "{contest}");
    }
}

/// Buckets without batches, for months, are skipped, and what lies after them is seen.
pub async fn gaps_are_skipped(backend: &impl Backend) {
    let (store, mut random, contest) = (backend.open().await, random(), contest("gaps"));
    let month = 30 * 24 * 360;
    let mut expected = Vec::new();
    for (bucket, shard) in [(0, 1), (1, 0), (3, 2), (month, 1), (month, 2), (5 * month, 1)] {
        let batch = batch_in(&mut random, &contest, bucket_time(bucket), Shard(shard));
        put(&*store, &batch).await;
        if shard == 1 {
            expected.push(batch);
        }
    }
    assert_eq!(scan(&*store, &contest, Shard(1), ALL).await, expected);
    let tail = bucket_time(1).bucket()..=bucket_time(9 * month).bucket();
    assert_eq!(scan(&*store, &contest, Shard(1), tail).await, expected[1..]);
}

/// Thousands of batches of all sizes, put at the same time: every range of buckets of every shard
/// gives exactly those that belong to it.
pub async fn scans_agree_with_a_model(backend: &impl Backend) {
    let (store, mut random, contest) = (backend.open().await, random(), contest("model"));
    let batches: Vec<Batch> = (0..2_000)
        .map(|_| {
            let at = bucket_time(random.u64(0..40).pow(2));
            let bytes = random.choice([0, 1, 60, 500, 1_200, 5_000]).expect("not empty");
            batch(&mut random, &contest, at, bytes)
        })
        .collect();
    let puts = futures_util::stream::iter(&batches).map(|batch| put(&*store, batch));
    puts.buffer_unordered(50).for_each(|()| async {}).await;
    for _ in 0..40 {
        let shard = Shard(random.u16(0..SHARDS));
        let (a, b) = (random.u64(0..1_600), random.u64(0..1_600));
        let buckets = bucket_time(a.min(b)).bucket()..=bucket_time(a.max(b)).bucket();
        let belongs = |batch: &&Batch| batch.shard == shard && buckets.contains(&batch.bucket());
        let mut expected: Vec<_> = batches.iter().filter(belongs).cloned().collect();
        expected.sort_by_key(|batch| batch.id);
        let seen = scan(&*store, &contest, shard, buckets.clone()).await;
        assert!(seen == expected, "{shard:?} {buckets:?}: {} {}", seen.len(), expected.len());
    }
}

/// A scan that may leave out what is known gives all the rest, each once, and nothing else.
pub async fn a_scan_leaves_out_only_what_is_known(backend: &impl Backend) {
    let (store, mut random, contest) = (backend.open().await, random(), contest("known"));
    let batches: Vec<Batch> = (0..900)
        .map(|_| {
            let (at, bytes) = (bucket_time(random.u64(0..2)), random.usize(0..2_000));
            batch(&mut random, &contest, at, bytes)
        })
        .collect();
    let puts = futures_util::stream::iter(&batches).map(|batch| put(&*store, batch));
    puts.buffer_unordered(50).for_each(|()| async {}).await;
    for share in [0.0, 0.05, 0.5, 0.97, 1.0] {
        let known = batches.iter().filter(|_| random.f64() < share).map(|batch| batch.id);
        let known: HashSet<BatchId> = known.collect();
        let mut missing: HashSet<BatchId> = batches.iter().map(|batch| batch.id).collect();
        missing.retain(|id| !known.contains(id));
        let known = Arc::new(known);
        for shard in (0..SHARDS).map(Shard) {
            let seen = whole(|| store.scan_except(&contest, shard, ALL, &known)).await;
            let ids: HashSet<_> = seen.iter().map(|batch| batch.id).collect();
            assert_eq!(ids.len(), seen.len(), "a batch twice");
            for one in seen {
                assert!(batches.contains(&one) && one.shard == shard, "{one:?}");
                missing.remove(&one.id);
            }
        }
        assert!(missing.is_empty(), "of {share} known: {missing:?}");
    }
}

/// Batches of the largest size that the domain allows are kept.
pub async fn the_largest_batches_are_kept(backend: &impl Backend) {
    let (store, mut random, contest) = (backend.open().await, random(), contest("largest"));
    let bytes = ballot::limits::BATCH_BYTES_MAX;
    let mut batches = [0; 5].map(|_| batch(&mut random, &contest, TIME, bytes));
    futures_util::future::join_all(batches.iter().map(|batch| put(&*store, batch))).await;
    batches.sort_by_key(|batch| batch.id);
    assert!(scan_all(&*store, &contest).await == batches);
}

/// A batch that is too large is invalid, and not stored.
pub async fn a_batch_too_large_is_invalid(backend: &impl Backend) {
    let (store, mut random, contest) = (backend.open().await, random(), contest("too-large"));
    let bytes = ballot::limits::BATCH_BYTES_MAX + 1;
    let batch = batch(&mut random, &contest, TIME, bytes);
    let outcome = refusal(|| store.put_batch(batch.clone())).await;
    assert!(matches!(outcome, StoreError::Invalid(_)), "{outcome}");
    assert_eq!(scan_all(&*store, &contest).await, []);
}

/// While others put, a scan gives all that was durable before it, and nothing twice.
pub async fn a_scan_sees_what_was_durable_before_it(backend: &impl Backend) {
    let (store, contest) = (backend.open().await, contest("while"));
    let durable = parking_lot::Mutex::new(Vec::new());
    let scanned = std::sync::atomic::AtomicBool::new(false);
    let put_on = async |mut random: fastrand::Rng| {
        while !scanned.load(std::sync::atomic::Ordering::Relaxed) {
            let at = bucket_time(random.u64(0..20));
            let batch = batch_in(&mut random, &contest, at, Shard(2));
            put(&*store, &batch).await;
            durable.lock().push(batch.id);
            // A store that never waits would let nobody else run.
            tokio::task::yield_now().await;
        }
    };
    let scan_on = async {
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(3)).await;
            let before: HashSet<BatchId> = durable.lock().iter().copied().collect();
            let batches = scan(&*store, &contest, Shard(2), ALL).await;
            let seen: HashSet<BatchId> = batches.iter().map(|batch| batch.id).collect();
            assert_eq!(seen.len(), batches.len(), "a batch was given twice");
            assert!(before.is_subset(&seen), "missing: {:?}", before.difference(&seen));
        }
        scanned.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    tokio::join!(scan_on, put_on(random()), put_on(random()), put_on(random()));
    assert!(!durable.into_inner().is_empty());
}

/// A put whose future is dropped on the way may or may not happen; put again it is there, once.
pub async fn a_dropped_put_harms_nothing(backend: &impl Backend) {
    let (store, mut random, contest) = (backend.open().await, random(), contest("dropped"));
    let mut batches = [0; 50].map(|_| batch(&mut random, &contest, TIME, 700));
    for batch in &batches {
        let patience = Duration::from_micros(random.u64(0..500));
        let _ = tokio::time::timeout(patience, store.put_batch(batch.clone())).await;
    }
    batches.sort_by_key(|batch| batch.id);
    let seen = scan_all(&*store, &contest).await;
    assert!(seen.iter().all(|batch| batches.contains(batch)));
    for batch in &batches {
        put(&*store, batch).await;
    }
    assert_eq!(scan_all(&*store, &contest).await, batches);
}

/// After the store was closed and opened again, all ballots and documents are there.
pub async fn opened_again_nothing_is_missing(backend: &impl Backend) {
    let (mut random, contest, key) = (random(), contest("again"), name("again"));
    let (mut batches, mut version) = (Vec::new(), Version::NONE);
    for round in 0..3 {
        let store = backend.open().await;
        assert_eq!(scan_all(&*store, &contest).await, batches);
        let document = get(&*store, &key).await;
        assert_eq!(document.map_or(Version::NONE, |document| document.version), version);
        for _ in 0..20 {
            let batch = batch(&mut random, &contest, bucket_time(round), 1_000);
            put(&*store, &batch).await;
            batches.push(batch);
        }
        batches.sort_by_key(|batch| batch.id);
        let next = swap(&*store, &key, version, &format!("round {round}")).await;
        let next = next.expect("nobody else writes");
        assert!(next > version);
        version = next;
    }
}

/// The error of a call that must fail, past those that mean nothing.
pub(super) async fn refusal<T, F>(call: impl Fn() -> F) -> StoreError
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _ in 0..TRIES_MAX {
        match call().await {
            Ok(_) => panic!("it was taken"),
            Err(StoreError::Unavailable(_)) => pause().await,
            Err(error) => return error,
        }
    }
    panic!("the store stays away");
}
