//! What takes a look inside. The promises are tested by the conformance suite.

use std::{path::PathBuf, sync::Arc, time::Duration};

use ballot::{Batch, BatchId, Bucket, Shard, Slug, Timestamp};
use bytes::Bytes;
use futures_util::StreamExt;
use tempfile::TempDir;

use super::{EmbeddedSettings, EmbeddedStore};
use crate::{BallotStore, ControlStore, Read, StoreError, Version};

const TIME: Timestamp = Timestamp::from_micros(1_795_464_000_000_000);

fn contest() -> Slug {
    "tv-series".parse().unwrap()
}

fn batch(number: u64, bytes: usize) -> Batch {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let id = BatchId::new(TIME, random);
    Batch { contest: contest(), id, shard: Shard(0), packed: vec![number as u8; bytes].into() }
}

/// The batches stored, in the order of their numbers.
async fn stored(store: &EmbeddedStore) -> Vec<Batch> {
    let all = Bucket(0)..=Bucket(u64::MAX);
    store.scan(&contest(), Shard(0), all).map(Result::unwrap).collect().await
}

fn open(dir: &TempDir) -> Arc<EmbeddedStore> {
    EmbeddedStore::open(dir.path(), EmbeddedSettings::default()).unwrap()
}

fn journal_bytes(dir: &TempDir, database: &str) -> u64 {
    let files = std::fs::read_dir(database_dir(dir, database)).unwrap().map(Result::unwrap);
    let journals = files.filter(|file| file.path().extension().is_some_and(|end| end == "jnl"));
    journals.map(|file| file.metadata().unwrap().len()).sum()
}

fn database_dir(dir: &TempDir, database: &str) -> PathBuf {
    dir.path().join("store").join(database)
}

#[tokio::test]
async fn a_flush_empties_the_journals_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for round in 1..4 {
        let store = open(&dir);
        for n in 0..20 {
            let batch = batch(round * 100 + n, 1_000);
            store.put_batch(batch.clone()).await.unwrap();
            expected.push(batch);
        }
        // A newer version must win over an older one that was flushed earlier: the numbering of
        // writes survives the journal.
        let body = Bytes::from(format!("round {round}"));
        let version = store.compare_and_swap("a", Version(round - 1), body.clone()).await.unwrap();
        store.flush().await.unwrap();
        assert_eq!(journal_bytes(&dir, "ballots"), 0);
        assert_eq!(journal_bytes(&dir, "control"), 0);
        assert_eq!(stored(&store).await, expected);
        assert_eq!(store.get("a", Read::Serial).await.unwrap().unwrap().body, body);
        assert_eq!(version, Version(round));
    }
    let store = open(&dir);
    assert_eq!(stored(&store).await, expected);
    assert_eq!(store.get("a", Read::Serial).await.unwrap().unwrap().version, Version(3));
}

#[tokio::test]
async fn in_a_pause_the_journal_is_emptied_while_others_read() {
    let dir = tempfile::tempdir().unwrap();
    let settings = EmbeddedSettings {
        tidy_after_idle: Duration::from_millis(5),
        tidy_bytes_min: 10_000,
        ..EmbeddedSettings::default()
    };
    let store = EmbeddedStore::open(dir.path(), settings).unwrap();
    let mut expected = Vec::new();
    for round in 0..3 {
        for n in 0..20 {
            let batch = batch(round * 100 + n, 1_000);
            store.put_batch(batch.clone()).await.unwrap();
            expected.push(batch);
        }
        while journal_bytes(&dir, "ballots") > 0 {
            assert_eq!(stored(&store).await, expected);
        }
    }
    assert_eq!(stored(&store).await, expected);
}

#[tokio::test]
async fn a_failure_in_the_background_poisons() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    // The next flush finds no place for its files.
    std::fs::remove_dir_all(database_dir(&dir, "ballots").join("keyspaces/1/blobs")).unwrap();
    let put_on = async {
        for number in 0.. {
            // 40 MB fill a memtable; those after it may be refused or not.
            if store.put_batch(batch(number, 400_000)).await.is_err() {
                break;
            }
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, put_on).await.expect("it takes no more writes");
    let reason = tokio::time::timeout(patience, store.poisoned()).await.expect("it is poisoned");
    assert!(reason.contains("ballots"), "{reason}");
}

#[tokio::test]
async fn more_writes_than_may_wait_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    // A commit and so an fsync for each.
    let settings =
        EmbeddedSettings { queue_max: 4, commit_bytes_max: 0, ..EmbeddedSettings::default() };
    let store = EmbeddedStore::open(dir.path(), settings).unwrap();
    let puts = (0..50).map(|n| store.put_batch(batch(n, 100)));
    let outcomes = futures_util::future::join_all(puts).await;
    let (taken, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert!((4..50).contains(&taken.len()), "{} were taken", taken.len());
    assert!(refused.iter().all(|outcome| matches!(outcome, Err(StoreError::Unavailable(_)))));
}
