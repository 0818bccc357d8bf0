//! `landslide plan`: how many machines a vote needs, what they cost, and what breaks first.
//!
//! The walk of a plan: `options.rs` (what is asked) → `figures.rs` (measured and assumed constants,
//! prices) → `batches.rs` (how ballots gather) → `model.rs` (machines) → `uses.rs` (how full each
//! resource is, and at which rate it breaks) → `bill.rs` (the price) → `answer.rs` (all of it) →
//! `table.rs`.

mod options;
pub use options::Options;

mod figures;

mod batches;

mod model;

mod answer;

mod uses;

mod bill;

mod table;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use answer::Plan;
use anyhow::Result;
use figures::{Figures, Prices};

use crate::output;

/// The engine cannot carry it, whatever is bought.
const DOES_NOT_FIT: u8 = 1;
/// A mistake in the options or the file of prices.
const USAGE: u8 = 2;

/// Prints the plan. Exit code 0: it can be done; 1: no number of machines does it with this engine
/// and one contest; 2: a mistake in what was asked.
pub fn run(options: &Options) -> Result<ExitCode> {
    let made = options.inputs().and_then(|inputs| Ok((inputs, prices(options)?)));
    let (inputs, prices) = match made {
        Ok(made) => made,
        Err(mistake) => {
            eprintln!("landslide: {mistake}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let figures = Figures::built_in()?;
    let plan = Plan::make(inputs, &figures, &prices);
    let text = if options.json {
        serde_json::to_string_pretty(&plan)? + "\n"
    } else {
        table::draw(&plan, &figures, &prices, table::width())
    };
    output::print(&text)?;
    Ok(if plan.fits { ExitCode::SUCCESS } else { ExitCode::from(DOES_NOT_FIT) })
}

fn prices(options: &Options) -> Result<Prices, String> {
    match &options.prices {
        None => Prices::built_in().map_err(|error| error.to_string()),
        Some(path) => {
            let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
            Prices::read(&text).map_err(|error| wrong(&error))
        }
    }
}
