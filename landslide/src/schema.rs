//! `landslide schema`: the tables that a cluster's store needs.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{output, settings::StoreOptions, stores};

/// Which store, and what to do.
#[derive(Args, Clone, Debug)]
pub struct SchemaOptions {
    #[command(flatten)]
    store: StoreOptions,
    /// Make what is missing, instead of printing it. What is there is left as it is
    #[arg(long)]
    apply: bool,
}

/// Prints the schema, or applies it.
pub async fn run(options: SchemaOptions) -> Result<ExitCode> {
    let store = options.store.address()?;
    let text = if options.apply {
        stores::apply_schema(&store).await?.join("\n")
    } else {
        stores::schema(&store)?
    };
    output::print(&format!("{}\n", text.trim_end()))?;
    Ok(ExitCode::SUCCESS)
}
