//! The clocks that a node's planes are handed: one, but for a bug.

use std::{sync::Arc, time::Duration};

use ballot::{Clock, Moment, NodeClock, Timestamp};

use super::Bug;
use crate::{clock::SimClock, truth};

/// By plane.
pub(crate) struct Clocks {
    /// For the ballots' time.
    pub(crate) stamps: Arc<NodeClock>,
    pub(crate) contests: Arc<NodeClock>,
    pub(crate) peers: Arc<NodeClock>,
    pub(crate) intake: Arc<NodeClock>,
    pub(crate) tally: Arc<NodeClock>,
}

pub(crate) fn clocks(bug: Option<Bug>, machine: &Arc<SimClock>) -> Clocks {
    let one = Arc::new(NodeClock::new(Arc::clone(machine) as _));
    let another = |clock: Arc<dyn Clock>| Arc::new(NodeClock::new(clock));
    let mut clocks = Clocks {
        stamps: Arc::clone(&one),
        contests: Arc::clone(&one),
        peers: Arc::clone(&one),
        intake: Arc::clone(&one),
        tally: one,
    };
    match bug {
        // Nobody raises its floor.
        Some(Bug::FloorOff) => {
            clocks.stamps = another(Arc::clone(machine) as _);
            clocks.peers = another(Arc::clone(machine) as _);
        }
        Some(Bug::DeadlineByMoment) => {
            clocks.intake = another(Arc::new(ByMoment::new(Arc::clone(machine))));
        }
        Some(Bug::DeadlineOff) => clocks.intake = another(Arc::new(Stopped)),
        Some(Bug::ClockNotCompared) => clocks.peers = another(Arc::new(True)),
        Some(Bug::FinalByFastClock) => {
            clocks.tally = another(Arc::new(ByWall(Arc::clone(machine))));
        }
        _ => {}
    }
    clocks
}

/// Its wall clock goes with the clock that is never set.
struct ByMoment {
    machine: Arc<SimClock>,
    began: (Timestamp, Moment),
}

impl ByMoment {
    fn new(machine: Arc<SimClock>) -> Self {
        let began = (machine.wall(), machine.moment());
        Self { machine, began }
    }
}

impl Clock for ByMoment {
    fn wall(&self) -> Timestamp {
        let (wall, moment) = self.began;
        wall.plus(self.machine.moment().since(moment))
    }

    fn moment(&self) -> Moment {
        self.machine.moment()
    }
}

/// No time passes.
struct Stopped;

impl Clock for Stopped {
    fn wall(&self) -> Timestamp {
        Timestamp::default()
    }

    fn moment(&self) -> Moment {
        Moment::default()
    }
}

/// Knows the truth, as no machine does.
struct True;

impl Clock for True {
    fn wall(&self) -> Timestamp {
        truth::now()
    }

    fn moment(&self) -> Moment {
        Moment::from_micros(truth::micros())
    }
}

/// Its clock that is never set goes with the one that is.
struct ByWall(Arc<SimClock>);

impl Clock for ByWall {
    fn wall(&self) -> Timestamp {
        self.0.wall()
    }

    fn moment(&self) -> Moment {
        Moment::after_origin(Duration::from_micros(self.0.wall().as_micros().unsigned_abs()))
    }
}
