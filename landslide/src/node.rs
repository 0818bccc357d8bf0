//! What all workers of a node share.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ballot::{Counts, NodeClock, Slug};
use intake::Intake;
use parking_lot::Mutex;
use store::{ControlStore, Read, StoreError, Version};

use contests::{Contests, Peers};

use crate::{
    PublicUrl,
    http::{Administrators, Limits, Problem, store_error},
    metrics::Metrics,
    streams::Streams,
};

/// A node that could not read its store for this long is not ready. The store's own troubles pass
/// sooner, mostly: all nodes would leave their balancer at once, and nothing would be better.
const STORE_AWAY: Duration = Duration::from_secs(5);

/// A node that has not beaten for this long is not ready: the others take it for dead, and its own
/// judgement of its clock is old. Beats are changes, which a troubled store answers later than reads.
const BEAT_MISSED: Duration = Duration::from_secs(15);

/// One node: its stores, its planes, its limits.
pub struct Node {
    pub(crate) contests: Arc<Contests>,
    pub(crate) control: Arc<dyn ControlStore>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) streams: Streams,
    pub(crate) public_url: Option<PublicUrl>,
    #[cfg(feature = "card")]
    pub(crate) cards: crate::card::Cards,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) seen_counts: SeenCounts,
    pub(crate) roles: Roles,
    /// The service's addresses, as voters' pages may try them in turn.
    pub(crate) vote_addresses: Vec<String>,
    /// `None` where no token is set: then nobody is one.
    pub(crate) administrators: Option<Administrators>,
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

impl Roles {
    /// As heartbeats name them.
    pub(crate) fn names(self) -> Vec<String> {
        let named = [("intake", self.intake), ("tally", self.tally), ("admin", self.admin)];
        named.into_iter().filter(|(_, is)| *is).map(|(role, _)| role.to_owned()).collect()
    }
}

impl Node {
    /// The contest's counts row, as the tally left it. On a cluster it is read for all who ask
    /// within [`SeenCounts`]' time.
    pub(crate) async fn counts(&self, slug: &Slug) -> Result<Option<Arc<Counts>>, Problem> {
        let load = || tally::load_counts(&*self.control, slug, Read::Quorum);
        self.seen_counts.get(slug, load).await.map_err(|error| store_error(&error))
    }

    /// Notes what an administrator did. The act is done: a note that fails is only logged.
    pub(crate) async fn audit(&self, slug: &Slug, what: &str, by: &str) {
        let at = self.clock.now();
        tracing::info!(contest = %slug, what, by, "administrator");
        let entry = serde_json::json!({ "at": at, "what": what, "by": by });
        // The time in the key sorts the entries; two acts of one microsecond are told apart by chance.
        let chance = fastrand::u32(..);
        let key = format!("audit/{slug}/{:020}-{chance:08x}", at.as_micros());
        let body = entry.to_string().into_bytes().into();
        let noted = self.control.compare_and_swap(&key, Version::NONE, body).await;
        if let Err(error @ (StoreError::Unavailable(_) | StoreError::Corrupt(_))) = noted {
            tracing::error!(%error, contest = %slug, what, "the audit entry was not written");
        }
    }

    /// Why a balancer must not send voters here, if it must not.
    pub(crate) fn not_ready(&self) -> Option<NotReady> {
        if self.leaving.load(Ordering::SeqCst) || self.intake.is_draining() {
            Some(NotReady::Leaving)
        } else if self.peers.clock_strays() {
            Some(NotReady::ClockStrays)
        } else if self.contests.age() > STORE_AWAY || self.peers.age() > BEAT_MISSED {
            Some(NotReady::StoreAway)
        } else {
            None
        }
    }
}

/// Why a node is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotReady {
    /// It was told to end.
    Leaving,
    /// Its clock cannot be trusted.
    ClockStrays,
    /// It cannot read its store.
    StoreAway,
}

/// Counts rows that were read a moment ago: ten thousand viewers cost the store one read.
#[derive(Debug)]
pub(crate) struct SeenCounts {
    age_max: Duration,
    rows: Mutex<HashMap<Slug, Row>>,
}

/// Locked while it is read: whoever comes meanwhile waits for the same read.
type Row = Arc<tokio::sync::Mutex<Option<(Instant, Option<Arc<Counts>>)>>>;

impl SeenCounts {
    /// Rows are read again after `age_max`; zero reads them every time.
    pub(crate) fn new(age_max: Duration) -> Self {
        Self { age_max, rows: Mutex::default() }
    }

    async fn get<F>(
        &self,
        slug: &Slug,
        load: impl Fn() -> F,
    ) -> Result<Option<Arc<Counts>>, StoreError>
    where
        F: Future<Output = Result<Option<Counts>, StoreError>>,
    {
        if self.age_max.is_zero() {
            return Ok(load().await?.map(Arc::new));
        }
        let row = Arc::clone(self.rows.lock().entry(slug.clone()).or_default());
        let mut row = row.lock().await;
        if let Some((read_at, counts)) = &*row
            && read_at.elapsed() < self.age_max
        {
            return Ok(counts.clone());
        }
        // The age counts from before the read: an older row is never taken for a newer one.
        let read_at = Instant::now();
        let counts = load().await?.map(Arc::new);
        *row = Some((read_at, counts.clone()));
        Ok(counts)
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("roles", &self.roles).finish_non_exhaustive()
    }
}
