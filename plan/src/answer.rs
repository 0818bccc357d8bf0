//! The plan as a document: what is printed, as a table or as JSON.

use serde::{Deserialize, Serialize};

use crate::{
    bill::Bill,
    digits::rounded,
    figures::{Figures, Prices},
    final_row::FinalRow,
    fleet::Fleet,
    inputs::Inputs,
    model::{BITS, Model},
    storage::Storage,
    uses::{self, Use},
};

/// The answer. As JSON it has these names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub(crate) inputs: Inputs,
    /// Whether there is a number of machines that does it.
    pub fits: bool,
    pub(crate) ballots: u64,
    pub(crate) shards: u64,
    pub(crate) batches: Batches,
    pub(crate) fleet: Fleet,
    pub(crate) network: Network,
    pub(crate) storage: Storage,
    pub(crate) final_row: FinalRow,
    /// How full each resource is at the peak, the first to break first.
    pub(crate) uses: Vec<Use>,
    /// The first that breaks when the vote grows and the machines stay as planned.
    pub(crate) breaks_first: String,
    /// The first that more machines do not cure.
    pub(crate) hard_limit: String,
    pub(crate) price: Bill,
}

impl Plan {
    /// Plans for what is asked.
    pub fn make(inputs: Inputs, figures: &Figures, prices: &Prices) -> Self {
        let model = Model::new(inputs, figures);
        let fleet = Fleet::for_peak(&model);
        let demand = model.demand(inputs.peak, fleet.intakes as f64);
        let shards = fleet.shards(&model, &demand);
        let uses = uses::all(&model, &fleet, shards);
        let worst = |hard: bool| {
            let first = uses.iter().find(|one| !hard || one.hard);
            first.map_or_else(String::new, |one| one.what.clone())
        };
        let storage = Storage::at_the_end(&model, &demand);
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
            final_row: FinalRow::after(&model, &demand, &fleet),
            breaks_first: worst(false),
            hard_limit: worst(true),
            price: Bill::new(&model, &demand, &fleet, &storage, prices),
            storage,
            uses,
            fleet,
        }
    }
}

/// What the ballots gather into, at the peak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Batches {
    #[serde(serialize_with = "rounded")]
    pub(crate) ballots: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) bytes: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) per_second: f64,
    /// Over the whole vote.
    pub(crate) total: u64,
}

/// At the peak, over all nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Network {
    #[serde(serialize_with = "rounded")]
    pub(crate) handshakes_per_second: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) connections: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) voters_in_gbit: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) voters_out_gbit: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) store_writes_gbit: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) tally_reads_gbit: f64,
}
