//! Five ways to count votes on one and the same Cassandra, behind one and the same HTTP call.
//!
//! ```text
//! lab schema DESIGN STORE          makes the design's keyspace and tables
//! lab serve  DESIGN STORE ADDRESS  prints `ready http://ADDRESS` when it takes votes
//! lab drop   DESIGN STORE          removes the keyspace and everything in it
//! ```
//!
//! `STORE` is `cql://host:port,host:port/keyspace`; `DESIGN` is one of memory, counter-row,
//! suffix-counters, row-per-ballot, batches.

use std::sync::Arc;

use anyhow::{Context, Result, bail};

mod cast;
mod cluster;
mod partitions;

mod batches;
mod counter_row;
mod memory;
mod row_per_ballot;
mod suffix_counters;

mod design;
mod http;

#[cfg(test)]
mod tests;

use crate::{cluster::Cluster, design::Kind};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: lab schema|drop DESIGN STORE, or lab serve DESIGN STORE ADDRESS";

/// One thread a server, two servers on two processors: no design pays for handing a ballot from
/// thread to thread.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (command, kind, store, rest) = match arguments[..] {
        [command, kind, store, ref rest @ ..] => (command, kind, store, rest),
        _ => bail!(USAGE),
    };
    let kind: Kind = kind.parse()?;
    let cluster: Cluster = store.parse()?;
    match (command, rest) {
        ("schema", []) => kind.make_schema(&cluster).await,
        ("drop", []) => cluster.drop_keyspace().await,
        ("serve", [address]) => {
            let design = kind.open(&cluster).await?;
            let listener = tokio::net::TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}"))?;
            http::serve(listener, Arc::new(design)).await
        }
        _ => bail!(USAGE),
    }
}
