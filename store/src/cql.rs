//! The store on a cluster of Apache Cassandra or ScyllaDB. See `docs/decisions/0006-cql-backend.md`.
//!
//! Ballots are written and read at QUORUM, control documents changed by lightweight transactions.
//! Nothing is tried twice: what failed is [`StoreError::Unavailable`], and the caller knows best
//! whether and until when to try again.

mod ballots;
mod checks;
mod control;
mod coordinators;
mod error;
mod remembered;
mod scan;
mod schema;
mod session;
mod settings;
mod tls;

use std::{collections::HashSet, ops::RangeInclusive, sync::Arc, time::Duration};

use ballot::{Batch, BatchId, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};

use ballots::Ballots;
use control::Control;
pub use settings::{CqlAuthority, CqlSettings, CqlTls, Replication};

use crate::{BallotStore, ConnectError, ControlStore, Document, Read, StoreError, Version};

/// Longest time for [`CqlStore::connect`]: one node that does not answer is waited for and gone
/// past.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for [`CqlStore::apply_schema`]: all nodes must agree on each table.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(120);

/// Both contracts on a keyspace of a cluster.
///
/// On `Ok` a put, a swap or a delete is on a quorum of the replicas, and on their disks unless the operator
/// has accepted less. Safe to be used from any runtime with time; see [`CqlStore::connect`].
pub struct CqlStore {
    ballots: Arc<Ballots>,
    control: Control,
}

impl CqlStore {
    /// Connects to the cluster, and refuses one that does not keep what an acknowledgement
    /// promises, or whose tables are not this program's. Takes up to 10 s.
    ///
    /// The connections live on the runtime that this is called on: it must go on running for as
    /// long as the store is used, from whichever runtime.
    pub async fn connect(settings: &CqlSettings) -> Result<Arc<Self>, ConnectError> {
        within(CONNECT_TIMEOUT, settings, async {
            let session = Arc::new(session::open(settings).await?);
            checks::replication(&session, settings).await?;
            schema::check(&session, settings).await?;
            checks::commit_log(&session, settings).await?;
            let ballots = Arc::new(Ballots::prepare(&session, &settings.keyspace).await?);
            let control = Control::prepare(&session, &settings.keyspace).await?;
            Ok(Arc::new(Self { ballots, control }))
        })
        .await
    }

    /// The keyspace and the tables that the store needs, as CQL to be read or to be run by hand.
    pub fn schema(settings: &CqlSettings) -> String {
        schema::text(settings)
    }

    /// Makes the keyspace and the tables, as far as they are missing, and says what it did.
    /// Tables of another version are left alone.
    pub async fn apply_schema(settings: &CqlSettings) -> Result<Vec<String>, ConnectError> {
        within(SCHEMA_TIMEOUT, settings, async {
            let session = session::open(settings).await?;
            schema::apply(&session, settings).await
        })
        .await
    }
}

async fn within<T>(
    limit: Duration,
    settings: &CqlSettings,
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let (hosts, seconds) = (settings.hosts.join(", "), limit.as_secs());
        let sentence = format!("{hosts}: not done within {seconds} s");
        Err(ConnectError::Unavailable(sentence.into()))
    })
}

impl BallotStore for CqlStore {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.ballots.put(batch))
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        self.scan_except(contest, shard, buckets, &Arc::default())
    }

    fn scan_except(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
        already_read: &Arc<HashSet<BatchId>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let already_read = Arc::clone(already_read);
        scan::scan(Arc::clone(&self.ballots), contest.clone(), shard, buckets, already_read)
    }
}

impl ControlStore for CqlStore {
    fn get<'a>(
        &'a self,
        key: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>> {
        Box::pin(self.control.get(key, read))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        Box::pin(self.control.list(prefix, read))
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(self.control.compare_and_swap(key, expected, body))
    }

    fn delete<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.control.delete(key, expected))
    }
}
