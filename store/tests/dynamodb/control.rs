//! Documents that are larger than an item: their parts are seen together or not at all, and old
//! ones are deleted.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use store::{
    ControlStore, DOCUMENT_BYTES_MAX, Read, StoreError, Version,
    dynamodb::{DynamoDbSettings, DynamoDbStore},
};

use crate::{
    proxy::{Fate, Proxy},
    server,
};

/// Sort keys of all parts of the document that are stored.
async fn parts(settings: &DynamoDbSettings, key: &str) -> Vec<String> {
    let query = json!({
        "TableName": format!("{}-control", settings.prefix),
        "ConsistentRead": true,
        "KeyConditionExpression": "p = :p",
        "ExpressionAttributeValues": { ":p": { "S": format!("parts/{key}") } },
        "ProjectionExpression": "s",
    });
    let mut parts = Vec::new();
    let mut query = query;
    loop {
        let page = server::request("Query", &query).await.unwrap();
        let page: Value = serde_json::from_str(&page).unwrap();
        let items = page["Items"].as_array().unwrap().iter();
        parts.extend(items.map(|item| item["s"]["S"].as_str().unwrap().to_owned()));
        match page.get("LastEvaluatedKey") {
            Some(last) => query["ExclusiveStartKey"] = last.clone(),
            None => return parts,
        }
    }
}

/// A body of the largest size, all of one byte.
fn largest(byte: u8) -> Bytes {
    vec![byte; DOCUMENT_BYTES_MAX].into()
}

/// Swaps until it is known to have happened: a busy server may take too long. Reads it then.
async fn swap(store: &DynamoDbStore, key: &str, expected: u64, body: Bytes) {
    loop {
        let outcome = store.compare_and_swap(key, Version(expected), body.clone()).await;
        let document = store.get(key, Read::Serial).await.unwrap();
        match outcome {
            Err(StoreError::Unavailable(_)) => {}
            outcome => assert_eq!(outcome.unwrap(), Version(expected + 1)),
        }
        if let Some(document) = document.filter(|document| document.version.0 > expected) {
            assert!(document.version.0 == expected + 1 && document.body == body);
            return;
        }
    }
}

#[tokio::test]
async fn parts_of_versions_that_are_gone_are_deleted() {
    let Some(settings) = server::settings().await else { return };
    let store = DynamoDbStore::connect(&settings).await.unwrap();
    let key = server::name("parts");
    swap(&store, &key, 0, largest(0)).await;
    let first = parts(&settings, &key).await;
    assert_eq!(first.len(), 3);
    swap(&store, &key, 1, largest(1)).await;
    let second = parts(&settings, &key).await;
    assert!(second.len() == 3 && second.iter().all(|part| !first.contains(part)), "{second:?}");
    let stale = store.compare_and_swap(&key, Version(1), largest(2)).await;
    assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
    assert_eq!(parts(&settings, &key).await, second);
    swap(&store, &key, 2, "small".into()).await;
    assert_eq!(parts(&settings, &key).await, [""; 0]);
    swap(&store, &key, 3, largest(3)).await;
    assert_eq!(parts(&settings, &key).await.len(), 3);
}

#[tokio::test]
async fn parts_of_writes_that_were_cut_off_are_deleted_by_the_next() {
    let Some(settings) = server::settings().await else { return };
    let proxy = Proxy::before(&settings).await;
    let store = DynamoDbStore::connect(&proxy.settings).await.unwrap();
    let key = server::name("cut-off");
    // Only the put that makes the parts seen has a condition.
    let at_the_end = |fate| {
        proxy.judge(move |request| {
            let end =
                request.body.contains("ConditionExpression") && request.operation == "PutItem";
            if end { fate } else { Fate::Forward }
        });
    };
    at_the_end(Fate::Close);
    let cut_off = store.compare_and_swap(&key, Version::NONE, largest(0)).await;
    assert!(matches!(cut_off, Err(StoreError::Unavailable(_))), "{cut_off:?}");
    assert_eq!(store.get(&key, Read::Serial).await.unwrap(), None);
    assert_eq!(parts(&settings, &key).await.len(), 3);

    at_the_end(Fate::LoseReply);
    let cut_off = store.compare_and_swap(&key, Version::NONE, largest(1)).await;
    assert!(matches!(cut_off, Err(StoreError::Unavailable(_))), "{cut_off:?}");
    assert!(store.get(&key, Read::Serial).await.unwrap().unwrap().body == largest(1));
    assert_eq!(parts(&settings, &key).await.len(), 6);

    at_the_end(Fate::Forward);
    swap(&store, &key, 1, largest(2)).await;
    assert_eq!(parts(&settings, &key).await.len(), 3);
}

#[tokio::test]
async fn parts_of_a_document_that_is_removed_are_deleted() {
    let Some(settings) = server::settings().await else { return };
    let store = DynamoDbStore::connect(&settings).await.unwrap();
    let key = server::name("removed");
    for (life, version) in [1, 2, 3].into_iter().enumerate() {
        let life = largest(u8::try_from(life).unwrap());
        while store.get(&key, Read::Serial).await.unwrap().is_none() {
            let _ = store.compare_and_swap(&key, Version::NONE, life.clone()).await;
        }
        let document = store.get(&key, Read::Serial).await.unwrap().unwrap();
        assert!(document.version == Version(version) && document.body == life);
        assert_eq!(parts(&settings, &key).await.len(), 3);
        while store.get(&key, Read::Serial).await.unwrap().is_some() {
            let _ = store.delete(&key, Version(version)).await;
        }
        assert_eq!(parts(&settings, &key).await, [""; 0]);
    }
}

#[tokio::test]
async fn writes_go_on_when_old_parts_cannot_be_deleted() {
    let Some(settings) = server::settings().await else { return };
    let proxy = Proxy::before(&settings).await;
    let store = DynamoDbStore::connect(&proxy.settings).await.unwrap();
    let key = server::name("undeleted");
    proxy.judge(|request| match request.operation.as_str() {
        "DeleteItem" => Fate::Error(400, "AccessDeniedException"),
        _ => Fate::Forward,
    });
    swap(&store, &key, 0, largest(0)).await;
    swap(&store, &key, 1, largest(1)).await;
    assert_eq!(parts(&settings, &key).await.len(), 6);
    proxy.judge(|_| Fate::Forward);
    swap(&store, &key, 2, largest(2)).await;
    assert_eq!(parts(&settings, &key).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_sees_one_whole_version_while_others_write() {
    let Some(settings) = server::settings().await else { return };
    let store = DynamoDbStore::connect(&settings).await.unwrap();
    let key: Arc<str> = server::name("whole").into();
    swap(&store, &key, 0, largest(0)).await;
    let written = Arc::new(AtomicBool::new(false));
    let read = {
        // Another store, which has not the parts in memory.
        let reader = DynamoDbStore::connect(&settings).await.unwrap();
        let (key, written) = (key.clone(), written.clone());
        async move {
            let mut last = Version::NONE;
            while !written.load(Ordering::Relaxed) {
                let listed = reader.list(&key, Read::Serial).await.unwrap();
                for document in
                    [reader.get(&key, Read::Serial).await.unwrap().unwrap(), listed[0].1.clone()]
                {
                    let byte = u8::try_from(document.version.0 - 1).unwrap();
                    assert!(document.body == largest(byte), "{:?} is torn", document.version);
                    last = last.max(document.version);
                }
            }
            last
        }
    };
    let reader = tokio::spawn(read);
    for version in 1..20 {
        let body = largest(u8::try_from(version).unwrap());
        swap(&store, &key, version, body).await;
    }
    written.store(true, Ordering::Relaxed);
    assert!(reader.await.unwrap() > Version(1), "nothing was read while it was written");
}

/// The reader has seen the document's item; before it reads the parts, they are replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_whose_parts_are_gone_reads_again() {
    let Some(settings) = server::settings().await else { return };
    let writer = DynamoDbStore::connect(&settings).await.unwrap();
    let key: Arc<str> = server::name("overtaken").into();
    swap(&writer, &key, 0, largest(0)).await;
    for (version, listed) in [(1, false), (2, true)] {
        let proxy = Proxy::before(&settings).await;
        let reader = DynamoDbStore::connect(&proxy.settings).await.unwrap();
        let (reached, at_the_parts) = tokio::sync::oneshot::channel();
        let (go_on, wait) = std::sync::mpsc::sync_channel::<()>(1);
        let mut reached = Some(reached);
        proxy.judge(move |request| {
            if request.body.contains("parts/")
                && let Some(reached) = reached.take()
            {
                reached.send(()).unwrap();
                // Blocks a thread of the proxy; the writer does not go through it.
                let _ = wait.recv();
            }
            Fate::Forward
        });
        let read = {
            let key = key.clone();
            tokio::spawn(async move {
                if listed {
                    reader.list(&key, Read::Serial).await.unwrap().remove(0).1
                } else {
                    reader.get(&key, Read::Serial).await.unwrap().unwrap()
                }
            })
        };
        at_the_parts.await.unwrap();
        let body = largest(u8::try_from(version).unwrap());
        swap(&writer, &key, version, body.clone()).await;
        go_on.send(()).unwrap();
        let document = read.await.unwrap();
        assert!(document.version == Version(version + 1) && document.body == body);
    }
}

#[tokio::test]
async fn a_document_whose_part_is_missing_is_corrupt() {
    let Some(settings) = server::settings().await else { return };
    let store = DynamoDbStore::connect(&settings).await.unwrap();
    let key = server::name("missing");
    swap(&store, &key, 0, largest(0)).await;
    let part = parts(&settings, &key).await.remove(1);
    let delete = json!({
        "TableName": format!("{}-control", settings.prefix),
        "Key": { "p": { "S": format!("parts/{key}") }, "s": { "S": part } },
    });
    server::request("DeleteItem", &delete).await.unwrap();
    let store = DynamoDbStore::connect(&settings).await.unwrap();
    let outcome = store.get(&key, Read::Serial).await;
    assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
    let outcome = store.list(&key, Read::Serial).await;
    assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_list_of_more_than_a_page_is_whole_and_in_order() {
    // Tables of its own: it lists all that there is.
    let Some(settings) = server::endpoint().map(server::new_settings) else { return };
    DynamoDbStore::apply_schema(&settings).await.unwrap();
    let store = DynamoDbStore::connect(&settings).await.unwrap();
    let name = server::name("pages");
    // 1.5 MB, and large bodies among them.
    let body =
        |n: usize| Bytes::from(vec![b'x'; if n.is_multiple_of(30) { 20_000 } else { 15_000 }]);
    let swaps = futures_util::stream::iter(0..100);
    swaps
        .for_each_concurrent(4, async |n| swap(&store, &format!("{name}/{n:03}"), 0, body(n)).await)
        .await;
    let listed = store.list(&format!("{name}/"), Read::Serial).await.unwrap();
    assert_eq!(listed.len(), 100);
    for (n, (key, document)) in listed.iter().enumerate() {
        assert_eq!(*key, format!("{name}/{n:03}"));
        assert!(document.version == Version(1) && document.body == body(n));
    }
    let all = store.list("", Read::Serial).await.unwrap();
    assert!(all == listed);
    for nothing in ["A", "a b", "ä", &"x".repeat(1_100)] {
        assert!(store.list(nothing, Read::Serial).await.unwrap().is_empty());
        assert!(store.get(nothing, Read::Serial).await.unwrap().is_none());
    }
}
