//! A node's two clocks, and what can go wrong with them.

use std::{sync::Arc, time::Duration};

use ballot::{Clock, Moment, Timestamp};
use parking_lot::Mutex;

use crate::truth;

/// A machine's clocks. They outlive a crash.
#[derive(Debug)]
pub(crate) struct SimClock {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How far the wall clock is ahead of the truth.
    ahead_us: i64,
    /// What it gains, in millionths, and since when.
    drift_ppm: i64,
    drifts_since_us: u64,
    /// For how long the machine has slept.
    slept_us: u64,
    /// Whether its other clock stands still meanwhile.
    stands_still: bool,
}

impl SimClock {
    pub(crate) fn new(ahead_us: i64, drift_ppm: i64, stands_still: bool) -> Arc<Self> {
        let state = State { ahead_us, drift_ppm, drifts_since_us: 0, slept_us: 0, stands_still };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// How far the wall clock is ahead of the truth now.
    pub(crate) fn ahead_us(&self) -> i64 {
        self.state.lock().ahead_us_at(truth::micros())
    }

    /// Sets the wall clock, so far ahead of the truth.
    pub(crate) fn set(&self, ahead_us: i64) {
        let mut state = self.state.lock();
        (state.ahead_us, state.drifts_since_us) = (ahead_us, truth::micros());
    }

    /// The machine has slept for so long. Its wall clock is set right by the host when it wakes.
    pub(crate) fn sleep(&self, slept: Duration) {
        self.state.lock().slept_us += slept.as_micros() as u64;
    }
}

impl State {
    fn ahead_us_at(&self, micros: u64) -> i64 {
        let drifting = micros.saturating_sub(self.drifts_since_us) as i64;
        self.ahead_us + drifting * self.drift_ppm / 1_000_000
    }
}

impl Clock for SimClock {
    fn wall(&self) -> Timestamp {
        let micros = truth::micros();
        let ahead_us = self.state.lock().ahead_us_at(micros);
        Timestamp::from_micros(truth::at(micros).as_micros() + ahead_us)
    }

    fn moment(&self) -> Moment {
        let state = self.state.lock();
        let slept_us = if state.stands_still { state.slept_us } else { 0 };
        Moment::from_micros(truth::micros() - slept_us)
    }
}
