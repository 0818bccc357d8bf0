//! `landslide serve`: a node, until it is told to end.

use std::process::ExitCode;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    logging,
    notify::{self, notify},
    settings::{ServeOptions, Settings},
    wiring::Running,
};

/// The store failed: what was acknowledged is safe, and nothing more is acknowledged.
const STORE_FAILED: u8 = 3;

/// Runs a node until SIGTERM or SIGINT (exit 0), or until its store fails (exit 3).
pub async fn run(options: ServeOptions) -> Result<ExitCode> {
    let settings: Settings = options.settings()?;
    logging::start(&settings.log, settings.log_format)?;
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let running = Running::start(&settings).await?;
    let url = running.url();
    tracing::info!(url, store = %settings.store, "taking votes");
    if let Some(url) = running.operator_url() {
        tracing::info!(url, "operators' listener");
    }
    announce(&url);
    notify(notify::READY);
    let failed = running.failed();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        reason = failed => {
            tracing::error!(%reason, "the store failed; this node ends");
            return Ok(ExitCode::from(STORE_FAILED));
        }
    }
    tracing::info!("told to end: committing what was accepted");
    notify(notify::STOPPING);
    tokio::select! {
        stopped = running.stop() => stopped?,
        _ = interrupt.recv() => {
            tracing::warn!("told twice: ending at once");
            return Ok(ExitCode::FAILURE);
        }
    }
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}

/// The one line on standard output that other programs wait for. A reader that has gone away is
/// no reason to stop taking votes.
fn announce(url: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "ready {url}").and_then(|()| out.flush());
}
