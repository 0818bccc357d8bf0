//! A full disk: nothing is acknowledged that is not there, and with space again it goes on.

use std::{path::Path, process::Command, time::Duration};

use store::{BallotStore, EmbeddedSettings, EmbeddedStore, StoreError};

use crate::{batch, stored};

/// A file system in memory, of a size; only root may mount one.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(megabytes: usize) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.run("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .then_some(disk)
    }

    fn resize(&self, megabytes: usize) {
        assert!(self.run("mount", &["-o", &format!("remount,size={megabytes}m")]));
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, program: &str, args: &[&str]) -> bool {
        let output = Command::new(program).args(args).arg(self.path()).output();
        output.is_ok_and(|output| output.status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.run("umount", &[]);
    }
}

#[tokio::test]
async fn a_full_disk_stops_the_store_and_loses_nothing() {
    // On the small one the journal finds no space, on the large one the files of the memtable.
    for megabytes in [20, 48] {
        let Some(disk) = Disk::mount(megabytes) else {
            eprintln!("skipped: no file system can be mounted here, which takes root");
            return;
        };
        let store = EmbeddedStore::open(disk.path(), EmbeddedSettings::default()).unwrap();
        let poisoned = store.poisoned();
        let mut acknowledged = Vec::new();
        let error = loop {
            let batch = batch(100_000);
            match store.put_batch(batch.clone()).await {
                Ok(()) => acknowledged.push(batch),
                Err(error) => break error,
            }
            assert!(acknowledged.len() * 100_000 < megabytes << 20, "more than there is room for");
        };
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        let patience = Duration::from_secs(30);
        let reason = tokio::time::timeout(patience, poisoned).await.expect("it is poisoned");
        assert!(reason.to_lowercase().contains("no space left"), "{reason}");
        println!("{megabytes} MB: {} acknowledged, then: {reason}", acknowledged.len());
        assert!(store.put_batch(batch(100)).await.is_err());
        drop(store);

        // Without space it may open or not, but does no harm.
        match EmbeddedStore::open(disk.path(), EmbeddedSettings::default()) {
            Ok(store) => drop(store),
            Err(error) => println!("still full: {error}"),
        }
        disk.resize(512);
        let store = EmbeddedStore::open(disk.path(), EmbeddedSettings::default()).unwrap();
        let after = batch(100);
        store.put_batch(after.clone()).await.unwrap();
        let mut stored = stored(&store).await;
        // The one that failed may be there, and nothing else.
        acknowledged.push(after);
        stored.retain(|batch| acknowledged.contains(batch));
        acknowledged.sort_by_key(|batch| batch.id);
        assert!(stored == acknowledged, "{} of {}", stored.len(), acknowledged.len());
        store.flush().await.unwrap();
    }
}
