//! How long the final row takes after the close.

use serde::{Deserialize, Serialize};

use crate::{
    batches::cassandra_line,
    digits::rounded,
    figures::Figures,
    fleet::Fleet,
    inputs::Engine,
    model::{Demand, Model, READ_UNIT_BYTES},
};

/// Seconds from the close to the final row, and what they go into.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FinalRow {
    #[serde(serialize_with = "rounded")]
    pub(crate) total_s: f64,
    /// Until the last batch was given up, and a run is due.
    #[serde(serialize_with = "rounded")]
    pub(crate) wait_s: f64,
    /// The rescan: the slowest of the next three.
    #[serde(serialize_with = "rounded")]
    pub(crate) fold_s: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) network_s: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) store_s: f64,
    /// The list of batches, written part after part.
    #[serde(serialize_with = "rounded")]
    pub(crate) list_s: f64,
}

impl FinalRow {
    /// After a vote with this demand at its peak.
    pub(crate) fn after(model: &Model<'_>, demand: &Demand, fleet: &Fleet) -> Self {
        let Figures { measured, assumed } = model.figures;
        let bytes = model.packed_bytes(demand);
        let cores = fleet.tally_cores as f64;
        let fold_s = demand.ballots / (model.rows_a_core() * cores);
        let (network_s, store_s) = match model.inputs.engine {
            // Part of what was measured as rows a second.
            Engine::Embedded => (0.0, 0.0),
            Engine::Cassandra => {
                let (_, a_byte) = cassandra_line(measured);
                let stores = (fleet.stores * fleet.cores) as f64;
                let read = bytes * model.quorum() * a_byte * assumed.read_share.value;
                (bytes / model.network(cores), read / stores)
            }
            Engine::Dynamodb => (
                bytes / model.network(cores),
                bytes / READ_UNIT_BYTES / fleet.dynamodb_quota(model),
            ),
        };
        let (wait_s, list_s) = (model.final_wait_s(), model.list_s(demand));
        let total_s = wait_s + list_s + fold_s.max(network_s).max(store_s);
        Self { total_s, wait_s, fold_s, network_s, store_s, list_s }
    }
}
