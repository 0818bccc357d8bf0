//! What the ballots take on disk.

use serde::{Deserialize, Serialize};

use crate::{
    digits::rounded,
    inputs::Engine,
    model::{Demand, Model},
};

const GB: f64 = 1e9;

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

impl Storage {
    /// What lies on disk at the end.
    pub(crate) fn at_the_end(model: &Model<'_>, demand: &Demand) -> Self {
        let (measured, assumed) = (&model.figures.measured, &model.figures.assumed);
        let packed = model.packed_bytes(demand);
        let batches = demand.batches_total;
        let one_copy = match model.inputs.engine {
            Engine::Embedded => packed + batches * measured.embedded_batch.value,
            Engine::Cassandra => packed * assumed.cassandra_overhead.value + batches * 100.0,
            Engine::Dynamodb => packed + batches * assumed.dynamodb_item.value,
        };
        // DynamoDB's price is of one copy.
        let copies = if model.inputs.engine == Engine::Dynamodb { 1.0 } else { model.copies() };
        Self { ballots_gb: packed / GB, all_copies_gb: one_copy * copies / GB }
    }
}
