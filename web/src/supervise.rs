//! Tasks that a node cannot be without: one that panics is started again, and says so.

use std::{future::Future, time::Duration};

use futures_util::FutureExt;

/// Pause before a task that has panicked is started again: one that panics always must not spin.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs what `start` makes until it ends by itself; after a panic, again. What it left undone shows in
/// its results (an age that grows), so a node whose task cannot go on is not ready.
pub async fn supervised<F>(task: &'static str, start: impl Fn() -> F)
where
    F: Future<Output = ()>,
{
    loop {
        let run = std::panic::AssertUnwindSafe(start());
        let Err(panic) = run.catch_unwind().await else { return };
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
        tracing::error!(task, message, "a task panicked; it starts again");
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_starts_again_until_it_ends() {
        let runs = AtomicUsize::new(0);
        supervised("test", async || {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            assert!(run == 3, "planted");
        })
        .await;
        assert_eq!(runs.load(Ordering::SeqCst), 4);
    }
}
