//! What an operator watches, in the text format of Prometheus. Nothing here tells a contest's
//! votes by choice: with hidden results they are nobody's.

use std::{sync::atomic::AtomicU64, time::Duration};

use intake::Observer;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use store::StoreError;

use crate::http::server::Gauges;

/// The metrics of a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(crate) acknowledged: Counter,
    pub(crate) refused: Family<Reason, Counter>,
    pub(crate) ready: Gauge,
    pub(crate) clock_strays: Gauge,
    pub(crate) nodes_alive: Gauge,
    pub(crate) connections: Gauges,
    pub(crate) streams: Gauge,
    pub(crate) results_encoded: Counter,
    pub(crate) waiting_ballots: Gauge,
    tally_runs: Family<Outcome, Counter>,
    tally_seconds: Histogram,
    pub(crate) counts_age: Family<OfContest, Gauge<f64, AtomicU64>>,
    batch_ballots: Histogram,
    batch_bytes: Histogram,
    commit_seconds: Histogram,
    puts_failed: Counter,
    batches_given_up: Counter,
}

/// Why a request was refused: the name of its problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    pub(crate) reason: &'static str,
}

/// How a run of the tally ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Which contest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfContest {
    pub(crate) contest: String,
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        // From 100 us (a commit on a fast disk) to 6.5 s (past the commit deadline).
        let seconds = || Histogram::new(exponential_buckets(0.000_1, 2.0, 17));
        let mut metrics = Self {
            registry: Registry::with_prefix("landslide"),
            acknowledged: Counter::default(),
            refused: Family::default(),
            ready: Gauge::default(),
            clock_strays: Gauge::default(),
            nodes_alive: Gauge::default(),
            connections: Gauges::default(),
            streams: Gauge::default(),
            results_encoded: Counter::default(),
            waiting_ballots: Gauge::default(),
            tally_runs: Family::default(),
            tally_seconds: seconds(),
            counts_age: Family::default(),
            batch_ballots: Histogram::new(exponential_buckets(1.0, 2.0, 14)),
            batch_bytes: Histogram::new(exponential_buckets(64.0, 2.0, 14)),
            commit_seconds: seconds(),
            puts_failed: Counter::default(),
            batches_given_up: Counter::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let (ballots, batches) = ("ballots", "batch");
        registry.register(
            format!("{ballots}_acknowledged"),
            "Ballots that were acknowledged",
            self.acknowledged.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests that got a problem, by its name",
            self.refused.clone(),
        );
        registry.register(
            "ready",
            "1 if a balancer may send voters here, as /readyz says",
            self.ready.clone(),
        );
        registry.register(
            "clock_strays",
            "1 if the clock strays from the other nodes'",
            self.clock_strays.clone(),
        );
        registry.register(
            "nodes_alive",
            "Nodes on this store that this one hears of, itself included",
            self.nodes_alive.clone(),
        );
        registry.register("connections", "Open connections", self.connections.open.clone());
        registry.register(
            "connections_refused",
            "Connections closed at once, because their network had too many",
            self.connections.refused.clone(),
        );
        registry.register("streams", "Open streams of results", self.streams.clone());
        registry.register(
            "results_encoded",
            "Results that were encoded: once an update, however many watch",
            self.results_encoded.clone(),
        );
        registry.register(
            "queue_ballots",
            "Ballots that wait for a commit",
            self.waiting_ballots.clone(),
        );
        registry.register(
            format!("{batches}_ballots"),
            "Ballots of a batch",
            self.batch_ballots.clone(),
        );
        registry.register_with_unit(
            batches,
            "Packed size of a batch",
            Unit::Bytes,
            self.batch_bytes.clone(),
        );
        registry.register_with_unit(
            "commit",
            "From a batch's first ballot to its being durable",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register("puts_failed", "Puts of a batch that failed", self.puts_failed.clone());
        registry.register(
            "batches_given_up",
            "Batches that were not durable in time: their ballots were not acknowledged",
            self.batches_given_up.clone(),
        );
        registry.register("tally_runs", "Runs of the tally", self.tally_runs.clone());
        registry.register_with_unit(
            "tally_run",
            "Length of a run of the tally",
            Unit::Seconds,
            self.tally_seconds.clone(),
        );
        registry.register_with_unit(
            "counts_age",
            "How long ago the moment is that a contest is counted through",
            Unit::Seconds,
            self.counts_age.clone(),
        );
    }

    /// Notes a run of the tally, and how it ended.
    pub fn tally_ran(&self, outcome: &'static str, took: Duration) {
        self.tally_runs.get_or_create(&Outcome { outcome }).inc();
        self.tally_seconds.observe(took.as_secs_f64());
    }

    /// Everything, as Prometheus reads it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a `String` cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Metrics {
    fn committed(&self, ballots: usize, bytes: usize, took: Duration) {
        self.batch_ballots.observe(ballots as f64);
        self.batch_bytes.observe(bytes as f64);
        self.commit_seconds.observe(took.as_secs_f64());
    }

    fn put_failed(&self, error: &StoreError, given_up: bool) {
        self.puts_failed.inc();
        if given_up {
            self.batches_given_up.inc();
        } else {
            tracing::warn!(%error, "a put failed and is tried again");
        }
    }
}
