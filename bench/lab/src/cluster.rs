//! The way to Cassandra, the same for every design that has no driver of its own.

use std::{str::FromStr, sync::Arc, time::Duration};

use anyhow::{Context, Error, Result, bail, ensure};
use scylla::{
    client::{
        execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder,
    },
    policies::{load_balancing::DefaultPolicy, retry::DefaultRetryPolicy},
    statement::{Consistency, prepared::PreparedStatement},
};

/// How long a request may take before it is unknown: more than the 2 s and 5 s that Cassandra gives
/// writes and counters, and less than the 10 s that clients wait.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(7);
/// How long a change of the schema may take on a cluster that is still busy.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(60);

/// Increments of one server that are under way at the same moment. More would only wait within
/// Cassandra, for one another's rows, until it gives them up; and an increment given up is in doubt.
pub const INCREMENTS_MAX: usize = 128;

/// `cql://host:port,host:port/keyspace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub url: String,
    hosts: Vec<String>,
    keyspace: String,
}

impl FromStr for Cluster {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let wrong = || format!("{url:?} is not cql://host:port,host:port/keyspace");
        let rest = url.strip_prefix("cql://").with_context(wrong)?;
        let (hosts, keyspace) = rest.split_once('/').with_context(wrong)?;
        let hosts: Vec<String> = hosts.split(',').map(str::to_owned).collect();
        ensure!(hosts.iter().all(|host| !host.is_empty()), wrong());
        // It goes into statements as it is.
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if keyspace.is_empty() || !keyspace.bytes().all(plain) {
            bail!(wrong());
        }
        Ok(Self { url: url.to_owned(), hosts, keyspace: keyspace.to_owned() })
    }
}

impl Cluster {
    /// Sessions as a careful user would set them up: quorum both ways, token-aware, the driver's
    /// own retries (of idempotent statements only).
    async fn session(&self, timeout: Duration) -> Result<Session> {
        let profile = ExecutionProfile::builder()
            .consistency(Consistency::Quorum)
            .request_timeout(Some(timeout))
            .load_balancing_policy(DefaultPolicy::builder().token_aware(true).build())
            .retry_policy(Arc::new(DefaultRetryPolicy::new()))
            .build();
        let session = SessionBuilder::new()
            .known_nodes(&self.hosts)
            .default_execution_profile_handle(profile.into_handle())
            .build()
            .await;
        session.context("no session with the cluster")
    }

    /// A session in the keyspace.
    pub async fn connect(&self) -> Result<Session> {
        let session = self.session(REQUEST_TIMEOUT).await?;
        session.use_keyspace(&self.keyspace, false).await.context("the keyspace")?;
        Ok(session)
    }

    /// Makes the keyspace, three replicas each, and a table in it.
    pub async fn make_keyspace(&self, table: &str) -> Result<()> {
        let session = self.session(SCHEMA_TIMEOUT).await?;
        let keyspace = format!(
            "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}}",
            self.keyspace
        );
        session.query_unpaged(keyspace, &[]).await.context("making the keyspace")?;
        session.use_keyspace(&self.keyspace, false).await?;
        session.query_unpaged(table, &[]).await.context("making the table")?;
        Ok(())
    }

    /// Removes the keyspace.
    pub async fn drop_keyspace(&self) -> Result<()> {
        let session = self.session(SCHEMA_TIMEOUT).await?;
        let drop = format!("DROP KEYSPACE IF EXISTS {}", self.keyspace);
        session.query_unpaged(drop, &[]).await.context("dropping the keyspace")?;
        Ok(())
    }
}

/// A statement that the driver may send again by itself: twice is the same as once.
pub async fn idempotent(session: &Session, statement: &str) -> Result<PreparedStatement> {
    let mut prepared = session.prepare(statement).await?;
    prepared.set_is_idempotent(true);
    Ok(prepared)
}
