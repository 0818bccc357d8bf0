//! How many machines a vote needs, what they cost, and what breaks first. Pure: the same inputs,
//! figures and prices give the same plan, and nothing is read or printed here.
//!
//! The files stand in the order of a plan's walk; each leans on those before it.

mod inputs;
pub use inputs::{Connections, Engine, Inputs};

mod options;
pub use options::Options;

mod figures;
pub use figures::{Figures, Prices, PricesError};

mod digits;

mod batches;

mod model;

mod fleet;

mod final_row;

mod uses;

mod storage;

mod bill;

mod answer;
pub use answer::Plan;

mod table;
pub use table::draw;

#[cfg(test)]
mod tests;
