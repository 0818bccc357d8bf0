//! The plan as a document: what is printed, as a table or as JSON.

use serde::{Deserialize, Serialize};

use super::{bill::Bill, options::Inputs, uses::Use};

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

/// At the end of the vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Storage {
    /// Of one copy, packed.
    #[serde(serialize_with = "rounded")]
    pub(crate) ballots_gb: f64,
    /// Of all copies, on disk.
    #[serde(serialize_with = "rounded")]
    pub(crate) all_copies_gb: f64,
}

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

/// Four digits: no figure here is known better.
pub(crate) fn rounded<S: serde::Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(four_digits(*value))
}

pub(crate) fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}
