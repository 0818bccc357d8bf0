//! `landslide schema`: the tables that a cluster's store needs.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{
    output, settings,
    stores::{self, StoreAddress},
};

/// Which store, and what to do.
#[derive(Args, Clone, Debug)]
pub struct SchemaOptions {
    /// The store: cql://host,host/keyspace or dynamodb://region/prefix
    #[arg(long, env = "LANDSLIDE_STORE", value_name = "STORE", hide_env_values = true)]
    store: StoreAddress,
    /// The password for the store's cluster, better given by its environment variable
    #[arg(long, env = "LANDSLIDE_STORE_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    store_password: Option<String>,
    /// Make what is missing, instead of printing it. What is there is left as it is
    #[arg(long)]
    apply: bool,
}

/// Prints the schema, or applies it.
pub async fn run(options: SchemaOptions) -> Result<ExitCode> {
    let store = settings::store(None, Some(options.store), options.store_password)?;
    let text = if options.apply {
        stores::apply_schema(&store).await?.join("\n")
    } else {
        stores::schema(&store)?
    };
    output::print(&format!("{}\n", text.trim_end()))?;
    Ok(ExitCode::SUCCESS)
}
