//! How many machines a vote needs, what they cost, and what breaks first. Pure: the same inputs,
//! figures and prices give the same plan, and nothing is read or printed here.
//!
//! The walk of a plan: `options.rs` (what is asked) → `figures.rs` (measured and assumed constants,
//! prices) → `batches.rs` (how ballots gather) → `model.rs` (machines) → `uses.rs` (how full each
//! resource is, and at which rate it breaks) → `bill.rs` (the price) → `answer.rs` (all of it) →
//! `table.rs`.

mod options;
pub use options::{Connections, Engine, Inputs, Options};

mod figures;
pub use figures::{Figures, Prices, PricesError};

mod batches;

mod model;

mod answer;
pub use answer::Plan;

mod uses;

mod bill;

mod table;
pub use table::draw;

#[cfg(test)]
mod tests;
