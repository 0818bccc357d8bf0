//! Which folders are opened and which are refused, untouched.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use store::{BallotStore, EmbeddedSettings, EmbeddedStore, OpenError};

use crate::{batch, stored};

/// The error of opening, which must name the folder and change nothing in it.
fn refused(dir: &Path) -> OpenError {
    let before = contents(dir);
    let error = EmbeddedStore::open(dir, EmbeddedSettings::default()).err().expect("refused");
    assert!(error.to_string().contains(&dir.display().to_string()), "{error}");
    assert_eq!(contents(dir), before, "{error}");
    error
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut contents = BTreeMap::new();
    let Ok(entries) = fs::read_dir(dir) else { return contents };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let bytes = fs::read(&path).unwrap_or_default();
        contents.extend(super::folder::contents(&path));
        contents.insert(path, bytes);
    }
    contents
}

fn make(dir: &Path) {
    EmbeddedStore::open(dir, EmbeddedSettings::default()).unwrap();
}

#[test]
fn a_folder_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), EmbeddedSettings::default()).unwrap();
    assert!(matches!(refused(dir.path()), OpenError::InUse { .. }));
    drop(store);
    make(dir.path());
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let newer = r#"{"format": 2, "something": "else"}"#;
    fs::write(dir.path().join("store/FORMAT"), newer).unwrap();
    assert!(matches!(refused(dir.path()), OpenError::NewerFormat { found: 2, known: 1, .. }));
}

#[test]
fn a_folder_with_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    assert!(matches!(refused(dir.path()), OpenError::NotOurs { .. }));
    // Also where something has the name of ours.
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("store")).unwrap();
    assert!(matches!(refused(dir.path()), OpenError::NotOurs { .. }));
}

#[test]
fn a_damaged_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let format = fs::read(dir.path().join("store/FORMAT")).unwrap();
    fs::write(dir.path().join("store/FORMAT"), "").unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Damaged { .. }));
    // A database that is gone is not made anew, which would look like a vote without ballots.
    fs::write(dir.path().join("store/FORMAT"), format).unwrap();
    fs::remove_dir_all(dir.path().join("store/ballots")).unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Damaged { .. }));
}

#[test]
fn what_is_no_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(refused(&file), OpenError::Io { .. }));
}

#[test]
fn a_new_folder_is_made_with_its_parents_and_on_a_new_file_system() {
    let dir = tempfile::tempdir().unwrap();
    make(&dir.path().join("a/b/c"));
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    make(dir.path());
}

#[tokio::test]
async fn a_crash_while_the_store_is_made_leaves_a_folder_that_opens() {
    let made = tempfile::tempdir().unwrap();
    make(made.path());
    // However far it had come: nothing but the lock; half a database; all but the name.
    for files in [&[][..], &["ballots/lock", "ballots/0.jnl"], &["FORMAT", "ballots/version"]] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("LOCK"), "").unwrap();
        for file in files {
            let path = dir.path().join("creating").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let store = EmbeddedStore::open(dir.path(), EmbeddedSettings::default()).unwrap();
        let batch = batch(100);
        store.put_batch(batch.clone()).await.unwrap();
        assert_eq!(stored(&store).await, [batch]);
        assert!(!dir.path().join("creating").exists());
    }
}
