//! The command line of Landslide.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use landslide::{
    bench, demo,
    health::{self, HealthOptions},
    plan,
    recount::{self, RecountOptions},
    schema::{self, SchemaOptions},
    serve,
    settings::ServeOptions,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Live public voting for the moment everybody votes at once.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<ServeOptions>),
    /// One process, ten TV series, a simulated landslide, the counts live
    Demo(demo::Options),
    /// Offer votes like clients do, then compare acknowledged with counted
    Bench(Box<bench::Options>),
    /// Print or make the tables of a cluster's store
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaOptions),
    /// Count again from the ballots alone, and compare with the published row
    #[command(after_help = RECOUNT_EXAMPLES)]
    Recount(RecountOptions),
    /// Ask a node whether it is ready; exit code 0 says yes
    Health(HealthOptions),
    /// How many machines a vote needs, what they cost, and what breaks first
    Plan(plan::Options),
}

const SERVE_EXAMPLES: &str = "\
Examples:
  # everything in one process, on the loopback
  export LANDSLIDE_ADMIN_TOKEN=$(openssl rand -hex 24)
  landslide serve --data votes

  # with TLS, for the world
  landslide serve --listen 0.0.0.0:443 --tls-certificate chain.pem --tls-key key.pem

  # a contest, from a file
  curl -X PUT -H \"Authorization: Bearer $LANDSLIDE_ADMIN_TOKEN\" \\
      -H 'Content-Type: application/toml' --data-binary @contest.toml \\
      http://127.0.0.1:8080/v1/admin/contests/tv-series

  # from a file of settings; flags and variables go before it
  landslide serve --config landslide.toml --listen 127.0.0.1:9000

Exit codes: 0 told to end, 1 could not start or end in order, 2 wrong usage, 3 the store failed.";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  # look at it, or hand it to whoever runs the cluster
  landslide schema --store cql://cassandra-1,cassandra-2/landslide

  # make what is missing; a second time it changes nothing
  landslide schema --store dynamodb://eu-central-1/landslide --apply";

const RECOUNT_EXAMPLES: &str = "\
Examples:
  # after the node has ended
  landslide recount tv-series --data votes

  # for a script
  landslide recount tv-series --data votes --json

Exit codes: 0 the same numbers, 1 they differ, 2 wrong usage, 3 could not be counted.";

fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.map_err(Into::into).and_then(|runtime| {
        let ended = runtime.block_on(async {
            match command {
                Command::Serve(options) => serve::run(*options).await,
                Command::Demo(options) => demo::run(options).await,
                Command::Bench(options) => bench::run(*options).await,
                Command::Schema(options) => schema::run(options).await,
                Command::Recount(options) => recount::run(options).await,
                Command::Health(options) => health::run(options).await,
                Command::Plan(options) => plan::run(&options),
            }
        });
        // A worker that hangs must not keep the process.
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|error| {
        // A sentence, not a backtrace: most likely it is the user's mistake.
        eprintln!("landslide: {error:#}");
        ExitCode::FAILURE
    })
}
