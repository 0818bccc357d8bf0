//! A runtime of one machine, with a clock that goes on only when it is told to.
//!
//! All machines run in one thread, one after the other, a window of true time each. What one sends to
//! another in a window is taken in by the other in a later one, so it does not matter which goes first:
//! the way takes a window at least. Time inside a window is simulated to the millisecond.

use std::{future::Future, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

use crate::truth;

/// The shortest way from one machine to another.
pub(crate) const WINDOW: Duration = Duration::from_millis(5);

/// One machine's runtime. Dropped, it ends as a machine that loses its power: at once.
pub(crate) struct Island {
    runtime: Runtime,
}

impl Island {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        Self { runtime: runtime.expect("a runtime of this thread alone needs nothing") }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Runs for one window of the true time.
    #[expect(clippy::disallowed_methods, reason = "the simulated time is made from tokio's")]
    pub(crate) fn run(&self, from_micros: u64) {
        self.runtime.block_on(async {
            truth::begin_window(from_micros, Some(Instant::now()));
            tokio::time::sleep(WINDOW).await;
        });
        truth::begin_window(from_micros, None);
    }

    /// The machine's processes did not run, though time passed.
    pub(crate) fn pass_over(&self, passed: Duration, from_micros: u64) {
        self.runtime.block_on(async {
            truth::begin_window(from_micros, None);
            tokio::time::advance(passed).await;
        });
    }
}
