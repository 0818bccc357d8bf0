//! A write that fails: nothing is acknowledged any more, and nothing that was is lost.
//!
//! The test starts its own binary again with a limit to the size of its files: past it the operating
//! system refuses every write.

use std::{collections::BTreeSet, path::Path, process::Command};

use ballot::BatchId;
use bytes::Bytes;
use futures_util::FutureExt;
use store::{BallotStore, ControlStore, EmbeddedSettings, EmbeddedStore, StoreError, Version};

use crate::{batch, stored};

const DIR: &str = "LANDSLIDE_TEST_LIMITED_DIR";
/// Past the limit a process is sent a signal first, which would end it.
const LIMITED: &str = r#"trap "" XFSZ; ulimit -f 1024; exec "$0" "$@""#;

fn open(dir: &Path) -> std::sync::Arc<EmbeddedStore> {
    EmbeddedStore::open(dir, EmbeddedSettings::default()).unwrap()
}

#[tokio::test]
async fn a_failed_write_poisons_and_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    // A new journal is made larger than the limit, one that was emptied is not.
    open(dir.path()).flush().await.unwrap();
    let child = Command::new("sh")
        .args(["-c", LIMITED])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "failed_write::process_with_a_limit", "--ignored", "--nocapture"])
        .env(DIR, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(child.stdout).unwrap();
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}{errors}");
    let acknowledged = said.lines().filter_map(|line| {
        let id = u128::from_str_radix(line.strip_prefix("put ")?, 16).unwrap();
        Some(BatchId::from_bytes(id.to_be_bytes()))
    });
    let acknowledged: BTreeSet<_> = acknowledged.collect();
    println!("{} acknowledged", acknowledged.len());

    let store = open(dir.path());
    let ids: BTreeSet<_> = stored(&store).await.iter().map(|batch| batch.id).collect();
    let missing: Vec<_> = acknowledged.difference(&ids).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(ids.len() <= acknowledged.len() + 1, "the one that failed may be there, and no other");
    store.put_batch(batch(1_000)).await.unwrap();
}

/// Not a test: puts until a write fails, says what was acknowledged, and looks at what is left.
#[tokio::test]
#[ignore = "started by the test above"]
async fn process_with_a_limit() {
    let dir = std::env::var_os(DIR).expect("started by the test above");
    let store = open(dir.as_ref());
    let poisoned = store.poisoned();
    let mut acknowledged = Vec::new();
    let error = loop {
        let batch = batch(10_000);
        match store.put_batch(batch.clone()).await {
            Ok(()) => acknowledged.push(batch),
            Err(error) => break error,
        }
    };
    for batch in &acknowledged {
        println!("put {:032x}", u128::from_be_bytes(*batch.id.as_bytes()));
    }
    assert!(acknowledged.len() > 10 && matches!(error, StoreError::Unavailable(_)), "{error}");
    let reason = poisoned.await;
    assert!(reason.contains("too large") && reason.contains("ballots"), "{reason}");
    assert_eq!(store.poisoned().now_or_never(), Some(reason), "known at once");

    // A small one would find its place; it is not tried.
    let later = store.put_batch(batch(10)).now_or_never().expect("fails at once");
    assert!(matches!(later, Err(StoreError::Unavailable(_))), "{later:?}");
    let later = store.compare_and_swap("a", Version::NONE, Bytes::new()).now_or_never();
    assert!(matches!(later, Some(Err(StoreError::Unavailable(_)))), "{later:?}");
    let later = store.delete("a", Version(1)).now_or_never();
    assert!(matches!(later, Some(Err(StoreError::Unavailable(_)))), "{later:?}");
    assert!(matches!(store.flush().await, Err(StoreError::Unavailable(_))));
    acknowledged.sort_by_key(|batch| batch.id);
    assert_eq!(stored(&store).await, acknowledged, "it is still read");
}
