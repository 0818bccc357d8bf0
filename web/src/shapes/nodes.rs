//! The nodes that share the store.

use contests::{NodeView, Peers};
use serde::Serialize;
use utoipa::ToSchema;

/// The nodes that share the store, as this one hears of them.
#[derive(Debug, Serialize)]
pub(crate) struct Nodes {
    answered_by: String,
    nodes: Vec<NodeView>,
}

impl Nodes {
    pub(crate) fn of(peers: &Peers) -> Self {
        Self { answered_by: peers.name().to_owned(), nodes: peers.list() }
    }
}

/// The nodes that share the store.
#[derive(ToSchema)]
#[schema(as = Nodes)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct NodesBody {
    /// The name of the node that answers.
    answered_by: String,
    nodes: Vec<NodeBody>,
}

/// One node, by its heartbeats.
#[derive(ToSchema)]
#[schema(as = Node)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct NodeBody {
    node: String,
    /// alive, silent (not heard of for 5 s) or left (ended in order).
    state: String,
    /// Whether balancers may send voters there.
    ready: bool,
    /// Of intake, tally and admin.
    roles: Vec<String>,
    url: String,
    version: String,
    started_at: String,
    last_seen: String,
    /// How far its clock is ahead (negative: behind) of the answering node's, at least.
    clock_offset_ms: i64,
}
