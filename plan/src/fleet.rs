//! How many machines there have to be.

use ballot::{
    limits::{SHARDS_DEFAULT, SHARDS_MAX},
    timing::BUCKET,
};
use serde::{Deserialize, Serialize};

use crate::{
    batches::vote_core_seconds,
    inputs::Engine,
    model::{Demand, FINAL_S, Model},
};

/// Memory of the machines that tally, for each core.
pub(crate) const TALLY_CORE_BYTES: f64 = 8e9;

/// Machines over all regions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fleet {
    pub(crate) cores: u64,
    pub(crate) balancers: u64,
    pub(crate) intakes: u64,
    pub(crate) stores: u64,
    pub(crate) tallies: u64,
    pub(crate) tally_cores: u64,
    pub(crate) tally_memory_gb: u64,
}

impl Fleet {
    /// As many as the peak takes, with headroom.
    pub(crate) fn for_peak(model: &Model<'_>) -> Self {
        let inputs = &model.inputs;
        let intakes = intakes(model);
        let demand = model.demand(inputs.peak, intakes as f64);
        let tally_cores = tally_cores(model, &demand);
        Self {
            cores: inputs.cores_per_node.into(),
            balancers: balancers(model, &demand),
            intakes,
            stores: stores(model, &demand),
            tallies: if inputs.engine == Engine::Embedded { 0 } else { 2 },
            tally_cores,
            tally_memory_gb: (tally_cores as f64 * TALLY_CORE_BYTES / 1e9) as u64,
        }
    }

    /// DynamoDB's quota that the plan asks for, in units a second: the default, or what the peak needs
    /// with headroom.
    pub(crate) fn dynamodb_quota(&self, model: &Model<'_>) -> f64 {
        let at_peak = model.demand(model.inputs.peak, self.intakes as f64);
        let needed = at_peak.write_units.max(at_peak.read_units) / model.usable();
        model.figures.assumed.dynamodb_quota.value.max((needed / 10_000.0).ceil() * 10_000.0)
    }

    /// Shards of the contest.
    pub(crate) fn shards(&self, model: &Model<'_>, demand: &Demand) -> u64 {
        let assumed = &model.figures.assumed;
        let hottest = assumed.hottest.value;
        let needed = match model.inputs.engine {
            Engine::Embedded => 0.0,
            Engine::Cassandra => {
                let bucket = demand.written * BUCKET.as_secs_f64();
                // Many more than nodes, so that every node has its share of each bucket.
                (bucket * hottest / assumed.partition.value).max(8.0 * self.stores as f64)
            }
            Engine::Dynamodb => {
                demand.write_units * hottest
                    / (assumed.dynamodb_partition_writes.value * model.usable())
            }
        };
        power_of_two(needed).clamp(SHARDS_DEFAULT.into(), SHARDS_MAX.into())
    }
}

/// Nodes in each of the regions: enough, one more, and at least two.
fn spread(needed: f64, regions: u32) -> u64 {
    let each = (needed / f64::from(regions)).ceil() as u64 + 1;
    each.max(2) * u64::from(regions)
}

fn intakes(model: &Model<'_>) -> u64 {
    if model.inputs.engine == Engine::Embedded {
        return 1;
    }
    let measured = &model.figures.measured;
    // The batches of a worker that is as busy as it may be.
    let busy = model.usable() / vote_core_seconds(measured, model.batching.ballots_max());
    let cost = vote_core_seconds(measured, model.batching.ballots(busy));
    let node = model.workers() * model.usable() / cost;
    spread(model.inputs.peak / node, model.inputs.regions)
}

fn balancers(model: &Model<'_>, demand: &Demand) -> u64 {
    if model.inputs.engine == Engine::Embedded {
        return 0;
    }
    let cores = f64::from(model.inputs.cores_per_node);
    let needed = [
        demand.balancer_cores / cores,
        // What comes in from voters goes out to the intakes, and back.
        demand.voters_in.max(demand.voters_out) / model.network(cores),
        demand.connections / model.balancer_connections(),
    ];
    let needed = needed.into_iter().fold(0.0, f64::max) / model.usable();
    spread(needed, model.inputs.regions)
}

fn stores(model: &Model<'_>, demand: &Demand) -> u64 {
    if model.inputs.engine != Engine::Cassandra {
        return 0;
    }
    let cores = demand.store_cores / f64::from(model.inputs.cores_per_node);
    let wire = model.store_wire(demand) / model.network(f64::from(model.inputs.cores_per_node));
    let nodes = spread(cores.max(wire) / model.usable(), model.inputs.regions);
    nodes.max(u64::from(model.inputs.replicas) * u64::from(model.inputs.regions))
}

fn tally_cores(model: &Model<'_>, demand: &Demand) -> u64 {
    if model.inputs.engine == Engine::Embedded {
        return model.inputs.cores_per_node.into();
    }
    let rescan_s = FINAL_S - model.final_wait_s();
    // Where the list of batches leaves hardly any time, more cores are no cure.
    let left_s = (rescan_s - model.list_s(demand)).max(rescan_s / 2.0) * model.usable();
    let needed = [
        demand.tally_cores / model.usable(),
        demand.ballots / model.rows_a_core() / left_s,
        demand.scanned / model.network(1.0) / model.usable(),
        model.tally_bytes(demand) / model.usable() / TALLY_CORE_BYTES,
        4.0,
    ];
    let needed = needed.into_iter().fold(0.0, f64::max).ceil();
    power_of_two(needed).min(model.figures.assumed.tally_cores_max.value as u64)
}

fn power_of_two(needed: f64) -> u64 {
    (needed.ceil() as u64).clamp(1, 1 << 40).next_power_of_two()
}
