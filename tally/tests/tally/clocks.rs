//! The clocks of the tests' machines.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use ballot::{Clock, Moment, Timestamp};
use tokio::time::Instant;

/// A machine's clock, which the test turns.
pub(crate) struct TestClock {
    /// What the wall clock says at the origin of the moments.
    wall_us: AtomicI64,
    moment_us: AtomicU64,
    /// From when on it also goes by itself, with the time of the runtime.
    goes_from: OnceLock<Instant>,
}

impl TestClock {
    /// It stands still at `wall`.
    pub(crate) fn new(wall: Timestamp) -> Self {
        let wall_us = wall.as_micros().into();
        Self { wall_us, moment_us: AtomicU64::new(0), goes_from: OnceLock::new() }
    }

    /// From now on it goes with tokio's clock.
    pub(crate) fn go(&self) {
        self.goes_from.set(Instant::now()).unwrap();
    }

    /// Time passes.
    pub(crate) fn advance(&self, by: Duration) {
        self.moment_us.fetch_add(by.as_micros() as u64, SeqCst);
    }

    /// The wall clock is set; no time passes.
    pub(crate) fn jump(&self, seconds: f64) {
        self.wall_us.fetch_add((seconds * 1e6) as i64, SeqCst);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        let passed = self.moment().as_micros() as i64;
        Timestamp::from_micros(self.wall_us.load(SeqCst) + passed)
    }

    fn moment(&self) -> Moment {
        let went = self.goes_from.get().map_or(Duration::ZERO, Instant::elapsed);
        Moment::from_micros(self.moment_us.load(SeqCst)).plus(went)
    }
}

/// Another machine's, whose wall clock is ahead of it.
pub(crate) struct Ahead(pub(crate) Arc<TestClock>, pub(crate) Duration);

impl Clock for Ahead {
    fn wall(&self) -> Timestamp {
        self.0.wall().plus(self.1)
    }

    fn moment(&self) -> Moment {
        self.0.moment()
    }
}

/// This machine's.
pub(crate) struct RealClock(pub(crate) std::time::Instant);

impl Clock for RealClock {
    fn wall(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp::from_micros(since.as_micros() as i64)
    }

    fn moment(&self) -> Moment {
        Moment::after_origin(self.0.elapsed())
    }
}
