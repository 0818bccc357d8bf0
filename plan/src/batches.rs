//! How ballots gather into batches, and what a batch takes.

use ballot::limits::{
    BATCH_BALLOTS_MAX, BATCH_BYTES_MAX, COMMIT_BESIDE_BALLOTS_CLUSTER_MIN,
    COMMITS_IN_FLIGHT_CLUSTER_MAX, COMMITS_IN_FLIGHT_EMBEDDED_MAX,
};

use crate::figures::Measured;

/// What decides how large batches become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batching {
    /// From a put to its answer.
    pub(crate) latency_s: f64,
    /// Batches that a worker commits at a time, at most.
    pub(crate) in_flight_max: f64,
    /// Ballots of a batch that is committed beside one other.
    pub(crate) beside: f64,
    /// Bytes of a ballot in a batch of many.
    ballot_bytes: f64,
    /// Bytes of a batch besides.
    batch_bytes: f64,
}

impl Batching {
    pub(crate) fn new(measured: &Measured, latency_ms: f64) -> Self {
        // Two sizes give the straight line: bytes = batch + ballots * ballot.
        let (small, large) = (measured.packed_16.value, measured.packed_1000.value);
        let batch_bytes = (small - large) / (1.0 / 16.0 - 1.0 / 1_000.0);
        Self {
            latency_s: latency_ms / 1e3,
            in_flight_max: COMMITS_IN_FLIGHT_CLUSTER_MAX as f64,
            beside: COMMIT_BESIDE_BALLOTS_CLUSTER_MIN as f64,
            ballot_bytes: large - batch_bytes / 1_000.0,
            batch_bytes,
        }
    }

    /// Ballots of a batch at so many votes a second and worker. A batch is what comes in while the
    /// commit before is under way. A second is committed beside it when it has `b` ballots, the next
    /// with `2b`, then `4b` (`intake/src/intake.rs`): `n` at a time have `b * (2^n - 1)`. So with
    /// `q = rate * latency` ballots under way there are `n = log2(q / b + 1)` batches of `q / n`;
    /// at least one, and of as many ballots as a batch may hold.
    pub(crate) fn ballots(&self, worker_rate: f64) -> f64 {
        let under_way = worker_rate * self.latency_s;
        let in_flight = (under_way / self.beside + 1.0).log2().clamp(1.0, self.in_flight_max);
        (under_way / in_flight).clamp(1.0, self.ballots_max())
    }

    /// Ballots that a batch may hold.
    pub(crate) fn ballots_max(&self) -> f64 {
        let by_bytes = (BATCH_BYTES_MAX as f64 - self.batch_bytes) / self.ballot_bytes;
        by_bytes.min(BATCH_BALLOTS_MAX as f64)
    }

    /// Bytes of a packed batch.
    pub(crate) fn bytes(&self, ballots: f64) -> f64 {
        self.batch_bytes + ballots * self.ballot_bytes
    }
}

/// Core-seconds of one vote at the intake, in batches of so many ballots:
/// `votes/s = cores / (vote * (1 + commit / ballots))`, solved for `vote` at the measured run.
pub(crate) fn vote_core_seconds(measured: &Measured, ballots: f64) -> f64 {
    let in_flight = COMMITS_IN_FLIGHT_EMBEDDED_MAX as f64;
    let commit = measured.commit_ballots.value;
    let then = measured.intake_connections.value / in_flight;
    let vote = measured.cores.value / measured.intake_votes.value / (1.0 + commit / then);
    vote * (1.0 + commit / ballots)
}

/// Core-seconds of one put of so many bytes on one Cassandra replica: a fixed part and one a byte,
/// from the runs with a row and with a batch of 1,000 (45 KB) a put, on three replicas.
pub(crate) fn cassandra_put_core_seconds(measured: &Measured, bytes: f64) -> f64 {
    let (fixed, a_byte) = cassandra_line(measured);
    fixed + bytes * a_byte
}

/// Core-seconds of a put, and of each of its bytes.
pub(crate) fn cassandra_line(measured: &Measured) -> (f64, f64) {
    const REPLICAS: f64 = 3.0;
    const BATCH_BALLOTS: f64 = 1_000.0;
    const BATCH_BYTES: f64 = 45_000.0;
    let cores = measured.cores.value / REPLICAS;
    let row = cores / measured.cassandra_rows.value;
    let batch = cores / (measured.cassandra_batches.value / BATCH_BALLOTS);
    (row, (batch - row).max(0.0) / BATCH_BYTES)
}
