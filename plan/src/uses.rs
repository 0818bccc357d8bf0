//! How full each resource is at the peak, and at which rate it breaks with the machines planned.

use ballot::{
    limits::{QUEUE_BALLOTS_DEFAULT, SHARDS_MAX},
    timing::BUCKET,
};
use serde::{Deserialize, Serialize};

use crate::{
    digits::rounded,
    final_row::FinalRow,
    fleet::{Fleet, TALLY_CORE_BYTES},
    inputs::Engine,
    model::{Demand, FINAL_S, Model, READ_UNIT_BYTES, SCHEDULE_S},
};

/// Where the search for the breaking rate ends: it never breaks.
const FACTOR_MAX: f64 = 1e4;

/// A resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Use {
    pub(crate) what: String,
    /// Of what it can bear, at the peak: 1 is full.
    #[serde(serialize_with = "rounded")]
    pub(crate) share: f64,
    /// Votes a second at which it is full, all other machines staying as they are.
    #[serde(serialize_with = "rounded")]
    pub(crate) breaks_at: f64,
    /// More machines of the same kind do not help.
    pub(crate) hard: bool,
    /// What does.
    pub(crate) cure: String,
}

/// A resource: its name, whether it is hard, what helps, and its share at a demand.
type Gauge<'a> = (&'a str, bool, &'a str, Box<dyn Fn(&Demand) -> f64 + 'a>);

/// All resources, the first to break first.
pub(crate) fn all(model: &Model<'_>, fleet: &Fleet, shards: u64) -> Vec<Use> {
    let mut gauges = tally(model, fleet);
    gauges.extend(match model.inputs.engine {
        Engine::Embedded => embedded(model, fleet),
        Engine::Cassandra => cassandra(model, fleet, shards),
        Engine::Dynamodb => dynamodb(model, fleet, shards),
    });
    if model.inputs.engine != Engine::Embedded {
        gauges.extend(front(model, fleet));
    }
    gauges.extend(intake(model, fleet));
    let peak = model.inputs.peak;
    let at = |rate: f64| model.demand(rate, fleet.intakes as f64);
    let mut uses: Vec<_> = gauges
        .into_iter()
        .map(|(what, hard, cure, share)| Use {
            what: what.into(),
            share: share(&at(peak)),
            breaks_at: peak * breaking_factor(|factor| share(&at(peak * factor))),
            hard,
            cure: cure.into(),
        })
        .collect();
    uses.sort_by(|a, b| a.breaks_at.total_cmp(&b.breaks_at).then(b.share.total_cmp(&a.share)));
    uses
}

/// By which factor the rate grows until the share is 1: shares grow with the rate.
fn breaking_factor(share: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (1.0 / FACTOR_MAX, FACTOR_MAX);
    if share(high) <= 1.0 {
        return high;
    }
    for _ in 0..60 {
        let middle = (low * high).sqrt();
        if share(middle) <= 1.0 { low = middle } else { high = middle }
    }
    low
}

fn tally<'a>(model: &'a Model<'_>, fleet: &'a Fleet) -> Vec<Gauge<'a>> {
    let cores = fleet.tally_cores as f64;
    let mut gauges: Vec<Gauge<'_>> = vec![
        (
            "tally: memory for voters",
            true,
            "a machine with more memory holds more; one contest has one tally, so beyond that split the vote into contests",
            Box::new(move |demand| model.tally_bytes(demand) / (cores * TALLY_CORE_BYTES)),
        ),
        (
            "tally: final row within 60 s",
            true,
            final_cure(model, fleet),
            Box::new(move |demand| FinalRow::after(model, demand, fleet).total_s / FINAL_S),
        ),
    ];
    if model.inputs.engine != Engine::Embedded {
        let network = if model.reads_of_a_batch() > 1.0 {
            "open buckets are read again every 2 s: a slower schedule (counts are older) or a faster network"
        } else {
            "one contest has one tally, which reads each batch once: a faster network, or several contests"
        };
        gauges.push((
            "tally: fold of what is new",
            true,
            "one contest has one tally: more cores; while it is short, counts lag and voting goes on",
            Box::new(move |demand| demand.tally_cores / cores),
        ));
        gauges.push((
            "tally: network to the store",
            true,
            network,
            Box::new(move |demand| demand.scanned / model.network(cores)),
        ));
    }
    gauges
}

/// What makes the final row come sooner: that depends on what it waits for.
fn final_cure(model: &Model<'_>, fleet: &Fleet) -> &'static str {
    let demand = model.demand(model.inputs.peak, fleet.intakes as f64);
    let row = FinalRow::after(model, &demand, fleet);
    let rescan_s = row.fold_s.max(row.network_s).max(row.store_s);
    if row.list_s > rescan_s {
        "the list of batches takes longest, and quiet hours make many small ones: fewer intake \
         cores while it is quiet, shorter hours, or several contests; voting and the counts go on, \
         only the final row is late"
    } else {
        "the rescan takes longest, and one contest has one tally: more cores, or several contests; \
         nothing is lost, only the final row is late"
    }
}

fn embedded<'a>(model: &'a Model<'_>, fleet: &'a Fleet) -> Vec<Gauge<'a>> {
    let measured = &model.figures.measured;
    let handshakes = model.figures.assumed.balancer_handshakes.value;
    let cores = fleet.cores as f64;
    vec![
        (
            "machine: processors",
            true,
            "a machine with more cores, or --engine cassandra on many",
            Box::new(move |demand| {
                let tls = demand.handshakes / handshakes;
                (demand.intake_cores + demand.tally_cores + tls) / cores
            }),
        ),
        (
            "machine: memory for connections",
            true,
            "a machine with more memory, or balancers in front; set --connections-max to match",
            Box::new(move |demand| {
                // A quarter of the machine's.
                let memory = cores * TALLY_CORE_BYTES / 4.0;
                demand.connections * measured.connection_memory.value / memory
            }),
        ),
        (
            "machine: network",
            true,
            "a faster network",
            Box::new(move |demand| demand.voters_in.max(demand.voters_out) / model.network(cores)),
        ),
    ]
}

fn cassandra<'a>(model: &'a Model<'_>, fleet: &'a Fleet, shards: u64) -> Vec<Gauge<'a>> {
    let assumed = &model.figures.assumed;
    let nodes = fleet.stores as f64;
    let partition = move |demand: &Demand, shards: f64| {
        let bucket = demand.written * BUCKET.as_secs_f64();
        bucket * assumed.hottest.value / shards / assumed.partition.value
    };
    vec![
        (
            "store: processors",
            false,
            "more store nodes",
            Box::new(move |demand| demand.store_cores / (nodes * fleet.cores as f64)),
        ),
        (
            "store: network",
            false,
            "more store nodes",
            Box::new(move |demand| {
                model.store_wire(demand) / model.network(nodes * fleet.cores as f64)
            }),
        ),
        (
            "store: hottest shard as planned",
            false,
            "more shards, before the contest opens",
            Box::new(move |demand| partition(demand, shards as f64)),
        ),
        (
            "store: hottest shard of 1,024",
            true,
            "no contest has more shards: several contests",
            Box::new(move |demand| partition(demand, f64::from(SHARDS_MAX))),
        ),
    ]
}

fn dynamodb<'a>(model: &'a Model<'_>, fleet: &Fleet, shards: u64) -> Vec<Gauge<'a>> {
    let assumed = &model.figures.assumed;
    let hottest = assumed.hottest.value / assumed.dynamodb_partition_writes.value;
    let quota = fleet.dynamodb_quota(model);
    vec![
        (
            "store: write units of a table",
            false,
            "a higher quota from AWS, asked for and warmed up before the vote",
            Box::new(move |demand| demand.write_units / quota),
        ),
        (
            "store: read units of a table",
            false,
            "a higher quota from AWS, or a slower tally schedule",
            Box::new(move |demand| demand.read_units / quota),
        ),
        (
            "store: hottest shard as planned",
            false,
            "more shards, before the contest opens",
            Box::new(move |demand| demand.write_units * hottest / shards as f64),
        ),
        (
            "store: hottest shard of 1,024",
            true,
            "no contest has more shards: several contests",
            Box::new(move |demand| demand.write_units * hottest / f64::from(SHARDS_MAX)),
        ),
        (
            "store: reads of the hottest shard",
            false,
            "more shards, before the contest opens",
            Box::new(move |demand| {
                // DynamoDB reads three times as many units from a partition as it writes.
                let limit = 3.0 * assumed.dynamodb_partition_writes.value;
                // At the worst moment a run reads one bucket's whole shard.
                let bucket = demand.written * BUCKET.as_secs_f64() / READ_UNIT_BYTES;
                bucket * assumed.hottest.value / shards as f64 / (limit * SCHEDULE_S)
            }),
        ),
    ]
}

fn front<'a>(model: &'a Model<'_>, fleet: &'a Fleet) -> Vec<Gauge<'a>> {
    let nodes = fleet.balancers as f64;
    vec![
        (
            "balancers: TLS and requests",
            false,
            "more balancers, or clients that keep their connections",
            Box::new(move |demand| demand.balancer_cores / (nodes * fleet.cores as f64)),
        ),
        (
            "balancers: memory for connections",
            false,
            "more balancers, or a shorter keep-alive",
            Box::new(move |demand| demand.connections / (nodes * model.balancer_connections())),
        ),
        (
            "balancers: network",
            false,
            "more balancers",
            Box::new(move |demand| {
                let cores = nodes * fleet.cores as f64;
                demand.voters_in.max(demand.voters_out) / model.network(cores)
            }),
        ),
        (
            "intakes: processors",
            false,
            "more intake nodes",
            Box::new(move |demand| demand.intake_cores / (fleet.intakes as f64 * model.workers())),
        ),
    ]
}

fn intake<'a>(model: &'a Model<'_>, fleet: &'a Fleet) -> Vec<Gauge<'a>> {
    let hard = model.inputs.engine == Engine::Embedded;
    let nodes = fleet.intakes as f64;
    let batching = &model.batching;
    vec![
        (
            "intakes: ballots that wait",
            hard,
            "more intake nodes, or a larger --queue-ballots-max",
            Box::new(move |demand| {
                // Those being committed, and half as many again being gathered.
                let waiting = demand.rate / nodes * batching.latency_s * 1.5;
                waiting / QUEUE_BALLOTS_DEFAULT as f64
            }),
        ),
        (
            "intakes: a worker's largest batches",
            hard,
            "more intake nodes",
            Box::new(move |demand| {
                let most = batching.in_flight_max * batching.ballots_max() / batching.latency_s;
                demand.rate / (nodes * model.workers()) / most
            }),
        ),
    ]
}
