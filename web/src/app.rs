//! What all handlers of a node share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ballot::{Counts, Entropy, NodeClock, Slug};
use contests::{Contests, Difference, Peers};
use hyper::{HeaderMap, Uri};
use intake::Intake;
use store::{ControlStore, StoreError, Version};

#[cfg(feature = "card")]
use crate::card::Cards;
use crate::{
    counts_rows::CountsRows,
    http::{
        client::Client,
        limits::{LimitSettings, Limits},
    },
    identity::{
        administrators::Administrators,
        same_site::{self, Asker},
    },
    metrics::Metrics,
    public_url::PublicUrl,
    streams::Streams,
};

/// A node that could not read its store for this long is not ready. The store's own troubles pass
/// sooner, mostly: all nodes would leave their balancer at once, and nothing would be better.
const STORE_AWAY: Duration = Duration::from_secs(5);

/// A node that has not beaten for this long is not ready: the others take it for dead, and its own
/// judgement of its clock is old. Beats are changes, which a troubled store answers later than reads.
const BEAT_MISSED: Duration = Duration::from_secs(15);

/// One node as its handlers see it: its planes, its limits, whom it answers.
pub struct App {
    pub(crate) contests: Arc<Contests>,
    pub(crate) control: Arc<dyn ControlStore>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) counts_rows: Arc<CountsRows>,
    pub(crate) streams: Arc<Streams>,
    #[cfg(feature = "card")]
    pub(crate) cards: Cards,
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) roles: Roles,
    /// The service's addresses, as voters' pages may try them in turn.
    pub(crate) vote_addresses: Vec<String>,
    /// All origins that the settings say are ours.
    pub(crate) origins: Vec<String>,
    /// `None` where no token is set: then nobody is one.
    pub(crate) administrators: Option<Administrators>,
    /// No longer ready, though still answering: the balancer looks elsewhere first.
    leaving: AtomicBool,
}

/// What a node is made of, as far as its handlers need it.
#[derive(Clone)]
pub struct Planes {
    /// Its contests.
    pub contests: Arc<Contests>,
    /// Its store of documents.
    pub control: Arc<dyn ControlStore>,
    /// What takes its ballots in.
    pub intake: Arc<Intake>,
    /// The nodes on the same store.
    pub peers: Arc<Peers>,
    /// What time it is.
    pub clock: Arc<NodeClock>,
    /// Random bytes, for ballot ids and sessions.
    pub entropy: Arc<dyn Entropy>,
    /// What its operator watches.
    pub metrics: Arc<Metrics>,
}

/// What handlers go by.
#[derive(Clone, Debug)]
pub struct AppSettings {
    /// How much one network may ask for.
    pub limits: LimitSettings,
    /// Which parts of the node answer.
    pub roles: Roles,
    /// Without one nobody is an administrator.
    pub admin_token: Option<String>,
    /// Where the public finds the site.
    pub public_url: Option<PublicUrl>,
    /// All addresses under which voters reach the service.
    pub vote_addresses: Vec<String>,
    /// Open streams of results at most.
    pub streams_max: usize,
    /// How old a counts row may be that is shown; zero reads it each time.
    pub counts_age_max: Duration,
    /// A font for titles on image cards; nothing without the feature `card`.
    pub card_font: Option<Vec<u8>>,
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
    /// Everything on.
    pub const ALL: Self = Self { intake: true, tally: true, admin: true };

    /// As heartbeats name them.
    pub fn names(self) -> Vec<String> {
        let named = [("intake", self.intake), ("tally", self.tally), ("admin", self.admin)];
        named.into_iter().filter(|(_, is)| *is).map(|(role, _)| role.to_owned()).collect()
    }
}

impl App {
    /// Puts it together. Nothing runs yet.
    pub fn new(planes: Planes, settings: AppSettings) -> Arc<Self> {
        let Planes { contests, control, intake, peers, clock, entropy, metrics } = planes;
        let age_max = settings.counts_age_max;
        let rows = CountsRows::new(Arc::clone(&control), Arc::clone(&clock), age_max);
        let counts_rows = Arc::new(rows);
        let streams = Streams::new(
            Arc::clone(&contests),
            Arc::clone(&counts_rows),
            Arc::clone(&clock),
            Arc::clone(&metrics),
            settings.streams_max,
        );
        let mut origins = settings.vote_addresses.clone();
        origins.extend(settings.public_url.as_ref().map(PublicUrl::to_string));
        Arc::new(Self {
            contests,
            control,
            intake,
            peers,
            clock,
            entropy,
            metrics,
            limits: Limits::new(settings.limits),
            counts_rows,
            streams,
            #[cfg(feature = "card")]
            cards: Cards::new(settings.card_font),
            public_url: settings.public_url,
            roles: settings.roles,
            vote_addresses: settings.vote_addresses,
            origins,
            administrators: settings.admin_token.map(|token| Administrators::new(&token)),
            leaving: AtomicBool::new(false),
        })
    }

    /// From now on balancers are told to look elsewhere.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }

    /// Forgets networks whose limits have long been full again.
    pub fn forget_idle_networks(&self) {
        self.limits.forget_idle(self.clock.moment());
    }

    /// Which page made a browser ask.
    pub(crate) fn asker(&self, client: Client, headers: &HeaderMap, uri: &Uri) -> Asker {
        let is_secure = self.limits.is_secure(client, headers);
        same_site::asker(headers, uri, is_secure, &self.origins)
    }

    /// Whether somebody asked a balancer over plain HTTP for a service that the public finds by https:
    /// whoever listened in between could have changed what is sent.
    pub(crate) fn is_over_plain_http(&self, client: Client, headers: &HeaderMap) -> bool {
        self.public_url.as_ref().is_some_and(PublicUrl::is_secure)
            && self.limits.proxies().asked_by_https(client, headers) == Some(false)
    }

    /// The contest's counts row, as the tally left it.
    pub(crate) async fn counts(&self, slug: &Slug) -> Result<Option<Arc<Counts>>, StoreError> {
        self.counts_rows.get(slug).await
    }

    /// Notes what an administrator did. The act is done: a note that fails is only logged.
    pub(crate) async fn audit(&self, slug: &Slug, what: &str, by: &str) {
        self.audit_change(slug, what, by, None).await;
    }

    /// The same, with what it made different.
    pub(crate) async fn audit_change(
        &self,
        slug: &Slug,
        what: &str,
        by: &str,
        difference: Option<Difference>,
    ) {
        let at = self.clock.now();
        tracing::info!(contest = %slug, what, by, "administrator");
        let mut entry = serde_json::json!({ "at": at, "what": what, "by": by });
        if let Some(Difference { before, after }) = difference {
            entry["before"] = before.into();
            entry["after"] = after.into();
        }
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
    pub fn not_ready(&self) -> Option<NotReady> {
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
pub enum NotReady {
    /// It was told to end.
    Leaving,
    /// Its clock cannot be trusted.
    ClockStrays,
    /// It cannot read its store.
    StoreAway,
}

impl std::fmt::Debug for Planes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planes").field("contests", &self.contests).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("roles", &self.roles).finish_non_exhaustive()
    }
}
