//! What is asked of the machines, as functions of the rate.

use ballot::timing::{BUCKET, CLOCK_SKEW, COMMIT_DEADLINE, FINAL_WITHIN, TALLY_PERIOD};

use crate::{
    batches::{Batching, cassandra_line, cassandra_put_core_seconds, vote_core_seconds},
    figures::Figures,
    inputs::{Connections, Engine, Inputs},
};

/// The tally's schedule where nobody says otherwise.
pub(crate) const SCHEDULE_S: f64 = TALLY_PERIOD.as_secs_f64();
/// A final row is promised within so many seconds of the close.
pub(crate) const FINAL_S: f64 = FINAL_WITHIN.as_secs_f64();
/// Batch ids of one document of the list that a final row names.
const LIST_IDS: f64 = 16_384.0;
/// Bytes of a batch id in a page of Cassandra's: 16 and their length, and as much again between
/// replicas.
const ID_ROW_BYTES: f64 = 40.0;
/// Bytes that one read unit of DynamoDB reads, strongly consistent.
pub(crate) const READ_UNIT_BYTES: f64 = 4_096.0;
/// Bytes that one write unit of DynamoDB writes.
pub(crate) const WRITE_UNIT_BYTES: f64 = 1_024.0;
/// Bits of a byte.
pub(crate) const BITS: f64 = 8.0;

/// What is asked, with the constants; everything else is a function of the rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model<'a> {
    pub(crate) inputs: Inputs,
    pub(crate) figures: &'a Figures,
    pub(crate) batching: Batching,
}

/// What is asked of all nodes together at one rate. Bytes and counts are a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) rate: f64,
    pub(crate) ballots: f64,
    pub(crate) connections: f64,
    pub(crate) handshakes: f64,
    pub(crate) voters_in: f64,
    pub(crate) voters_out: f64,
    pub(crate) balancer_cores: f64,
    pub(crate) batch_ballots: f64,
    pub(crate) batch_bytes: f64,
    pub(crate) batches: f64,
    /// Over the whole vote.
    pub(crate) batches_total: f64,
    pub(crate) intake_cores: f64,
    pub(crate) tally_cores: f64,
    /// Bytes that are written once, before replication.
    pub(crate) written: f64,
    /// Bytes that the tally reads.
    pub(crate) scanned: f64,
    pub(crate) store_cores: f64,
    pub(crate) write_units: f64,
    pub(crate) read_units: f64,
}

impl<'a> Model<'a> {
    pub(crate) fn new(inputs: Inputs, figures: &'a Figures) -> Self {
        let latency_ms = match inputs.engine {
            Engine::Embedded => figures.measured.embedded_latency.value,
            Engine::Cassandra => figures.measured.cassandra_latency.value,
            Engine::Dynamodb => figures.assumed.dynamodb_latency.value,
        };
        let far = if inputs.regions > 1 { figures.assumed.region_round_trip.value } else { 0.0 };
        Self { inputs, figures, batching: Batching::new(&figures.measured, latency_ms + far) }
    }

    /// Share of a resource that may be used at the peak.
    pub(crate) fn usable(&self) -> f64 {
        1.0 - self.inputs.headroom
    }

    /// Copies of each ballot.
    pub(crate) fn copies(&self) -> f64 {
        f64::from(self.inputs.replicas) * f64::from(self.store_regions())
    }

    fn store_regions(&self) -> u32 {
        if self.inputs.engine == Engine::Cassandra { self.inputs.regions } else { 1 }
    }

    /// Replicas that answer a read or a write.
    pub(crate) fn quorum(&self) -> f64 {
        (self.copies() / 2.0).floor() + 1.0
    }

    /// How often the tally meets a batch while the vote runs. Every run looks at the buckets that may
    /// still get batches: those younger than the commit deadline and the skew, half a bucket more
    /// on average, and what came since the last run.
    fn looks_at_a_batch(&self) -> f64 {
        let settled = (COMMIT_DEADLINE + CLOCK_SKEW).as_secs_f64();
        (SCHEDULE_S + settled + BUCKET.as_secs_f64() / 2.0) / SCHEDULE_S
    }

    /// How often the tally reads a batch while the vote runs: on Cassandra it asks for those whose ids
    /// are new; on DynamoDB an id costs as much as its item.
    pub(crate) fn reads_of_a_batch(&self) -> f64 {
        if self.inputs.engine == Engine::Cassandra { 1.0 } else { self.looks_at_a_batch() }
    }

    /// Bytes that the tally reads of so many batches while the vote runs.
    fn scanned(&self, batches: f64, batch_bytes: f64) -> f64 {
        let ids = if self.inputs.engine == Engine::Cassandra {
            self.looks_at_a_batch() * ID_ROW_BYTES
        } else {
            0.0
        };
        batches * (batch_bytes * self.reads_of_a_batch() + ids)
    }

    /// Workers of an intake node: one core is left to the rest.
    pub(crate) fn workers(&self) -> f64 {
        f64::from(self.inputs.cores_per_node - 1)
    }

    /// Ballots in all when the peak is `rate`: the whole vote grows with it.
    fn ballots(&self, rate: f64) -> f64 {
        self.inputs.voters * self.inputs.votes_per_voter * (rate / self.inputs.peak)
    }

    /// Batches of the whole vote: the finale at the peak, the rest evenly over the rest of the
    /// hours.
    fn batches_total(&self, rate: f64, workers: f64) -> f64 {
        let ballots = self.ballots(rate);
        let seconds = self.inputs.hours * 3_600.0;
        let finale_s = self.figures.assumed.finale.value.min(ballots / rate).min(seconds);
        let rest = (ballots - finale_s * rate).max(0.0);
        let rest_rate = rest / (seconds - finale_s).max(1.0);
        finale_s * rate / self.batching.ballots(rate / workers)
            + rest / self.batching.ballots(rest_rate / workers)
    }

    /// What is asked at this rate where so many intake nodes gather.
    pub(crate) fn demand(&self, rate: f64, intakes: f64) -> Demand {
        let Figures { measured, assumed } = self.figures;
        let ballots = self.ballots(rate);
        let (connections, handshakes) = match self.inputs.connections {
            Connections::New => (rate * assumed.keep_alive.value, rate),
            Connections::Kept => {
                let voters = self.inputs.voters * (rate / self.inputs.peak);
                (voters, (voters / assumed.arrival.value).min(rate))
            }
        };
        let packet = assumed.packet.value;
        let handshake_in = measured.handshake_in.value + 5.0 * packet;
        let handshake_out = measured.handshake_out.value + assumed.chain.value + 5.0 * packet;
        let workers = intakes * self.workers();
        let batch_ballots = self.batching.ballots(rate / workers);
        let batch_bytes = self.batching.bytes(batch_ballots);
        let batches = rate / batch_ballots;
        let written = batches * batch_bytes;
        let scanned = self.scanned(batches, batch_bytes);
        let item = batch_bytes + assumed.dynamodb_item.value;
        let (_, a_byte) = cassandra_line(measured);
        let put = cassandra_put_core_seconds(measured, batch_bytes);
        Demand {
            rate,
            ballots,
            connections,
            handshakes,
            voters_in: rate * (measured.vote_in.value + 2.0 * packet) + handshakes * handshake_in,
            voters_out: rate * (measured.vote_out.value + 2.0 * packet)
                + handshakes * handshake_out,
            balancer_cores: handshakes / assumed.balancer_handshakes.value
                + rate / assumed.balancer_requests.value,
            batch_ballots,
            batch_bytes,
            batches,
            batches_total: self.batches_total(rate, workers),
            intake_cores: rate * vote_core_seconds(measured, batch_ballots),
            tally_cores: rate / self.rows_a_core(),
            written,
            scanned,
            store_cores: batches * self.copies() * put
                + scanned * self.quorum() * a_byte * assumed.read_share.value,
            write_units: batches * (item / WRITE_UNIT_BYTES).ceil(),
            read_units: scanned / READ_UNIT_BYTES,
        }
    }

    /// Rows that one core of the tally folds a second.
    pub(crate) fn rows_a_core(&self) -> f64 {
        self.figures.measured.tally_rows.value / self.figures.measured.cores.value
    }

    /// Bytes of one copy of all ballots, packed.
    pub(crate) fn packed_bytes(&self, demand: &Demand) -> f64 {
        let empty = self.batching.bytes(0.0);
        let ballot = self.batching.bytes(1.0) - empty;
        demand.ballots * ballot + demand.batches_total * empty
    }

    /// Seconds from the close until the last batch was acknowledged or given up, and a run is due.
    pub(crate) fn final_wait_s(&self) -> f64 {
        let embedded = self.inputs.engine == Engine::Embedded;
        let skew = if embedded { 0.0 } else { CLOCK_SKEW.as_secs_f64() };
        COMMIT_DEADLINE.as_secs_f64() + skew + SCHEDULE_S
    }

    /// Seconds that it takes to write the list of batches that the final row names.
    pub(crate) fn list_s(&self, demand: &Demand) -> f64 {
        let write_s = match self.inputs.engine {
            Engine::Embedded => self.batching.latency_s,
            _ => self.figures.assumed.conditional_write.value / 1e3,
        };
        (demand.batches_total / LIST_IDS).ceil() * write_s
    }

    /// Bytes a second, each way, of machines with so many cores together.
    pub(crate) fn network(&self, cores: f64) -> f64 {
        self.figures.assumed.network.value * cores * 1e9 / BITS
    }

    /// Connections that a balancer's memory holds.
    pub(crate) fn balancer_connections(&self) -> f64 {
        let assumed = &self.figures.assumed;
        let bytes = assumed.balancer_memory.value * 1e9 * f64::from(self.inputs.cores_per_node);
        0.75 * bytes / assumed.balancer_connection_memory.value
    }

    /// Bytes in and out of all Cassandra nodes, the larger way: a coordinator takes each batch and
    /// sends it to the others.
    pub(crate) fn store_wire(&self, demand: &Demand) -> f64 {
        demand.written * self.copies() + demand.scanned * self.quorum()
    }

    /// Bytes of the tally's memory: the fold, and a chunk of rows.
    pub(crate) fn tally_bytes(&self, demand: &Demand) -> f64 {
        const CHUNK_ROWS: f64 = 8e6;
        demand.ballots * self.figures.measured.voter_memory.value + CHUNK_ROWS * 40.0
    }
}
