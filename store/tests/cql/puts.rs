//! What the conformance suite cannot see: other processes, and rows as they lie in the tables.

use std::{collections::HashSet, sync::Arc};

use ballot::{Batch, BatchId, Bucket, Shard, Timestamp};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use scylla::client::session_builder::SessionBuilder;
use store::{BallotStore, ControlStore, Read, StoreError, Version};

use crate::cluster;

pub(crate) fn batch(contest: &str, millis: u64, packed: Bytes) -> Batch {
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    let id = BatchId::new(Timestamp::from_micros(millis as i64 * 1_000), random);
    Batch { contest: contest.parse().unwrap(), id, shard: Shard(3), packed }
}

fn name(test: &str) -> String {
    format!("{test}-{:016x}", fastrand::u64(..))
}

/// A put that another process repeats, and that reaches a node after it, writes the same cell:
/// one row, with the time of the batch.
#[tokio::test]
async fn a_put_repeated_elsewhere_is_the_same_cell() {
    let (Some(here), Some(there)) = (cluster::store().await, cluster::store().await) else {
        return;
    };
    let contest = name("same");
    let batch = batch(&contest, 1_795_464_000_123, Bytes::from_static(b"packed"));
    here.put_batch(batch.clone()).await.unwrap();
    there.put_batch(batch.clone()).await.unwrap();
    here.put_batch(batch.clone()).await.unwrap();

    let settings = cluster::settings().await.unwrap();
    let session = SessionBuilder::new().known_nodes(&settings.hosts).build().await.unwrap();
    let cql = format!(
        "SELECT WRITETIME(packed), packed FROM {}.ballots \
         WHERE contest = '{contest}' AND bucket = 179546400 AND shard = 3",
        settings.keyspace
    );
    let rows = session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
    let rows: Vec<_> = rows.rows::<(i64, Bytes)>().unwrap().map(Result::unwrap).collect();
    assert_eq!(rows, [(1_795_464_000_123_000, batch.packed)]);
}

/// The earliest and the latest time that a batch id can have.
#[tokio::test]
async fn the_ends_of_time_are_kept() {
    let Some(store) = cluster::store().await else { return };
    let contest = name("ends");
    let mut batches: Vec<_> = [0, 1, 9_999, 10_000, (1 << 48) - 1]
        .map(|millis| batch(&contest, millis, Bytes::from_static(b"x")))
        .into();
    for batch in &batches {
        store.put_batch(batch.clone()).await.unwrap();
    }
    let scan = async |buckets| {
        let stream = store.scan(&contest.parse().unwrap(), Shard(3), buckets);
        let mut seen: Vec<Batch> = stream.try_collect().await.unwrap();
        seen.sort_by_key(|batch| batch.id);
        seen
    };
    batches.sort_by_key(|batch| batch.id);
    assert_eq!(scan(Bucket(0)..=Bucket(u64::MAX)).await, batches);
    assert_eq!(scan(Bucket(1)..=Bucket(i64::MAX as u64 + 1)).await, batches[3..]);
    assert_eq!(scan(Bucket(i64::MAX as u64 + 1)..=Bucket(u64::MAX)).await, []);
}

/// What the caller has is not read again, also where that is more than one page of ids, and a batch
/// that comes late among them is.
#[tokio::test]
async fn what_is_known_is_not_read_again() {
    let Some(store) = cluster::store().await else { return };
    let contest = name("known");
    let batches: Vec<_> =
        (0..2_300).map(|n| batch(&contest, n, Bytes::from(vec![1; 40]))).collect();
    let puts = futures_util::stream::iter(&batches).map(|batch| store.put_batch(batch.clone()));
    puts.buffer_unordered(50).try_for_each(async |()| Ok(())).await.unwrap();
    let scan = async |known: HashSet<BatchId>| {
        let (contest, all) = (contest.parse().unwrap(), Bucket(0)..=Bucket(9));
        let stream = store.scan_except(&contest, Shard(3), all, &Arc::new(known));
        let mut seen: Vec<Batch> = stream.try_collect().await.unwrap();
        seen.sort_by_key(|batch| batch.id);
        seen
    };
    let mut known: HashSet<_> = batches.iter().map(|batch| batch.id).collect();
    assert_eq!(scan(known.clone()).await, []);
    for n in [0, 700, 2_299] {
        known.remove(&batches[n].id);
    }
    let new = [0, 700, 2_299].map(|n: usize| batches[n].clone());
    assert_eq!(scan(known).await, new);
}

/// Rows that we do not write are not given as ballots, and a scan ends at them.
#[tokio::test]
async fn a_row_that_is_not_ours_is_corrupt() {
    let Some(store) = cluster::store().await else { return };
    let settings = cluster::settings().await.unwrap();
    let session = SessionBuilder::new().known_nodes(&settings.hosts).build().await.unwrap();
    let keyspace = &settings.keyspace;
    let id = "019f9a3b-0000-7000-8000-000000000000";
    for (bucket, packed) in [(1, "0x00"), (179_546_400, "null")] {
        let contest = name("corrupt");
        for cql in [
            format!(
                "INSERT INTO {keyspace}.buckets (contest, shard, bucket) \
                 VALUES ('{contest}', 0, {bucket})"
            ),
            format!(
                "INSERT INTO {keyspace}.ballots (contest, shard, bucket, batch_id, packed) \
                 VALUES ('{contest}', 0, {bucket}, {id}, {packed})"
            ),
        ] {
            session.query_unpaged(cql, ()).await.unwrap();
        }
        let all = Bucket(0)..=Bucket(u64::MAX);
        let mut scan = store.scan(&contest.parse().unwrap(), Shard(0), all);
        let first = scan.next().await.unwrap();
        assert!(matches!(first, Err(StoreError::Corrupt(_))), "{first:?}");
        assert!(scan.next().await.is_none());
    }
}

/// A scan gives what others have put into a bucket that this process did not put into.
#[tokio::test]
async fn thousands_of_buckets_are_scanned() {
    let Some(store) = cluster::store().await else { return };
    let contest = name("many");
    let count = 5_000_u64;
    let puts = futures_util::stream::iter(0..count).map(|n| {
        let (store, contest) = (store.clone(), contest.clone());
        async move {
            let batch = batch(&contest, n * 1_000_000, Bytes::from(n.to_string()));
            while store.put_batch(batch.clone()).await.is_err() {}
        }
    });
    puts.buffer_unordered(64).for_each(|()| async {}).await;
    let all = Bucket(0)..=Bucket(u64::MAX);
    let stream = store.scan(&contest.parse().unwrap(), Shard(3), all);
    let seen: Vec<Batch> = stream.try_collect().await.unwrap();
    let mut packed: Vec<u64> =
        seen.iter().map(|batch| str::from_utf8(&batch.packed).unwrap().parse().unwrap()).collect();
    packed.sort_unstable();
    assert!(packed.iter().copied().eq(0..count), "{}", packed.len());
}

/// A name without its document, as a writer leaves it that dies between the two, is not listed.
#[tokio::test]
async fn a_name_without_its_document_is_not_listed() {
    let Some(store) = cluster::store().await else { return };
    let settings = cluster::settings().await.unwrap();
    let session = SessionBuilder::new().known_nodes(&settings.hosts).build().await.unwrap();
    let prefix = name("named");
    let keyspace = &settings.keyspace;
    let cql = format!("INSERT INTO {keyspace}.names (part, key) VALUES (0, '{prefix}/a')");
    session.query_unpaged(cql, ()).await.unwrap();
    let body = Bytes::from_static(b"b");
    store.compare_and_swap(&format!("{prefix}/b"), Version::NONE, body).await.unwrap();
    let listed = store.list(&prefix, Read::Serial).await.unwrap();
    let keys: Vec<_> = listed.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, [format!("{prefix}/b")]);
    assert_eq!(store.get("", Read::Serial).await.unwrap(), None);
    assert_eq!(store.get(&"x".repeat(100_000), Read::Serial).await.unwrap(), None);
}

/// The name of a removed document is deleted, and a deletion that comes late leaves that of the next
/// life alone.
#[tokio::test]
async fn the_name_of_a_removed_document_goes_and_that_of_its_next_life_stays() {
    let Some(store) = cluster::store().await else { return };
    let settings = cluster::settings().await.unwrap();
    let session = SessionBuilder::new().known_nodes(&settings.hosts).build().await.unwrap();
    let (key, keyspace) = (name("lives"), &settings.keyspace);
    let count = async |what: &str| {
        let rows = session.query_unpaged(format!("SELECT key FROM {keyspace}.{what}"), ()).await;
        rows.unwrap().into_rows_result().unwrap().rows_num()
    };
    let names = format!("names WHERE part = 0 AND key = '{key}'");
    let mut last = Version::NONE;
    for life in 1..=3_usize {
        let mut version = Version::NONE;
        for _ in 0..life {
            version = store.compare_and_swap(&key, version, "body".into()).await.unwrap();
        }
        assert_eq!(version, Version(last.0 + life as u64));
        // As by a process that was paused after it had removed the former one.
        let late = format!(
            "DELETE FROM {keyspace}.names USING TIMESTAMP {} WHERE part = 0 AND key = '{key}'",
            last.0
        );
        session.query_unpaged(late, ()).await.unwrap();
        for read in [Read::Serial, Read::Quorum] {
            assert_eq!(store.list(&key, read).await.unwrap().len(), 1, "{read:?}");
        }
        assert_eq!(count(&names).await, 1);
        store.delete(&key, version).await.unwrap();
        assert_eq!(count(&names).await, 0);
        last = version;
    }
    assert_eq!(count(&format!("documents WHERE key = '{key}'")).await, 1, "its last version");
}
