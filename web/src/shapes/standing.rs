//! Where things stand: the overview, one contest this moment, who counts it, what was done.

use std::sync::Arc;

use ballot::{Counts, CountsStatus, Phase, Slug, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    contests::{PhaseBody, UnreadableContest},
    counts::{CountsBody, CountsStatusBody},
    nodes::{Nodes, NodesBody},
};

/// A contest's counts in a line.
#[derive(Serialize, ToSchema)]
pub(crate) struct Summary {
    #[schema(value_type = CountsStatusBody)]
    pub(crate) status: CountsStatus,
    pub(crate) total: u64,
    pub(crate) recorded: u64,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) counted_through: Timestamp,
}

/// A contest in the overview.
#[derive(Serialize, ToSchema)]
pub(crate) struct OverviewContest {
    #[schema(value_type = String)]
    pub(crate) contest: Slug,
    pub(crate) title: String,
    #[schema(value_type = PhaseBody)]
    pub(crate) status: Phase,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) opens_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) closes_at: Option<Timestamp>,
    pub(crate) results: String,
    /// Null before the first count.
    pub(crate) counts: Option<Summary>,
}

/// Everything at a glance.
#[derive(Serialize, ToSchema)]
pub(crate) struct Overview {
    #[schema(value_type = String, format = DateTime)]
    pub(crate) server_time: Timestamp,
    pub(crate) contests: Vec<OverviewContest>,
    /// Those that this node cannot understand.
    pub(crate) unreadable: Vec<UnreadableContest>,
    #[schema(value_type = NodesBody)]
    pub(crate) nodes: Nodes,
}

/// Who counts a contest.
#[derive(Serialize, ToSchema)]
pub(crate) struct Lease {
    /// The tally's worker; null before the first count.
    pub(crate) holder: Option<String>,
    /// Grows by one with every holder.
    pub(crate) generation: u64,
    /// By the holder's clock; null where it has let go, as after the final count.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Timestamp>,
}

/// A contest as it stands this moment.
#[derive(Serialize, ToSchema)]
pub(crate) struct LiveView {
    #[schema(value_type = String, format = DateTime)]
    pub(crate) server_time: Timestamp,
    #[schema(value_type = String)]
    pub(crate) contest: Slug,
    pub(crate) title: String,
    /// The definition's version: read it again when it changes.
    pub(crate) etag: String,
    #[schema(value_type = PhaseBody)]
    pub(crate) status: Phase,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) opens_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) closes_at: Option<Timestamp>,
    pub(crate) results: String,
    /// Until when a close by hand that is under way can be taken back; null where none can.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) cancel_until: Option<Timestamp>,
    /// How far ahead a close by hand is set, so that every node knows of it in time.
    pub(crate) close_margin_seconds: f64,
    /// The gateways' channels.
    pub(crate) channels: Vec<String>,
    /// Null before the first count.
    #[schema(value_type = Option<CountsBody>)]
    pub(crate) counts: Option<Arc<Counts>>,
    pub(crate) lease: Lease,
    #[schema(value_type = NodesBody)]
    pub(crate) nodes: Nodes,
}

/// What administrators have done with a contest.
#[derive(Serialize, ToSchema)]
pub(crate) struct Audit {
    /// The latest 200, oldest first.
    pub(crate) entries: Vec<AuditEntry>,
}

/// One act.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditEntry {
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    pub(crate) what: String,
    /// The name given at the sign-in; nobody has checked it.
    #[serde(default = "unnamed")]
    pub(crate) by: String,
    /// What it changed, as it was: the definition's members that differ, and of the choices those
    /// that do.
    #[schema(value_type = Option<Object>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<serde_json::Map<String, serde_json::Value>>,
    /// The same as it became.
    #[schema(value_type = Option<Object>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Entries of an earlier version have no name.
fn unnamed() -> String {
    "administrator".to_owned()
}

/// What time it is.
#[derive(ToSchema)]
#[schema(as = Time)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct TimeBody {
    #[schema(format = DateTime)]
    now: String,
}
