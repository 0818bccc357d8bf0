//! `landslide bench`: the crowd and the checker of the crate `load`.

use std::process::ExitCode;

pub use load::Options;

use crate::wiring::raise_file_limit;

/// Runs it; its exit code is the verdict.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    raise_file_limit();
    load::run(options).await
}
