//! A node's clocks in a test: they go with the runtime's, but for what a test does to them.

#![expect(clippy::disallowed_methods, reason = "tokio's clock, which a test turns")]

use std::{sync::Arc, time::Duration};

use ballot::{Clock, Entropy, Moment, NodeClock, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

/// When every test begins.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

pub(crate) struct TestClock {
    began: Instant,
    /// How far the wall clock is set ahead, or back, in microseconds.
    pub(crate) set_by_us: Mutex<i64>,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), set_by_us: Mutex::default() })
    }

    pub(crate) fn node(self: &Arc<Self>) -> Arc<NodeClock> {
        Arc::new(NodeClock::new(Arc::clone(self) as _))
    }

    /// Sets the wall clock so far ahead of the true time, or back.
    pub(crate) fn set_by_seconds(&self, seconds: i64) {
        *self.set_by_us.lock() = seconds * 1_000_000;
    }
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        let passed = START.plus(self.began.elapsed());
        Timestamp::from_micros(passed.as_micros() + *self.set_by_us.lock())
    }

    fn moment(&self) -> Moment {
        let micros = self.began.elapsed().as_micros();
        Moment::after_origin(Duration::from_secs(1)).plus(Duration::from_micros(micros as u64))
    }
}

/// Random bytes that nobody has to keep secret.
pub(crate) struct TestEntropy;

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        fastrand::fill(bytes);
    }
}
