//! What is refused at the start, and what `apply_schema` does.

use std::{
    num::NonZeroU8,
    time::{Duration, Instant},
};

use store::{ConnectError, CqlStore, cql::Replication};

use crate::cluster;

async fn refusal(settings: &store::CqlSettings) -> ConnectError {
    match CqlStore::connect(settings).await {
        Ok(_) => panic!("it was taken: {settings:?}"),
        Err(error) => error,
    }
}

/// The schema is made once; run again it changes nothing, also after it broke off half-way.
#[tokio::test]
async fn the_schema_is_applied_once() {
    let Some(settings) = cluster::new_settings() else { return };
    let error = refusal(&settings).await;
    assert!(matches!(&error, ConnectError::Schema(_)), "{error:?}");
    assert!(error.to_string().contains("landslide schema"), "{error}");
    let done = CqlStore::apply_schema(&settings).await.unwrap();
    assert!(done.len() > 5, "{done:?}");
    CqlStore::connect(&settings).await.unwrap();
    let done = CqlStore::apply_schema(&settings).await.unwrap();
    assert_eq!(done.len(), 1, "{done:?}");
    CqlStore::connect(&settings).await.unwrap();
}

/// Two that apply the schema at the same time both end with the whole schema.
#[tokio::test]
async fn the_schema_may_be_applied_by_two() {
    let Some(settings) = cluster::new_settings() else { return };
    let (first, second) =
        tokio::join!(CqlStore::apply_schema(&settings), CqlStore::apply_schema(&settings));
    // One of them may have to try again.
    assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
    CqlStore::apply_schema(&settings).await.unwrap();
    CqlStore::connect(&settings).await.unwrap();
}

/// Fewer copies than the address asks for, and more than there are nodes, are refused.
#[tokio::test]
async fn copies_are_counted() {
    let Some(mut settings) = cluster::new_settings() else { return };
    CqlStore::apply_schema(&settings).await.unwrap();
    settings.replication = Replication::Everywhere(NonZeroU8::new(7).unwrap());
    let error = refusal(&settings).await;
    assert!(matches!(&error, ConnectError::Unsafe(_)), "{error:?}");
    let datacenter = [("nowhere".to_owned(), NonZeroU8::MIN)];
    settings.replication = Replication::Datacenters(datacenter.into());
    let error = refusal(&settings).await;
    assert!(matches!(&error, ConnectError::Unsafe(_)), "{error:?}");
}

/// A cluster that is away is unavailable, and nobody waits for it for long. Needs none.
#[tokio::test]
async fn a_cluster_that_is_away_is_unavailable() {
    // A listener that takes connections and says nothing, as a paused node does.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    for hosts in ["127.0.0.1:1".to_owned(), silent.to_string()] {
        let settings = format!("cql://{hosts}/landslide").parse().unwrap();
        let started = Instant::now();
        let error = refusal(&settings).await;
        assert!(matches!(&error, ConnectError::Unavailable(_)), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(60), "it hangs");
    }
}
