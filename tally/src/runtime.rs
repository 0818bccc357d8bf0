//! The runtime of a thread that counts.

use tokio::runtime::{Builder, Runtime};

/// One thread drives timers and connections; the threads of a count poll the scans themselves.
pub(crate) fn runtime(niceness: Option<i32>) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("tally-io").enable_all();
    if let Some(niceness) = niceness {
        builder.on_thread_start(move || lower_priority(niceness));
    }
    builder.build()
}

/// Voting comes first. Linux only; threads started from here inherit it.
pub(crate) fn lower_priority(niceness: i32) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, niceness) {
        tracing::debug!(%error, "the tally runs with the priority of everything else");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = niceness;
}
