//! `kill -9` while batches are put: what was acknowledged is there.
//!
//! The test starts its own binary again as the process to be killed.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use ballot::BatchId;
use bytes::Bytes;
use store::{BallotStore, ControlStore, EmbeddedSettings, EmbeddedStore, Read, Version};

use crate::{batch, batch_of, stored};

const DIR: &str = "LANDSLIDE_TEST_KILL_DIR";
const CYCLES: usize = 10;
const BATCH_BYTES: usize = 1_200;

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut version) = (BTreeSet::new(), 0);
    for cycle in 0..CYCLES {
        let seed = fastrand::u64(..);
        println!("cycle {cycle}: seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::process_to_be_killed", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Counted in acknowledgements, so that a slow machine tests as much.
        let kill_after = random.usize(1..1_000);
        let mut count = 0;
        for line in lines.map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("put", id)) => {
                    let id = u128::from_str_radix(id, 16).unwrap();
                    acknowledged.insert(BatchId::from_bytes(id.to_be_bytes()));
                }
                Some(("swapped", number)) => version = number.parse().unwrap(),
                _ => continue, // The test harness's own.
            }
            count += 1;
            if count == kill_after {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(count >= kill_after, "the process ended by itself after {count}");

        let store = EmbeddedStore::open(dir.path(), EmbeddedSettings::default()).unwrap();
        let batches = stored(&store).await;
        for batch in &batches {
            assert_eq!(*batch, batch_of(batch.id, BATCH_BYTES), "cycle {cycle}");
        }
        let stored: BTreeSet<_> = batches.iter().map(|batch| batch.id).collect();
        let missing: Vec<_> = acknowledged.difference(&stored).collect();
        assert!(missing.is_empty(), "cycle {cycle}: {} missing: {missing:?}", missing.len());
        let document = store.get("count", Read::Serial).await.unwrap();
        let now = document.map_or(Version::NONE, |document| document.version);
        assert!(now >= Version(version), "cycle {cycle}: {now:?} after {version}");
    }
    println!("{} acknowledged, none missing", acknowledged.len());
}

/// Not a test: puts and swaps until it is killed, and says what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test above"]
async fn process_to_be_killed() {
    let dir = std::env::var_os(DIR).expect("started by the test above");
    let settings = EmbeddedSettings {
        // Now and then it is killed while it tidies up.
        tidy_after_idle: Duration::from_millis(2),
        tidy_bytes_min: 1,
        ..EmbeddedSettings::default()
    };
    let store = EmbeddedStore::open(dir.as_ref(), settings).unwrap();
    let put_one = async || {
        let batch = batch(BATCH_BYTES);
        let id = u128::from_be_bytes(*batch.id.as_bytes());
        store.put_batch(batch).await.unwrap();
        println!("put {id:032x}");
    };
    let put_on = async {
        loop {
            for _ in 0..50 {
                tokio::join!(put_one(), put_one());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let swap_on = async {
        let mut version = store
            .get("count", Read::Serial)
            .await
            .unwrap()
            .map_or(Version::NONE, |document| document.version);
        loop {
            version = store.compare_and_swap("count", version, Bytes::new()).await.unwrap();
            println!("swapped {}", version.0);
        }
    };
    // Whichever ends, ends by a panic.
    let ((), ()) = tokio::join!(put_on, swap_on);
}
