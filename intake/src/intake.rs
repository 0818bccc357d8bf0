//! Admission: how much may wait at a time, and the process-wide state of the data plane.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use ballot::{Entropy, NodeClock, limits};
use store::{BallotStore, StoreError};
use tokio::sync::Notify;

/// What the data plane may hold.
#[derive(Clone, Copy, Debug)]
pub struct IntakeSettings {
    /// Ballots that are waiting for a commit, over all workers; more are refused at once.
    pub queue_ballots_max: usize,
    /// Batches of one worker that are being committed at the same moment. With two, the store
    /// has the next at hand when it is through with one. A store that is slow to answer but takes
    /// many at a time wants more.
    pub commits_in_flight_max: usize,
    /// Ballots that a batch must have to be committed beside one other; beside two it takes twice
    /// as many, beside three four times, and so on. So batches grow with the votes: the more of
    /// them are under way, the less a small one may make all of them slower.
    pub commit_beside_ballots_min: usize,
}

impl Default for IntakeSettings {
    fn default() -> Self {
        Self {
            queue_ballots_max: limits::QUEUE_BALLOTS_DEFAULT,
            commits_in_flight_max: limits::COMMITS_IN_FLIGHT_EMBEDDED_MAX,
            // A commit to the embedded store costs about as much as taking six ballots in.
            commit_beside_ballots_min: limits::COMMIT_BESIDE_BALLOTS_EMBEDDED_MIN,
        }
    }
}

impl IntakeSettings {
    /// For a store on other machines: one batch that is answered late must not hold up those after
    /// it. A put costs its replicas about as much as eighty ballots cost the intake
    /// (three nodes of Cassandra beside two intakes on two cores, at 16,000 votes a second).
    pub fn for_cluster() -> Self {
        Self {
            commits_in_flight_max: limits::COMMITS_IN_FLIGHT_CLUSTER_MAX,
            commit_beside_ballots_min: limits::COMMIT_BESIDE_BALLOTS_CLUSTER_MIN,
            ..Self::default()
        }
    }

    /// A queue so short that a test fills it.
    pub fn for_testing() -> Self {
        Self { queue_ballots_max: 8, ..Self::default() }
    }

    /// How many ballots a batch must have to be committed beside so many others.
    pub(crate) fn beside_ballots_min(&self, in_flight: usize) -> usize {
        let doublings = u32::try_from(in_flight.saturating_sub(1)).unwrap_or(u32::MAX);
        self.commit_beside_ballots_min
            .saturating_mul(2_usize.saturating_pow(doublings))
            .min(limits::BATCH_BALLOTS_MAX)
    }
}

/// Hears of every commit, for metrics. Called on the worker's thread: must be quick.
pub trait Observer: Send + Sync + 'static {
    /// A batch became durable: its ballots, its packed bytes, and the time from its first ballot.
    fn committed(&self, ballots: usize, bytes: usize, took: Duration);
    /// A put failed or its reply was lost; it is tried again unless `given_up`.
    fn put_failed(&self, error: &StoreError, given_up: bool);
}

/// Why a ballot was not taken in. It is certain that it was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many ballots are waiting as may.
    #[error("too many ballots are waiting")]
    Overloaded,
    /// The process is about to end.
    #[error("this node is shutting down")]
    Draining,
}

/// The data plane of one process.
pub struct Intake {
    pub(crate) store: Arc<dyn BallotStore>,
    pub(crate) settings: IntakeSettings,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    waiting_ballots: AtomicUsize,
    draining: AtomicBool,
    drained: Notify,
}

impl Intake {
    /// A data plane over a store, with the node's clock, and random bytes for batch ids.
    pub fn new(
        store: Arc<dyn BallotStore>,
        settings: IntakeSettings,
        observer: Arc<dyn Observer>,
        clock: Arc<NodeClock>,
        entropy: Arc<dyn Entropy>,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            settings,
            observer,
            clock,
            entropy,
            waiting_ballots: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            drained: Notify::new(),
        })
    }

    /// Ballots that are waiting for a commit now.
    pub fn waiting_ballots(&self) -> usize {
        self.waiting_ballots.load(Ordering::Relaxed)
    }

    /// Whether new ballots are refused because the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Refuses new ballots from now on; those accepted go their way.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::SeqCst);
        if self.waiting_ballots.load(Ordering::SeqCst) == 0 {
            self.drained.notify_waiters();
        }
    }

    /// Resolves when draining has started and every accepted ballot is settled.
    pub async fn drained(&self) {
        loop {
            let notified = self.drained.notified();
            tokio::pin!(notified);
            // Enabled before the look at the state: what happens between the two is not missed.
            notified.as_mut().enable();
            if self.is_draining() && self.waiting_ballots.load(Ordering::SeqCst) == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Room for `ballots` more, until they are settled and [given back](Self::give_back).
    pub(crate) fn take(&self, ballots: usize) -> Result<(), Refused> {
        // Counted first and looked at second: draining and a late comer cannot miss each other.
        let before = self.waiting_ballots.fetch_add(ballots, Ordering::SeqCst);
        let refused = if self.is_draining() {
            Refused::Draining
        } else if before + ballots > self.settings.queue_ballots_max.max(ballots) {
            Refused::Overloaded
        } else {
            return Ok(());
        };
        self.give_back(ballots);
        Err(refused)
    }

    pub(crate) fn give_back(&self, ballots: usize) {
        let before = self.waiting_ballots.fetch_sub(ballots, Ordering::SeqCst);
        if before == ballots && self.is_draining() {
            self.drained.notify_waiters();
        }
    }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("waiting_ballots", &self.waiting_ballots()).finish()
    }
}
