//! The time that a tally goes by.

use std::{sync::Arc, time::Duration};

use ballot::{Moment, NodeClock, SteadyTime, Timestamp, timing};

/// The node's clock, which does not leap ahead here.
pub(crate) struct TallyTime {
    clock: Arc<NodeClock>,
    steady: SteadyTime,
    clock_skew: Duration,
}

impl TallyTime {
    pub(crate) fn new(clock: Arc<NodeClock>, clock_skew: Duration) -> Self {
        Self { clock, steady: SteadyTime::new(timing::jump_doubt(clock_skew)), clock_skew }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let moment = self.clock.moment();
        self.steady.believe(self.clock.now(), moment)
    }

    pub(crate) fn moment(&self) -> Moment {
        self.clock.moment()
    }

    /// The beginning of a scan, before anything is read. From here on this node stamps no ballot that
    /// the scan would claim to have seen: where one process is all there is, none is stamped at or
    /// before it.
    pub(crate) fn begin_scan(&self) -> Timestamp {
        let started = self.now();
        self.clock.raise_floor(if self.clock_skew.is_zero() {
            started.plus(Duration::from_micros(1))
        } else {
            self.counted_through(started)
        });
        started
    }

    /// What was acknowledged before the scan began was durable before it, by a clock that is at
    /// most the skew ahead of this one.
    pub(crate) fn counted_through(&self, started: Timestamp) -> Timestamp {
        started.minus(self.clock_skew)
    }
}
