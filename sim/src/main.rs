//! A cluster of Landslide in one thread, from one seed. See README.md.

mod truth;

mod island;

mod clock;

mod mistake;

mod plan;

mod store;

mod expected;

mod checker;

mod bugs;

mod counting;

mod node;

mod client;

mod admin;

mod faults;

mod verdict;

mod world;

mod run;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

fn main() -> ExitCode {
    match run::Options::from_arguments(std::env::args().skip(1)) {
        Ok(options) => run::run(&options),
        Err(error) => {
            eprintln!("{error}\n\n{}", run::USAGE);
            ExitCode::from(2)
        }
    }
}
