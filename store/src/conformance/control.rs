//! What [`ControlStore`] promises.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{ballots::refusal, *};
use crate::{DOCUMENT_BYTES_MAX, DOCUMENT_KEY_BYTES_MAX, FaultSettings, FaultyStore};

/// A document is read as it was written, and each version is larger.
pub async fn a_document_is_kept(backend: &impl Backend) {
    let (store, key) = (backend.open().await, name("kept"));
    assert_eq!(get(&*store, &key).await, None);
    let mut version = Version::NONE;
    for n in 0..20 {
        let body = format!("body {n}");
        let next = swap(&*store, &key, version, &body).await.expect("nobody else writes");
        assert!(next > version, "{next:?} after {version:?}");
        version = next;
        assert_eq!(get(&*store, &key).await, Some(Document { version, body: body.into() }));
    }
}

/// Whoever looks after a change was acknowledged sees it, or a later one, however it looks; and what
/// was seen once does not go away.
pub async fn what_is_acknowledged_is_seen(backend: &impl Backend) {
    let (store, key) = (backend.open().await, name("seen"));
    let (acknowledged, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let write = async {
        let mut version = Version::NONE;
        for n in 0..20 {
            version = swap(&*store, &key, version, &format!("{n}")).await.expect("one writes");
            acknowledged.store(version.0, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    };
    let read = async {
        let mut seen = 0;
        while !done.load(Ordering::SeqCst) {
            let before = acknowledged.load(Ordering::SeqCst);
            let got = version_of(look(&*store, &key).await);
            assert!(got >= before.max(seen), "{got} after {before} and {seen}");
            let listed = list(&*store, &key, Read::Quorum).await.pop();
            let listed = version_of(listed.map(|(_, document)| document));
            assert!(listed >= got, "{listed} after {got}");
            seen = listed;
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::join(write, read).await;
    let last = get(&*store, &key).await;
    assert_eq!(look(&*store, &key).await, last);
}

fn version_of(document: Option<Document>) -> u64 {
    document.map_or(0, |document| document.version.0)
}

async fn look(store: &impl ControlStore, key: &str) -> Option<Document> {
    patiently(|| store.get(key, Read::Quorum)).await
}

async fn list(store: &impl ControlStore, prefix: &str, read: Read) -> Vec<(String, Document)> {
    patiently(|| store.list(prefix, read)).await
}

/// A swap of a version that is not the document's is a conflict, and writes nothing.
pub async fn a_conflict_writes_nothing(backend: &impl Backend) {
    let (store, key) = (backend.open().await, name("conflict"));
    let conflicts = async |expected: Version| {
        let before = get(&*store, &key).await;
        let body = Bytes::from("somebody else's");
        let outcome = refusal(|| store.compare_and_swap(&key, expected, body.clone())).await;
        assert!(matches!(outcome, StoreError::Conflict), "{expected:?}: {outcome}");
        assert_eq!(get(&*store, &key).await, before);
    };
    conflicts(Version(1)).await;
    let first = swap(&*store, &key, Version::NONE, "first").await.expect("there is none");
    conflicts(Version::NONE).await;
    conflicts(Version(first.0 + 1)).await;
    let second = swap(&*store, &key, first, "second").await.expect("nobody else writes");
    conflicts(first).await;
    conflicts(Version::NONE).await;
    assert_eq!(get(&*store, &key).await.map(|document| document.version), Some(second));
}

/// A list gives the documents under its prefix, all of them and no others, in order.
pub async fn documents_are_listed_in_order(backend: &impl Backend) {
    let (store, name) = (backend.open().await, name("list"));
    let mut keys: Vec<String> = ["", "/", "/a", "/a/b", "/a-b", "/a.b", "/ab", "/b", "0", "_"]
        .iter()
        .map(|end| format!("{name}{end}"))
        .collect();
    fastrand::shuffle(&mut keys);
    for key in &keys {
        swap(&*store, key, Version::NONE, key).await.expect("there is none");
    }
    keys.sort_unstable();
    for prefix in ["", "/", "/a", "/a/", "/a/b", "/b", "/c"].map(|end| format!("{name}{end}")) {
        let listed = list(&*store, &prefix, Read::Serial).await;
        let expected: Vec<_> = keys.iter().filter(|key| key.starts_with(&prefix)).collect();
        assert_eq!(listed.iter().map(|(key, _)| key).collect::<Vec<_>>(), expected, "{prefix}");
        assert!(listed.iter().all(|(key, document)| document.body == key), "{listed:?}");
        assert_eq!(list(&*store, &prefix, Read::Quorum).await, listed, "{prefix}");
    }
}

/// Of eight that add their steps to one document at the same time, no step is lost or done twice.
pub async fn concurrent_swaps_lose_none(backend: &impl Backend) {
    let (store, key) = (backend.open().await, name("steps"));
    let add_steps = async |who: usize| {
        for step in 0..10 {
            let step = format!("{who}.{step};");
            let mut acknowledged = false;
            loop {
                let now = get(&*store, &key).await;
                let version = now.as_ref().map_or(Version::NONE, |now| now.version);
                let steps = text(now.as_ref());
                if steps.contains(&step) {
                    break;
                }
                assert!(!acknowledged, "{step} is lost: {steps}");
                let body = Bytes::from(format!("{steps}{step}"));
                // Whether a failed one happened, the next look tells.
                acknowledged = store.compare_and_swap(&key, version, body).await.is_ok();
            }
        }
    };
    futures_util::future::join_all((0..8).map(add_steps)).await;
    let document = get(&*store, &key).await;
    let mut steps: Vec<&str> = text(document.as_ref()).split_terminator(';').collect();
    assert_eq!(steps.len(), 80);
    steps.sort_unstable();
    steps.dedup();
    assert_eq!(steps.len(), 80, "a step was done twice");
}

fn text(document: Option<&Document>) -> &str {
    document.map_or("", |document| str::from_utf8(&document.body).expect("text"))
}

/// Keys of other characters and documents too large are invalid; the largest are kept.
pub async fn bad_documents_are_invalid(backend: &impl Backend) {
    let (store, name) = (backend.open().await, name("limits"));
    let (longest, too_long) = (DOCUMENT_KEY_BYTES_MAX, DOCUMENT_KEY_BYTES_MAX + 1);
    let too_long = format!("{name:x<too_long$}");
    for key in ["", "A", "a b", "ä", "a\0", "a\n", "a:b", "a%", too_long.as_str()] {
        let outcome = refusal(|| store.compare_and_swap(key, Version::NONE, Bytes::new())).await;
        assert!(matches!(outcome, StoreError::Invalid(_)), "{key:?}: {outcome}");
        let outcome = refusal(|| store.delete(key, Version(1))).await;
        assert!(matches!(outcome, StoreError::Invalid(_)), "{key:?}: {outcome}");
    }
    let body = Bytes::from(vec![b'x'; DOCUMENT_BYTES_MAX + 1]);
    let outcome = refusal(|| store.compare_and_swap(&name, Version::NONE, body.clone())).await;
    assert!(matches!(outcome, StoreError::Invalid(_)), "{outcome}");
    assert_eq!(get(&*store, &name).await, None);

    let key = format!("{name:x<longest$}");
    let body = "x".repeat(DOCUMENT_BYTES_MAX);
    swap(&*store, &key, Version::NONE, &body).await.expect("the largest is kept");
    assert!(get(&*store, &key).await.is_some_and(|document| document.body == body));
}

/// What was removed is neither read nor listed, however one looks; its neighbours stay, and it can
/// be made again. The largest, too.
pub async fn a_removed_document_is_gone(backend: &impl Backend) {
    let (store, name) = (backend.open().await, name("removed"));
    let largest = "x".repeat(DOCUMENT_BYTES_MAX);
    let keys = ["", "/a", "/b", "/c"].map(|end| format!("{name}{end}"));
    for (key, body) in keys.iter().zip(["1", largest.as_str(), "3", ""]) {
        let first = swap(&*store, key, Version::NONE, "at first").await.expect("there is none");
        let second = swap(&*store, key, first, body).await.expect("nobody else writes");
        assert_eq!(second, Version(2));
    }
    for removed in 1..=3 {
        delete(&*store, &keys[removed], Version(2)).await.expect("nobody else writes");
        for read in [Read::Serial, Read::Quorum] {
            assert_eq!(patiently(|| store.get(&keys[removed], read)).await, None);
            let listed = list(&*store, &name, read).await;
            let listed: Vec<_> = listed.iter().map(|(key, _)| key).collect();
            let expected: Vec<_> = keys[..1].iter().chain(&keys[removed + 1..]).collect();
            assert_eq!(listed, expected, "{read:?}");
        }
    }
    let version = swap(&*store, &keys[1], Version::NONE, "again").await.expect("there is none");
    let again = Document { version, body: "again".into() };
    assert_eq!(get(&*store, &keys[1]).await, Some(again.clone()));
    for read in [Read::Serial, Read::Quorum] {
        assert_eq!(list(&*store, &keys[1], read).await, [(keys[1].clone(), again.clone())]);
    }
}

/// A delete of a version that is not the document's is a conflict and removes nothing, and so is one
/// of a document that is not there.
pub async fn a_delete_that_conflicts_removes_nothing(backend: &impl Backend) {
    let (store, key) = (backend.open().await, name("delete-conflict"));
    let conflicts = async |expected: Version| {
        let before = get(&*store, &key).await;
        let outcome = refusal(|| store.delete(&key, expected)).await;
        assert!(matches!(outcome, StoreError::Conflict), "{expected:?}: {outcome}");
        assert_eq!(get(&*store, &key).await, before);
    };
    let versions = [0, 1, 2, 3, u64::MAX].map(Version);
    for version in versions {
        conflicts(version).await;
    }
    let first = swap(&*store, &key, Version::NONE, "first").await.expect("there is none");
    let second = swap(&*store, &key, first, "second").await.expect("nobody else writes");
    for version in versions.into_iter().filter(|version| *version != second) {
        conflicts(version).await;
    }
    delete(&*store, &key, second).await.expect("nobody else writes");
    for version in versions {
        conflicts(version).await;
    }
}

/// A document that is made again goes on where it ended: changes of its former life are conflicts,
/// and no version comes twice.
pub async fn the_next_life_goes_on_with_larger_versions(backend: &impl Backend) {
    let (store, key) = (backend.open().await, name("lives"));
    let mut former: Vec<Version> = Vec::new();
    for life in 0..4 {
        let mut version = Version::NONE;
        for n in 0..=life {
            let body = format!("{life}.{n}");
            version = swap(&*store, &key, version, &body).await.expect("nobody else writes");
            assert!(former.last().is_none_or(|last| version > *last), "{version:?}, {former:?}");
            for late in &former {
                let swapped = refusal(|| store.compare_and_swap(&key, *late, "late".into())).await;
                let removed = refusal(|| store.delete(&key, *late)).await;
                let conflict = StoreError::Conflict.to_string();
                assert_eq!([swapped.to_string(), removed.to_string()], [&*conflict, &*conflict]);
            }
            former.push(version);
        }
        delete(&*store, &key, version).await.expect("nobody else writes");
        // Nor while there is none.
        for late in &former {
            let swapped = refusal(|| store.compare_and_swap(&key, *late, "late".into())).await;
            assert!(matches!(swapped, StoreError::Conflict), "{late:?}: {swapped}");
        }
        assert_eq!(get(&*store, &key).await, None);
    }
}

/// Of a delete and a swap of one version at the same time, one happens and the other is a conflict;
/// of several deletes one.
pub async fn of_a_delete_and_a_swap_one_happens(backend: &impl Backend) {
    let (store, key) = (backend.open().await, name("either"));
    for round in 0..8 {
        let body = format!("{round}");
        let version = match get(&*store, &key).await {
            Some(document) => document.version,
            None => swap(&*store, &key, Version::NONE, &body).await.expect("there is none"),
        };
        let body = format!("{round}, swapped");
        let deletes = futures_util::future::join_all((0..3).map(|_| store.delete(&key, version)));
        let swap = store.compare_and_swap(&key, version, body.clone().into());
        let (deletes, swap) = tokio::join!(deletes, swap);
        let now = get(&*store, &key).await;
        assert!(now.as_ref().is_none_or(|now| now.version == version || now.body == body));
        match swap {
            Ok(swapped) => assert_eq!(now.map(|now| now.version), Some(swapped)),
            Err(StoreError::Conflict) => assert_eq!(now, None),
            // It has or has not happened.
            Err(_) => {}
        }
        let done = deletes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!(done <= 1, "{done} have removed it");
        if done == 1 {
            assert_eq!(get(&*store, &key).await, None);
        }
    }
}

/// A delete that fails was not done, or it was and only its reply is lost; told apart by a read.
pub async fn a_delete_without_a_reply_is_done_or_is_not(backend: &impl Backend) {
    let (store, key) = (backend.open().await, name("no-reply"));
    let version = swap(&*store, &key, Version::NONE, "body").await.expect("there is none");
    let refusing = FaultSettings { write_refused: 1.0, ..FaultSettings::none(1) };
    let refusing = FaultyStore::new(Arc::clone(&store), refusing);
    let outcome = refusing.delete(&key, version).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert_eq!(get(&*store, &key).await.map(|document| document.version), Some(version));

    let silent = FaultSettings { write_reply_lost: 1.0, ..FaultSettings::none(1) };
    let silent = FaultyStore::new(Arc::clone(&store), silent);
    for _ in 0..TRIES_MAX {
        let outcome = silent.delete(&key, version).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        if get(&*store, &key).await.is_none() {
            break;
        }
    }
    assert_eq!(get(&*store, &key).await, None);
    let outcome = refusal(|| store.delete(&key, version)).await;
    assert!(matches!(outcome, StoreError::Conflict), "{outcome}");
}

/// After the store was closed and opened again, what was removed is not there, and goes on where it
/// ended.
pub async fn opened_again_what_was_removed_stays_so(backend: &impl Backend) {
    let key = name("removed-again");
    let mut last = Version::NONE;
    for round in 0..3 {
        let store = backend.open().await;
        assert_eq!(get(&*store, &key).await, None);
        let body = format!("round {round}");
        let first = swap(&*store, &key, Version::NONE, &body).await.expect("there is none");
        assert!(first > last, "{first:?} after {last:?}");
        last = first;
        delete(&*store, &key, last).await.expect("nobody else writes");
    }
}
