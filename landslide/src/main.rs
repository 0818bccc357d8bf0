//! The binary.

use std::process::ExitCode;

use clap::Parser;

mod bench;

/// Live public voting for the moment everybody votes at once
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Offer votes like clients do, then compare acknowledged with counted
    Bench(bench::Options),
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Bench(options) => bench::run(&options),
    }
}
