//! What it costs: machines by the hour, storage by the month, network by the GB, units by the
//! million.

use serde::{Deserialize, Serialize};

use crate::{
    digits::rounded,
    figures::{Price, Prices},
    fleet::Fleet,
    inputs::Engine,
    model::{Demand, Model, READ_UNIT_BYTES, WRITE_UNIT_BYTES},
    storage::Storage,
};

const GB: f64 = 1e9;
const MILLION: f64 = 1e6;
/// Of three zones, two are another one.
const OTHER_ZONE: f64 = 2.0 / 3.0;

/// The price of one vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bill {
    pub(crate) currency: String,
    /// When the prices were written down.
    pub(crate) date: String,
    pub(crate) items: Vec<Item>,
    #[serde(serialize_with = "rounded")]
    pub(crate) total: f64,
    /// The writes to DynamoDB in batches and as a row a vote.
    pub(crate) dynamodb: Option<RowsOrBatches>,
}

/// One line of a bill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) what: String,
    #[serde(serialize_with = "rounded")]
    pub(crate) quantity: f64,
    pub(crate) unit: String,
    pub(crate) price: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) sum: f64,
}

/// Write units, in millions, and their price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowsOrBatches {
    #[serde(serialize_with = "rounded")]
    pub(crate) batch_units: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) batch_sum: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) row_units: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) row_sum: f64,
}

impl Bill {
    /// What these machines and this much storage cost.
    pub(crate) fn new(
        model: &Model<'_>,
        demand: &Demand,
        fleet: &Fleet,
        storage: &Storage,
        prices: &Prices,
    ) -> Self {
        let assumed = &model.figures.assumed;
        let hours = model.inputs.hours + assumed.before.value;
        let cores = |nodes: u64| (nodes * fleet.cores) as f64 * hours;
        let kept = assumed.kept.value;
        let mut items = Vec::new();
        let mut add = |what: &str, quantity: f64, price: &Price| {
            if quantity > 0.0 {
                items.push(item(what, quantity, price));
            }
        };
        add("balancers", cores(fleet.balancers), &prices.compute);
        if model.inputs.engine == Engine::Embedded {
            add("the machine", cores(fleet.intakes), &prices.local_disk);
        } else {
            add("intakes", cores(fleet.intakes), &prices.compute);
        }
        add("stores", cores(fleet.stores), &prices.local_disk);
        add("tallies", (fleet.tallies * fleet.tally_cores) as f64 * hours, &prices.memory);
        // The whole vote has the same bytes a vote as its peak.
        let ratio = demand.ballots / demand.rate / GB;
        add("to the voters", demand.voters_out * ratio, &prices.internet_out);
        let packed = model.packed_bytes(demand) / GB;
        if model.inputs.engine != Engine::Embedded {
            let http = demand.ballots / GB
                * (model.figures.measured.vote_in.value + model.figures.measured.vote_out.value);
            let copies =
                if model.inputs.engine == Engine::Cassandra { model.copies() } else { 1.0 };
            let read = packed * (model.reads_of_a_batch() + 1.0);
            add(
                "between zones",
                (http + packed * copies + read) * OTHER_ZONE,
                &prices.between_zones,
            );
            let others = f64::from(model.inputs.regions - 1);
            let share = if model.inputs.engine == Engine::Cassandra {
                others
            } else {
                others / f64::from(model.inputs.regions)
            };
            add("between regions", packed * share, &prices.between_regions);
        }
        let mut dynamodb = None;
        if model.inputs.engine == Engine::Dynamodb {
            let units = write_units(model, demand);
            let reads = packed * GB * (model.reads_of_a_batch() + 1.0) / READ_UNIT_BYTES;
            add("writes, in batches", units / MILLION, &prices.dynamodb_writes);
            add("reads of the tally", reads / MILLION, &prices.dynamodb_reads);
            add("ballots kept", storage.all_copies_gb * kept, &prices.dynamodb_storage);
            // A row of a ballot is less than 1 KB: one unit.
            let (batch_units, row_units) = (units / MILLION, demand.ballots / MILLION);
            let price = prices.dynamodb_writes.price;
            dynamodb = Some(RowsOrBatches {
                batch_units,
                batch_sum: batch_units * price,
                row_units,
                row_sum: row_units * price,
            });
        } else {
            add("ballots kept", storage.all_copies_gb * kept, &prices.block_storage);
        }
        let total = items.iter().map(|item| item.sum).sum();
        Self {
            currency: prices.currency.clone(),
            date: prices.date.clone(),
            items,
            total,
            dynamodb,
        }
    }
}

/// Write units of the whole vote: the list of batches is small beside them.
fn write_units(model: &Model<'_>, demand: &Demand) -> f64 {
    let item = model.packed_bytes(demand) / demand.batches_total
        + model.figures.assumed.dynamodb_item.value;
    demand.batches_total * (item / WRITE_UNIT_BYTES).ceil()
}

fn item(what: &str, quantity: f64, price: &Price) -> Item {
    Item {
        what: what.into(),
        quantity,
        unit: price.unit.clone(),
        price: price.price,
        sum: quantity * price.price,
    }
}
