//! From what is asked to machines. Pure: the same inputs and figures give the same plan.

use super::{
    answer::{Batches, FinalRow, Fleet, Network, Plan},
    batches::{Batching, cassandra_line, cassandra_put_core_seconds, vote_core_seconds},
    bill,
    figures::{Figures, Prices},
    options::{Connections, Engine, Inputs},
    uses,
};
use ballot::{
    limits::{SHARDS_DEFAULT, SHARDS_MAX},
    timing::{BUCKET, COMMIT_DEADLINE},
};

/// The tally's schedule where nobody says otherwise.
pub(crate) const SCHEDULE_S: f64 = 2.0;
/// Batch ids of one document of the list that a final row names.
const LIST_IDS: f64 = 16_384.0;
/// Bytes of a batch id in a page of Cassandra's: 16 and their length, and as much again between
/// replicas.
const ID_ROW_BYTES: f64 = 40.0;
/// Bytes that one read unit of DynamoDB reads, strongly consistent.
const READ_UNIT_BYTES: f64 = 4_096.0;
/// Bytes that one write unit of DynamoDB writes.
const WRITE_UNIT_BYTES: f64 = 1_024.0;
/// Bits of a byte.
const BITS: f64 = 8.0;

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
        let settled = COMMIT_DEADLINE.as_secs_f64() + self.figures.assumed.clock_skew.value;
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
    fn final_wait_s(&self) -> f64 {
        let embedded = self.inputs.engine == Engine::Embedded;
        let skew = if embedded { 0.0 } else { self.figures.assumed.clock_skew.value };
        COMMIT_DEADLINE.as_secs_f64() + skew + SCHEDULE_S
    }

    /// Seconds that it takes to write the list of batches that the final row names.
    fn list_s(&self, demand: &Demand) -> f64 {
        let write_s = match self.inputs.engine {
            Engine::Embedded => self.batching.latency_s,
            _ => self.figures.assumed.conditional_write.value / 1e3,
        };
        (demand.batches_total / LIST_IDS).ceil() * write_s
    }

    /// From the close to the final row.
    pub(crate) fn final_row(&self, demand: &Demand, fleet: &Fleet) -> FinalRow {
        let Figures { measured, assumed } = self.figures;
        let bytes = self.packed_bytes(demand);
        let cores = fleet.tally_cores as f64;
        let fold_s = demand.ballots / (self.rows_a_core() * cores);
        let (network_s, store_s) = match self.inputs.engine {
            // Part of what was measured as rows a second.
            Engine::Embedded => (0.0, 0.0),
            Engine::Cassandra => {
                let (_, a_byte) = cassandra_line(measured);
                let stores = (fleet.stores * fleet.cores) as f64;
                let read = bytes * self.quorum() * a_byte * assumed.read_share.value;
                (bytes / self.network(cores), read / stores)
            }
            Engine::Dynamodb => {
                (bytes / self.network(cores), bytes / READ_UNIT_BYTES / self.quota())
            }
        };
        let (wait_s, list_s) = (self.final_wait_s(), self.list_s(demand));
        let total_s = wait_s + list_s + fold_s.max(network_s).max(store_s);
        FinalRow { total_s, wait_s, fold_s, network_s, store_s, list_s }
    }

    /// Bytes a second, each way, of machines with so many cores together.
    pub(crate) fn network(&self, cores: f64) -> f64 {
        self.figures.assumed.network.value * cores * 1e9 / BITS
    }

    /// The quota that the plan asks for: the default, or what the peak needs with headroom.
    pub(crate) fn quota(&self) -> f64 {
        let at_peak = self.demand(self.inputs.peak, self.intakes() as f64);
        let needed = at_peak.write_units.max(at_peak.read_units) / self.usable();
        self.figures.assumed.dynamodb_quota.value.max((needed / 10_000.0).ceil() * 10_000.0)
    }

    /// Nodes in each of the regions: enough, one more, and at least two.
    fn spread(&self, needed: f64, regions: u32) -> u64 {
        let each = (needed / f64::from(regions)).ceil() as u64 + 1;
        each.max(2) * u64::from(regions)
    }

    fn intakes(&self) -> u64 {
        if self.inputs.engine == Engine::Embedded {
            return 1;
        }
        let measured = &self.figures.measured;
        // The batches of a worker that is as busy as it may be.
        let busy = self.usable() / vote_core_seconds(measured, self.batching.ballots_max());
        let cost = vote_core_seconds(measured, self.batching.ballots(busy));
        let node = self.workers() * self.usable() / cost;
        self.spread(self.inputs.peak / node, self.inputs.regions)
    }

    fn balancers(&self, demand: &Demand) -> u64 {
        if self.inputs.engine == Engine::Embedded {
            return 0;
        }
        let cores = f64::from(self.inputs.cores_per_node);
        let needed = [
            demand.balancer_cores / cores,
            // What comes in from voters goes out to the intakes, and back.
            demand.voters_in.max(demand.voters_out) / self.network(cores),
            demand.connections / self.balancer_connections(),
        ];
        let needed = needed.into_iter().fold(0.0, f64::max) / self.usable();
        self.spread(needed, self.inputs.regions)
    }

    /// Connections that a balancer's memory holds.
    pub(crate) fn balancer_connections(&self) -> f64 {
        let assumed = &self.figures.assumed;
        let bytes = assumed.balancer_memory.value * 1e9 * f64::from(self.inputs.cores_per_node);
        0.75 * bytes / assumed.balancer_connection_memory.value
    }

    fn stores(&self, demand: &Demand) -> u64 {
        if self.inputs.engine != Engine::Cassandra {
            return 0;
        }
        let cores = demand.store_cores / f64::from(self.inputs.cores_per_node);
        let wire = self.store_wire(demand) / self.network(f64::from(self.inputs.cores_per_node));
        let nodes = self.spread(cores.max(wire) / self.usable(), self.inputs.regions);
        nodes.max(u64::from(self.inputs.replicas) * u64::from(self.inputs.regions))
    }

    /// Bytes in and out of all Cassandra nodes, the larger way: a coordinator takes each batch and
    /// sends it to the others.
    pub(crate) fn store_wire(&self, demand: &Demand) -> f64 {
        demand.written * self.copies() + demand.scanned * self.quorum()
    }

    fn tally_cores(&self, demand: &Demand) -> u64 {
        if self.inputs.engine == Engine::Embedded {
            return self.inputs.cores_per_node.into();
        }
        let rescan_s = uses::FINAL_S - self.final_wait_s();
        // Where the list of batches leaves hardly any time, more cores are no cure.
        let left_s = (rescan_s - self.list_s(demand)).max(rescan_s / 2.0) * self.usable();
        let needed = [
            demand.tally_cores / self.usable(),
            demand.ballots / self.rows_a_core() / left_s,
            demand.scanned / self.network(1.0) / self.usable(),
            self.tally_bytes(demand) / self.usable() / uses::TALLY_CORE_BYTES,
            4.0,
        ];
        let needed = needed.into_iter().fold(0.0, f64::max).ceil();
        power_of_two(needed).min(self.figures.assumed.tally_cores_max.value as u64)
    }

    /// Bytes of the tally's memory: the fold, and a chunk of rows.
    pub(crate) fn tally_bytes(&self, demand: &Demand) -> f64 {
        const CHUNK_ROWS: f64 = 8e6;
        demand.ballots * self.figures.measured.voter_memory.value + CHUNK_ROWS * 40.0
    }

    fn shards(&self, demand: &Demand, stores: u64) -> u64 {
        let assumed = &self.figures.assumed;
        let hottest = assumed.hottest.value;
        let needed = match self.inputs.engine {
            Engine::Embedded => 0.0,
            Engine::Cassandra => {
                let bucket = demand.written * BUCKET.as_secs_f64();
                // Many more than nodes, so that every node has its share of each bucket.
                (bucket * hottest / assumed.partition.value).max(8.0 * stores as f64)
            }
            Engine::Dynamodb => {
                demand.write_units * hottest
                    / (assumed.dynamodb_partition_writes.value * self.usable())
            }
        };
        power_of_two(needed).clamp(SHARDS_DEFAULT.into(), SHARDS_MAX.into())
    }
}

impl Plan {
    /// Plans for what is asked.
    pub fn make(inputs: Inputs, figures: &Figures, prices: &Prices) -> Self {
        let model = Model::new(inputs, figures);
        let intakes = model.intakes();
        let demand = model.demand(inputs.peak, intakes as f64);
        let stores = model.stores(&demand);
        let tally_cores = model.tally_cores(&demand);
        let embedded = inputs.engine == Engine::Embedded;
        let fleet = Fleet {
            cores: inputs.cores_per_node.into(),
            balancers: model.balancers(&demand),
            intakes,
            stores,
            tallies: if embedded { 0 } else { 2 },
            tally_cores,
            tally_memory_gb: (tally_cores as f64 * uses::TALLY_CORE_BYTES / 1e9) as u64,
        };
        let shards = model.shards(&demand, stores);
        let uses = uses::all(&model, &fleet, shards);
        let worst = |hard: bool| {
            let first = uses.iter().find(|one| !hard || one.hard);
            first.map_or_else(String::new, |one| one.what.clone())
        };
        let storage = bill::storage(&model, &demand);
        Self {
            inputs,
            fits: !uses.iter().any(|one| one.hard && one.share > 1.0),
            ballots: demand.ballots.round() as u64,
            shards,
            batches: Batches {
                ballots: demand.batch_ballots,
                bytes: demand.batch_bytes,
                per_second: demand.batches,
                total: demand.batches_total.round() as u64,
            },
            network: Network {
                handshakes_per_second: demand.handshakes,
                connections: demand.connections,
                voters_in_gbit: demand.voters_in * BITS / 1e9,
                voters_out_gbit: demand.voters_out * BITS / 1e9,
                store_writes_gbit: demand.written * model.copies() * BITS / 1e9,
                tally_reads_gbit: demand.scanned * BITS / 1e9,
            },
            final_row: model.final_row(&demand, &fleet),
            breaks_first: worst(false),
            hard_limit: worst(true),
            price: bill::make(&model, &demand, &fleet, &storage, prices),
            storage,
            uses,
            fleet,
        }
    }
}

fn power_of_two(needed: f64) -> u64 {
    (needed.ceil() as u64).clamp(1, 1 << 40).next_power_of_two()
}
