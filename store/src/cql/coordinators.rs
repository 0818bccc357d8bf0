//! Which node is asked: a replica of the partition, but none that has just failed to answer.
//!
//! A node that is paused or cut off takes requests and gives no answer. The driver notices when
//! its keep-alive fails, after seconds in which every request sent there is lost; and it does not
//! tell its policy of a request that timed out. So each request carries a [`Choice`], which knows
//! whom it asked, and a node that let one down is asked again only after a [`PENALTY`], unless
//! there is no other. The intake puts a batch until it is 5 s old: one lost second is no harm if
//! the next try goes elsewhere.
//!
//! The driver's own latency awareness is not used: it learns from answers, slowly, and a node that
//! gives none looks as good as it last was.

#![expect(clippy::disallowed_methods, reason = "which node is asked first; no count leans on it")]

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use scylla::{
    cluster::{ClusterState, NodeRef},
    errors::{DbError, RequestAttemptError, WriteType},
    policies::load_balancing::{DefaultPolicy, FallbackPlan, LoadBalancingPolicy, RoutingInfo},
    routing::Shard,
};
use uuid::Uuid;

/// How long a node is passed over after it failed to answer: until the driver's keep-alive has
/// found out for itself, and not so long that a node that was merely slow is missed.
const PENALTY: Duration = Duration::from_secs(4);

/// The nodes to ask for one kind of request.
#[derive(Debug)]
pub(super) struct Coordinators {
    token_aware: Arc<dyn LoadBalancingPolicy>,
    penalised: Penalised,
}

impl Coordinators {
    pub(super) fn new() -> Arc<Self> {
        let token_aware = DefaultPolicy::builder().token_aware(true).build();
        Arc::new(Self { token_aware, penalised: Penalised::default() })
    }

    /// For one request.
    pub(super) fn choice(self: &Arc<Self>) -> Arc<Choice> {
        Arc::new(Choice { coordinators: Arc::clone(self), asked: Mutex::new(None) })
    }
}

/// Whom one request asks.
#[derive(Debug)]
pub(super) struct Choice {
    coordinators: Arc<Coordinators>,
    asked: Mutex<Option<Uuid>>,
}

impl Choice {
    /// The request got no answer in time.
    pub(super) fn timed_out(&self) {
        if let Some(node) = *self.asked.lock() {
            self.coordinators.penalised.add(node, Instant::now());
        }
    }

    fn ask(&self, node: NodeRef<'_>) {
        *self.asked.lock() = Some(node.host_id);
    }
}

impl LoadBalancingPolicy for Choice {
    fn pick<'a>(
        &'a self,
        request: &'a RoutingInfo<'_>,
        cluster: &'a ClusterState,
    ) -> Option<(NodeRef<'a>, Option<Shard>)> {
        let (node, shard) = self.coordinators.token_aware.pick(request, cluster)?;
        // Without a pick the driver turns to the whole plan.
        if self.coordinators.penalised.has(node.host_id, Instant::now()) {
            return None;
        }
        self.ask(node);
        Some((node, shard))
    }

    fn fallback<'a>(
        &'a self,
        request: &'a RoutingInfo<'_>,
        cluster: &'a ClusterState,
    ) -> FallbackPlan<'a> {
        let plan = self.coordinators.token_aware.fallback(request, cluster);
        let plan = self.coordinators.penalised.last(plan, |(node, _)| node.host_id, Instant::now());
        Box::new(plan.into_iter().inspect(|(node, _)| self.ask(node)))
    }

    fn on_request_failure(
        &self,
        _: &RoutingInfo<'_>,
        _: Duration,
        node: NodeRef<'_>,
        error: &RequestAttemptError,
    ) {
        if is_the_nodes_fault(error) {
            self.coordinators.penalised.add(node.host_id, Instant::now());
        }
    }

    fn name(&self) -> String {
        "token-aware, past nodes that did not answer".to_owned()
    }
}

/// Whether another node might have done better: also where replicas did not answer this one, for
/// it may be the one that is cut off from them.
fn is_the_nodes_fault(error: &RequestAttemptError) -> bool {
    match error {
        RequestAttemptError::BrokenConnectionError(_)
        | RequestAttemptError::UnableToAllocStreamId => true,
        // Two writers met. That says nothing about the node.
        RequestAttemptError::DbError(
            DbError::WriteTimeout { write_type: WriteType::Cas, .. },
            _,
        ) => false,
        RequestAttemptError::DbError(error, _) => matches!(
            error,
            DbError::Unavailable { .. }
                | DbError::Overloaded
                | DbError::IsBootstrapping
                | DbError::ServerError
                | DbError::RateLimitReached { .. }
                | DbError::ReadTimeout { .. }
                | DbError::WriteTimeout { .. }
                | DbError::ReadFailure { .. }
                | DbError::WriteFailure { .. }
        ),
        _ => false,
    }
}

/// Nodes that failed to answer, and until when they are passed over.
#[derive(Debug, Default)]
struct Penalised(Mutex<HashMap<Uuid, Instant>>);

impl Penalised {
    fn add(&self, node: Uuid, now: Instant) {
        let mut nodes = self.0.lock();
        // So that nodes long gone from the cluster are forgotten.
        nodes.retain(|_, until| *until > now);
        nodes.insert(node, now + PENALTY);
    }

    fn has(&self, node: Uuid, now: Instant) -> bool {
        self.0.lock().get(&node).is_some_and(|until| *until > now)
    }

    /// The plan in its order, but with the penalised nodes behind all others.
    fn last<T>(
        &self,
        plan: impl Iterator<Item = T>,
        node: impl Fn(&T) -> Uuid,
        now: Instant,
    ) -> Vec<T> {
        let (mut plan, last): (Vec<T>, Vec<T>) =
            plan.partition(|target| !self.has(node(target), now));
        plan.extend(last);
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(penalised: &Penalised, nodes: &[u128], now: Instant) -> Vec<u128> {
        penalised.last(nodes.iter().copied(), |node| Uuid::from_u128(*node), now)
    }

    #[test]
    fn a_node_that_did_not_answer_comes_last_for_a_while() {
        let (penalised, now) = (Penalised::default(), Instant::now());
        assert_eq!(plan(&penalised, &[1, 2, 3], now), [1, 2, 3]);
        penalised.add(Uuid::from_u128(1), now);
        assert!(penalised.has(Uuid::from_u128(1), now));
        assert!(!penalised.has(Uuid::from_u128(2), now));
        assert_eq!(plan(&penalised, &[1, 2, 3], now), [2, 3, 1]);
        let later = now + PENALTY;
        assert_eq!(plan(&penalised, &[1, 2, 3], later), [1, 2, 3]);
    }

    #[test]
    fn where_all_have_failed_all_are_still_asked() {
        let (penalised, now) = (Penalised::default(), Instant::now());
        for node in 1..=3 {
            penalised.add(Uuid::from_u128(node), now);
        }
        assert_eq!(plan(&penalised, &[2, 1, 3], now), [2, 1, 3]);
    }

    #[test]
    fn nodes_long_gone_are_forgotten() {
        let (penalised, mut now) = (Penalised::default(), Instant::now());
        for node in 0..1_000 {
            penalised.add(Uuid::from_u128(node), now);
            now += PENALTY;
        }
        assert_eq!(penalised.0.lock().len(), 1);
    }

    #[test]
    fn only_a_nodes_own_faults_count_against_it() {
        let error = |error| RequestAttemptError::DbError(error, String::new());
        assert!(is_the_nodes_fault(&error(DbError::Overloaded)));
        assert!(is_the_nodes_fault(&RequestAttemptError::UnableToAllocStreamId));
        assert!(!is_the_nodes_fault(&error(DbError::Invalid)));
        let met = DbError::WriteTimeout {
            consistency: scylla::statement::Consistency::Quorum,
            received: 0,
            required: 2,
            write_type: WriteType::Cas,
        };
        assert!(!is_the_nodes_fault(&error(met)));
    }
}
