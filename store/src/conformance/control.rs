//! What [`ControlStore`] promises.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{ballots::refusal, *};
use crate::{DOCUMENT_BYTES_MAX, DOCUMENT_KEY_BYTES_MAX};

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
    let look = async {
        let mut seen = 0;
        while !done.load(Ordering::SeqCst) {
            let before = acknowledged.load(Ordering::SeqCst);
            let peeked = version_of(peek(&*store, &key).await);
            assert!(peeked >= before.max(seen), "{peeked} after {before} and {seen}");
            let listed = peek_all(&*store, &key).await.pop().map(|(_, document)| document);
            let listed = version_of(listed);
            assert!(listed >= peeked, "{listed} after {peeked}");
            seen = listed;
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::join(write, look).await;
    let last = get(&*store, &key).await;
    assert_eq!(peek(&*store, &key).await, last);
}

fn version_of(document: Option<Document>) -> u64 {
    document.map_or(0, |document| document.version.0)
}

async fn peek(store: &impl ControlStore, key: &str) -> Option<Document> {
    for _ in 0..TRIES_MAX {
        match store.peek(key).await {
            Ok(document) => return document,
            Err(StoreError::Unavailable(_)) => pause().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store stays away");
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
        let listed = list(&*store, &prefix).await;
        let expected: Vec<_> = keys.iter().filter(|key| key.starts_with(&prefix)).collect();
        assert_eq!(listed.iter().map(|(key, _)| key).collect::<Vec<_>>(), expected, "{prefix}");
        assert!(listed.iter().all(|(key, document)| document.body == key), "{listed:?}");
        assert_eq!(peek_all(&*store, &prefix).await, listed, "{prefix}");
        assert_eq!(list_or_peek(&*store, &prefix).await, listed, "{prefix}");
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

async fn peek_all(store: &impl ControlStore, prefix: &str) -> Vec<(String, Document)> {
    for _ in 0..TRIES_MAX {
        match store.peek_all(prefix).await {
            Ok(documents) => return documents,
            Err(StoreError::Unavailable(_)) => pause().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store stays away");
}

/// Half of them by a look.
async fn list_or_peek(store: &impl ControlStore, prefix: &str) -> Vec<(String, Document)> {
    for _ in 0..TRIES_MAX {
        match store.list_or_peek(prefix, &|key| key.ends_with(['a', 'b'])).await {
            Ok(documents) => return documents,
            Err(StoreError::Unavailable(_)) => pause().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store stays away");
}

async fn list(store: &impl ControlStore, prefix: &str) -> Vec<(String, Document)> {
    for _ in 0..TRIES_MAX {
        match store.list(prefix).await {
            Ok(documents) => return documents,
            Err(StoreError::Unavailable(_)) => pause().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store stays away");
}
