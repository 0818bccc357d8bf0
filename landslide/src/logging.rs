//! Logs: one line an event on standard error, as text or JSON. No addresses and no voters in them.

use anyhow::{Context, Result};
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::settings::LogFormat;

/// Starts logging. `level` is a level or a list such as `info,tally=debug`.
pub fn start(level: &str, format: LogFormat) -> Result<()> {
    let targets: Targets = level.parse().context("the log level")?;
    let registry = tracing_subscriber::registry().with(targets);
    let lines = fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    }
    .context("logging was started before")
}
