//! The driver's session, and the requests made over it.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use scylla::{
    client::{
        PoolSize, execution_profile::ExecutionProfile, session::Session,
        session_builder::SessionBuilder,
    },
    errors::{ExecutionError, NewSessionError},
    policies::retry::FallthroughRetryPolicy,
    response::{PagingState, PagingStateResponse, query_result::QueryResult},
    serialize::row::SerializeRow,
    statement::{Consistency, SerialConsistency, Statement, prepared::PreparedStatement},
};

use super::{
    coordinators::Coordinators,
    error,
    settings::{CONNECTION_TIMEOUT, CqlSettings},
    tls::Tunnels,
};
use crate::{ConnectError, StoreError};

/// How often a connection is asked whether it lives, and how long it has for the answer; the
/// driver warns of less than a second each. A paused node's connections are gone after the sum.
const KEEPALIVE_INTERVAL: Duration = Duration::from_millis(1_100);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Connections to each node: if one breaks, the other goes on while it is replaced.
const CONNECTIONS_A_NODE: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");
/// Longest time for a request that no other limit is set for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects. The connections live on the runtime that this is called on.
pub(super) async fn open(settings: &CqlSettings) -> Result<Session, ConnectError> {
    // A retry or a speculative second request that the caller does not know of would be the
    // intake's deadline missed, or a compare-and-swap done twice.
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::Quorum)
        .serial_consistency(Some(SerialConsistency::Serial))
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .speculative_execution_policy(None)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .build();
    let mut builder = SessionBuilder::new()
        .default_execution_profile_handle(profile.into_handle())
        .connection_timeout(CONNECTION_TIMEOUT)
        .keepalive_interval(KEEPALIVE_INTERVAL)
        .keepalive_timeout(KEEPALIVE_TIMEOUT)
        .pool_size(PoolSize::PerHost(CONNECTIONS_A_NODE))
        .keyspaces_to_fetch([&settings.keyspace])
        .tcp_nodelay(true);
    let mut encrypted = None;
    builder = match &settings.tls {
        None => builder.known_nodes(&settings.hosts),
        Some(tls) => {
            let tunnels = Tunnels::new(settings, tls).await?;
            let points = tunnels.contact_points().await?;
            encrypted = Some((tls, Arc::clone(&tunnels)));
            builder.known_nodes_addr(points).address_translator(tunnels)
        }
    };
    if let Some(user) = &settings.user {
        builder = builder.user(user, settings.password.as_deref().unwrap_or_default());
    }
    builder.build().await.map_err(|error| {
        let error = not_connected(settings, &error);
        match encrypted {
            None => error,
            Some((tls, tunnels)) => tunnels.not_connected(tls, error),
        }
    })
}

fn not_connected(settings: &CqlSettings, error: &NewSessionError) -> ConnectError {
    let reason = error.to_string();
    // The driver tells a refused user from a node that is away only deep in the causes.
    if format!("{error:?}").contains("Authentication") {
        let who = match &settings.user {
            Some(user) => format!("the user {user:?} with the password given"),
            None => "a client without a user; name one as in cql://user:password@host/..".into(),
        };
        let sentence = format!("the cluster does not take {who}: {reason}");
        return ConnectError::Address(sentence.into());
    }
    ConnectError::Unavailable(format!("{}: {reason}", settings.hosts.join(", ")).into())
}

/// A prepared statement, and whom to ask.
pub(super) struct Request {
    statement: PreparedStatement,
    coordinators: Arc<Coordinators>,
}

impl Request {
    /// Prepares the statement on the nodes.
    pub(super) async fn prepare(
        session: &Session,
        cql: impl Into<String>,
        consistency: Consistency,
        timeout: Duration,
        coordinators: &Arc<Coordinators>,
    ) -> Result<Self, ConnectError> {
        let mut statement = session
            .prepare(Statement::new(cql))
            .await
            .map_err(|error| ConnectError::Unavailable(error.to_string().into()))?;
        statement.set_consistency(consistency);
        statement.set_request_timeout(Some(timeout));
        Ok(Self { statement, coordinators: Arc::clone(coordinators) })
    }

    /// Sends it once.
    pub(super) async fn execute(
        &self,
        session: &Session,
        values: impl SerializeRow,
    ) -> Result<QueryResult, StoreError> {
        self.send(async |statement| session.execute_unpaged(&statement, values).await).await
    }

    /// Sends it once, for one page of so many rows.
    pub(super) async fn page(
        &self,
        session: &Session,
        values: impl SerializeRow,
        rows_max: i32,
        from: PagingState,
    ) -> Result<(QueryResult, PagingStateResponse), StoreError> {
        self.send(async |mut statement| {
            statement.set_page_size(rows_max);
            session.execute_single_page(&statement, values, from).await
        })
        .await
    }

    async fn send<T>(
        &self,
        send: impl AsyncFnOnce(PreparedStatement) -> Result<T, ExecutionError>,
    ) -> Result<T, StoreError> {
        let choice = self.coordinators.choice();
        let mut statement = self.statement.clone();
        statement.set_load_balancing_policy(Some(choice.clone()));
        let outcome = send(statement).await;
        if let Err(ExecutionError::RequestTimeout(_)) = outcome {
            choice.timed_out();
        }
        outcome.map_err(|error| error::failed(&error))
    }
}
