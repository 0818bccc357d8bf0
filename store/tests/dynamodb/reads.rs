//! What a server for tests cannot show, since it has no replicas: every read that the contracts
//! lean on asks for strong consistency.

use std::sync::Arc;

use ballot::{Batch, BatchId, Bucket};
use futures_util::TryStreamExt;
use parking_lot::Mutex;
use store::{BallotStore, ControlStore, Read, Version, dynamodb::DynamoDbStore};

use crate::{
    proxy::{Fate, Proxy},
    server,
};

#[tokio::test]
async fn reads_are_strongly_consistent() {
    let Some(settings) = server::settings().await else { return };
    let direct = DynamoDbStore::connect(&settings).await.unwrap();
    let (contest, key) = (server::name("reads").parse().unwrap(), server::name("reads"));
    let id = BatchId::from_bytes([1; 16]);
    let batch = Batch { contest, id, shard: id.shard(1), packed: "b".into() };
    while direct.put_batch(batch.clone()).await.is_err() {}
    // Large, so that its parts are read too.
    let body = vec![b'x'; 500_000];
    while direct.get(&key, Read::Serial).await.unwrap().is_none() {
        let _ = direct.compare_and_swap(&key, Version::NONE, body.clone().into()).await;
    }

    let proxy = Proxy::before(&settings).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    proxy.judge(move |request| {
        sink.lock().push((request.operation.clone(), request.body.clone()));
        Fate::Forward
    });
    let store = DynamoDbStore::connect(&proxy.settings).await.unwrap();
    seen.lock().clear();
    let all = Bucket(0)..=Bucket(u64::MAX);
    let scan = store.scan(&batch.contest, batch.shard, all);
    assert_eq!(scan.try_collect::<Vec<_>>().await.unwrap(), [batch]);
    assert!(store.get(&key, Read::Serial).await.unwrap().unwrap().body == body);
    assert_eq!(store.list(&key, Read::Serial).await.unwrap().len(), 1);

    // What a delete and a new life look at.
    let small = server::name("reads");
    store.compare_and_swap(&small, Version::NONE, "body".into()).await.unwrap();
    store.delete(&small, Version(1)).await.unwrap();

    let mut seen = seen.lock();
    seen.retain(|(operation, _)| operation != "PutItem" && operation != "DeleteItem");
    for (operation, at_least) in [("Query", 3), ("GetItem", 5)] {
        let count = seen.iter().filter(|(seen, _)| seen == operation).count();
        assert!(count >= at_least, "{count} of {operation}");
    }
    for (operation, body) in &*seen {
        assert!(body.contains(r#""ConsistentRead":true"#), "{operation}: {body}");
    }
}
