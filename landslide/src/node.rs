//! What all workers of a node share.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ballot::{Counts, Slug};
use intake::Intake;
use store::{ControlStore, StoreError, Version};

use crate::{
    clock,
    contests::Contests,
    http::{Limits, Problem, store_error},
    metrics::Metrics,
    streams::Streams,
};

/// One node: its stores, its planes, its limits.
pub struct Node {
    pub(crate) contests: Arc<Contests>,
    pub(crate) control: Arc<dyn ControlStore>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) streams: Streams,
    pub(crate) roles: Roles,
    pub(crate) admin_token_hash: Option<blake3::Hash>,
    /// No longer ready, though still answering: the balancer looks elsewhere first.
    pub(crate) leaving: AtomicBool,
}

/// Which parts of a node answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Takes ballots.
    pub intake: bool,
    /// Counts them.
    pub tally: bool,
    /// Answers administrators.
    pub admin: bool,
}

impl Node {
    /// The contest's counts row, as the tally left it.
    pub(crate) async fn counts(&self, slug: &Slug) -> Result<Option<Counts>, Problem> {
        tally::load_counts(&*self.control, slug).await.map_err(|error| store_error(&error))
    }

    /// Notes what an administrator did. The act is done: a note that fails is only logged.
    pub(crate) async fn audit(&self, slug: &Slug, what: &str) {
        let at = clock::now();
        tracing::info!(contest = %slug, what, "administrator");
        let entry = serde_json::json!({ "at": at, "what": what });
        // The time in the key sorts the entries; two acts of one microsecond are told apart by chance.
        let chance = fastrand::u32(..);
        let key = format!("audit/{slug}/{:020}-{chance:08x}", at.as_micros());
        let body = entry.to_string().into_bytes().into();
        let noted = self.control.compare_and_swap(&key, Version::NONE, body).await;
        if let Err(error @ (StoreError::Unavailable(_) | StoreError::Corrupt(_))) = noted {
            tracing::error!(%error, contest = %slug, what, "the audit entry was not written");
        }
    }

    /// Whether a balancer may send voters here.
    pub(crate) fn is_ready(&self) -> bool {
        !self.leaving.load(Ordering::SeqCst) && !self.intake.is_draining()
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("roles", &self.roles).finish_non_exhaustive()
    }
}
