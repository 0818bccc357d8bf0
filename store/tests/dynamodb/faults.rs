//! Throttling, errors and lost replies of the service: no ballot is lost, and every error says
//! what to do.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ballot::{Batch, BatchId, Bucket, Shard, Slug, Timestamp};
use futures_util::{StreamExt, TryStreamExt};
use store::{
    BallotStore, ConnectError, ControlStore, Read, StoreError, Version, dynamodb::DynamoDbStore,
};

use crate::{
    proxy::{Fate, Proxy},
    server,
};

const THROTTLED: Fate = Fate::Error(400, "ProvisionedThroughputExceededException");

/// A store behind a proxy, and one that is not.
async fn stores() -> Option<(Proxy, Arc<DynamoDbStore>, Arc<DynamoDbStore>)> {
    let settings = server::settings().await?;
    let proxy = Proxy::before(&settings).await;
    let behind = DynamoDbStore::connect(&proxy.settings).await.unwrap();
    Some((proxy, behind, DynamoDbStore::connect(&settings).await.unwrap()))
}

fn contest(test: &str) -> Slug {
    server::name(test).parse().unwrap()
}

fn batch(contest: &Slug) -> Batch {
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    let id = BatchId::new(Timestamp::from_micros(1_795_464_000_000_000), random);
    let mut packed = vec![0; 500];
    fastrand::fill(&mut packed);
    Batch { contest: contest.clone(), id, shard: Shard(0), packed: packed.into() }
}

async fn scan(store: &DynamoDbStore, contest: &Slug) -> Result<Vec<Batch>, StoreError> {
    let all = Bucket(0)..=Bucket(u64::MAX);
    let mut batches: Vec<_> = store.scan(contest, Shard(0), all).try_collect().await?;
    batches.sort_by_key(|batch| batch.id);
    Ok(batches)
}

/// As the intake does it: the same batch, until the store says that it is durable. Returns how
/// often it did not.
async fn put(store: &DynamoDbStore, batch: &Batch) -> usize {
    let mut failed = 0;
    while let Err(error) = store.put_batch(batch.clone()).await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        failed += 1;
    }
    failed
}

fn is_unavailable<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Unavailable(_)))
}

#[tokio::test]
async fn a_put_that_fails_is_unknown_is_sent_once_and_can_be_put_again() {
    let Some((proxy, store, direct)) = stores().await else { return };
    for (fate, stored) in [
        (THROTTLED, false),
        (Fate::Error(400, "ThrottlingException"), false),
        (Fate::Error(400, "RequestLimitExceeded"), false),
        (Fate::Error(400, "ExpiredTokenException"), false),
        (Fate::Error(400, "ResourceNotFoundException"), false),
        (Fate::Error(400, "NeverHeardOfException"), false),
        (Fate::Error(500, "InternalServerError"), false),
        (Fate::Error(503, "ServiceUnavailable"), false),
        (Fate::Nonsense, false),
        (Fate::Close, false),
        (Fate::LoseReply, true),
        (Fate::StallReply, true),
    ] {
        let contest = contest("unknown");
        let batch = batch(&contest);
        let puts = Arc::new(AtomicUsize::new(0));
        let seen = puts.clone();
        proxy.judge(move |request| {
            if request.puts_batch() {
                seen.fetch_add(1, Ordering::Relaxed);
                return fate;
            }
            Fate::Forward
        });
        let outcome = store.put_batch(batch.clone()).await;
        assert!(is_unavailable(&outcome), "{fate:?}: {outcome:?}");
        assert_eq!(puts.load(Ordering::Relaxed), 1, "{fate:?}");
        let seen = scan(&direct, &contest).await.unwrap();
        assert_eq!(!seen.is_empty(), stored, "{fate:?}: {seen:?}");
        proxy.judge(|_| Fate::Forward);
        put(&store, &batch).await;
        assert_eq!(scan(&direct, &contest).await.unwrap(), [batch], "{fate:?}");
    }
}

#[tokio::test]
async fn what_the_service_calls_wrong_is_invalid() {
    let Some((proxy, store, _)) = stores().await else { return };
    proxy.judge(|_| Fate::Error(400, "ValidationException"));
    let outcome = store.put_batch(batch(&contest("invalid"))).await;
    assert!(matches!(outcome, Err(StoreError::Invalid(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_batch_that_no_scan_would_find_is_not_acknowledged() {
    let Some((proxy, store, direct)) = stores().await else { return };
    let contest = contest("index");
    let batches = [batch(&contest), batch(&contest)];
    proxy.judge(|request| if request.puts_batch() { Fate::Forward } else { THROTTLED });
    for batch in &batches {
        // The second too: an entry that failed is not remembered as written.
        let outcome = store.put_batch(batch.clone()).await;
        assert!(is_unavailable(&outcome), "{outcome:?}");
    }
    assert_eq!(scan(&direct, &contest).await.unwrap(), []);
    let entries = Arc::new(AtomicUsize::new(0));
    let seen = entries.clone();
    proxy.judge(move |request| {
        seen.fetch_add(usize::from(!request.puts_batch()), Ordering::Relaxed);
        Fate::Forward
    });
    for batch in &batches {
        put(&store, batch).await;
    }
    assert_eq!(entries.load(Ordering::Relaxed), 1, "an entry that was written is remembered");
    assert_eq!(scan(&direct, &contest).await.unwrap().len(), 2);
}

#[tokio::test]
async fn under_throttling_and_lost_replies_no_ballot_is_lost_or_made() {
    let Some((proxy, store, direct)) = stores().await else { return };
    let seed = fastrand::u64(..);
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    proxy.judge(move |_| match random.u8(0..20) {
        0..=4 => THROTTLED,
        5..=6 => Fate::Error(500, "InternalServerError"),
        7..=8 => Fate::LoseReply,
        9 => Fate::Close,
        _ => Fate::Forward,
    });
    let contest = contest("lost");
    let mut batches: Vec<Batch> = (0..200).map(|_| batch(&contest)).collect();
    let failed = AtomicUsize::new(0);
    let put = async |batch: &Batch| {
        // As the intake does it: the same batch, until the store says that it is durable.
        while let Err(error) = store.put_batch(batch.clone()).await {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
            failed.fetch_add(1, Ordering::Relaxed);
        }
    };
    futures_util::stream::iter(&batches)
        .map(put)
        .buffer_unordered(10)
        .for_each(async |()| ())
        .await;
    assert!(failed.into_inner() > 20, "the proxy let nearly all through");
    batches.sort_by_key(|batch| batch.id);
    assert!(scan(&direct, &contest).await.unwrap() == batches);
    let seen = loop {
        match scan(&store, &contest).await {
            Ok(seen) => break seen,
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
        }
    };
    assert!(seen == batches);
}

#[tokio::test]
async fn a_read_tries_again_and_gives_up() {
    let Some((proxy, store, direct)) = stores().await else { return };
    let (contest, key) = (contest("patience"), server::name("patience"));
    let batch = batch(&contest);
    put(&direct, &batch).await;
    let version = direct.compare_and_swap(&key, Version::NONE, "body".into()).await.unwrap();
    for fate in [THROTTLED, Fate::Error(500, "InternalServerError"), Fate::Close] {
        let mut requests = 0;
        proxy.judge(move |_| {
            requests += 1;
            if requests % 3 == 0 { Fate::Forward } else { fate }
        });
        assert!(scan(&store, &contest).await.unwrap() == std::slice::from_ref(&batch), "{fate:?}");
        assert_eq!(
            store.get(&key, Read::Serial).await.unwrap().unwrap().version,
            version,
            "{fate:?}"
        );
        assert_eq!(store.list(&key, Read::Serial).await.unwrap().len(), 1, "{fate:?}");
    }
    proxy.judge(|_| THROTTLED);
    assert!(is_unavailable(&scan(&store, &contest).await));
    assert!(is_unavailable(&store.get(&key, Read::Serial).await));
    assert!(is_unavailable(&store.list(&key, Read::Serial).await));
}

#[tokio::test]
async fn a_swap_whose_reply_is_lost_is_unknown_and_never_a_conflict() {
    let Some((proxy, store, direct)) = stores().await else { return };
    for fate in [Fate::LoseReply, Fate::StallReply] {
        let key = server::name("swap");
        proxy.judge(
            move |request| if request.operation == "PutItem" { fate } else { Fate::Forward },
        );
        let outcome = store.compare_and_swap(&key, Version::NONE, "mine".into()).await;
        assert!(is_unavailable(&outcome), "{fate:?}: {outcome:?}");
        proxy.judge(|_| Fate::Forward);
        let document = direct.get(&key, Read::Serial).await.unwrap().unwrap();
        assert_eq!((document.version, &document.body[..]), (Version(1), &b"mine"[..]));
        let outcome = store.compare_and_swap(&key, Version::NONE, "again".into()).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{fate:?}: {outcome:?}");
    }
    let key = server::name("swap");
    proxy.judge(|_| THROTTLED);
    assert!(is_unavailable(&store.compare_and_swap(&key, Version::NONE, "mine".into()).await));
    assert_eq!(direct.get(&key, Read::Serial).await.unwrap(), None);
}

#[tokio::test]
async fn a_delete_is_sent_once_and_without_a_reply_it_is_unknown() {
    let Some((proxy, store, direct)) = stores().await else { return };
    for (fate, is_done) in [
        (THROTTLED, false),
        (Fate::Error(500, "InternalServerError"), false),
        (Fate::Close, false),
        (Fate::LoseReply, true),
        (Fate::StallReply, true),
    ] {
        let key = server::name("delete");
        let version = direct.compare_and_swap(&key, Version::NONE, "mine".into()).await.unwrap();
        let deletes = Arc::new(AtomicUsize::new(0));
        let seen = deletes.clone();
        proxy.judge(move |request| {
            if request.operation != "DeleteItem" {
                return Fate::Forward;
            }
            seen.fetch_add(1, Ordering::Relaxed);
            fate
        });
        let outcome = store.delete(&key, version).await;
        assert!(is_unavailable(&outcome), "{fate:?}: {outcome:?}");
        assert_eq!(deletes.load(Ordering::Relaxed), 1, "{fate:?}");
        assert_eq!(direct.get(&key, Read::Serial).await.unwrap().is_none(), is_done, "{fate:?}");
        proxy.judge(|_| Fate::Forward);
        let outcome = store.delete(&key, version).await;
        assert_eq!(matches!(outcome, Err(StoreError::Conflict)), is_done, "{fate:?}: {outcome:?}");
        let again = direct.compare_and_swap(&key, Version::NONE, "again".into()).await.unwrap();
        assert!(again > version, "{fate:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    let Some(settings) = server::settings().await else { return };
    let proxy = Proxy::before(&settings).await;
    proxy.judge(|_| Fate::Close);
    let Err(error) = DynamoDbStore::connect(&proxy.settings).await else { panic!("connected") };
    assert!(matches!(error, ConnectError::Unavailable(_)), "{error}");
    let away = proxy.settings.clone();
    drop(proxy);
    let Err(error) = DynamoDbStore::connect(&away).await else { panic!("connected") };
    assert!(matches!(error, ConnectError::Unavailable(_)), "{error}");
}
