//! `landslide plan`: reads the prices, and prints what the crate `plan` says.

use std::{fmt, fs, io, process::ExitCode};

use anyhow::Result;
pub use plan::Options;
use plan::{Figures, Plan, Prices};

use crate::output;

/// The prices where nobody gives their own.
const PRICES: &str = include_str!("../plan/prices.toml");

const WIDTH_MIN: usize = 40;
const WIDTH_MAX: usize = 100;

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
        plan::draw(&plan, &figures, &prices, width())
    };
    output::print(&text)?;
    Ok(if plan.fits { ExitCode::SUCCESS } else { ExitCode::from(DOES_NOT_FIT) })
}

fn prices(options: &Options) -> Result<Prices, String> {
    match &options.prices {
        None => Prices::read(PRICES).map_err(|error| error.to_string()),
        Some(path) => {
            let wrong = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
            let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
            Prices::read(&text).map_err(|error| wrong(&error))
        }
    }
}

/// Columns of the terminal, or of a page where there is none.
fn width() -> usize {
    let terminal = rustix::termios::tcgetwinsize(io::stdout());
    let columns = terminal.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { WIDTH_MAX } else { columns.clamp(WIDTH_MIN, WIDTH_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_prices_can_be_read() {
        Prices::read(PRICES).unwrap();
    }
}
