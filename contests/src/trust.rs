//! Whether this node's wall clock was set since it was last known to be right.
//!
//! The peers say whether a clock strays, but are heard once a second at best, and not at all while the
//! store is away. What a node stamped meanwhile, by a clock that was set ahead, could lie after a close
//! that comes before it: acknowledged, and late for good. A node sees by itself that its clock was set,
//! against the one that never is; then it waits for what the peers say.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use ballot::{
    Moment, Timestamp,
    timing::{CLOCK_SKEW, CLOCK_STEP_MAX, jump_doubt},
};
use parking_lot::Mutex;
use store::Version;

use crate::clocks::Clocks;

/// A beat of this node's that was written, and what its clocks said then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) version: Version,
    pub(crate) time: Timestamp,
    pub(crate) moment: Moment,
}

/// How the wall clock goes, as far as it is trusted.
#[derive(Debug)]
pub(crate) struct Trust {
    /// How far the wall clock was ahead of the moment when it was last known to be right, in
    /// microseconds. As far as it still is, unless it was set.
    ahead_us: AtomicI64,
    /// The same as it has been since the peers were asked about a clock that was set, and since when.
    asked: Mutex<Option<(i64, Moment)>>,
}

impl Trust {
    /// The clock is right now.
    pub(crate) fn new(time: Timestamp, now: Moment) -> Self {
        Self { ahead_us: ahead_us(time, now).into(), asked: Mutex::default() }
    }

    /// Whether the clock that says `time` at that moment was set.
    pub(crate) fn is_lost(&self, time: Timestamp, now: Moment) -> bool {
        differ(ahead_us(time, now), self.ahead_us.load(Ordering::Relaxed))
    }

    /// Takes a beat into account that was written, and after which the peers' were read. The clock was
    /// right then if it went as it had gone; if it was set, when all living peers have said what they
    /// think of such a beat. Where none lives, after a while.
    pub(crate) fn heed(&self, clocks: &mut Clocks, strays: bool, beat: Written) {
        let Written { version, time, moment: now } = beat;
        let ahead_us = ahead_us(time, now);
        let mut asked = self.asked.lock();
        if self.is_lost(time, now) {
            let Some((_, since)) = asked.filter(|(of, _)| !differ(*of, ahead_us)) else {
                clocks.ask(version);
                *asked = Some((ahead_us, now));
                return;
            };
            let is_alone = !clocks.any_lives(now) && now.since(since) >= jump_doubt(CLOCK_SKEW);
            if strays || !(is_alone || clocks.have_answered(now)) {
                return;
            }
        }
        *asked = None;
        self.ahead_us.store(ahead_us, Ordering::Relaxed);
    }
}

/// How far a time is ahead of a moment: what nothing changes but setting the clock.
fn ahead_us(time: Timestamp, moment: Moment) -> i64 {
    time.as_micros().saturating_sub_unsigned(moment.as_micros())
}

fn differ(one_us: i64, other_us: i64) -> bool {
    Duration::from_micros(one_us.abs_diff(other_us)) > CLOCK_STEP_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clocks::Beat, test_clock::START};

    /// One second of the clock that is never set; the peer beats in it, unless it is silent.
    struct Second {
        at_s: u64,
        set_by_s: i64,
        peer_beats: bool,
    }

    fn run(trust: &Trust, clocks: &mut Clocks, second: &Second) -> bool {
        let Second { at_s, set_by_s, peer_beats } = *second;
        let now = Moment::after_origin(Duration::from_secs(at_s));
        let right = START.plus(Duration::from_secs(at_s));
        let time = Timestamp::from_micros(right.as_micros() + set_by_s * 1_000_000);
        let lost = trust.is_lost(time, now);
        if peer_beats {
            let beat = Beat {
                node: "b",
                version: Version(at_s),
                beat_at: right,
                we_are_ahead_ms: 0,
                heard: None,
                leaving: false,
            };
            clocks.observe(&beat, time, now);
        }
        let written = Written { version: Version(at_s), time, moment: now };
        trust.heed(clocks, false, written);
        lost
    }

    #[test]
    fn a_clock_that_was_set_is_trusted_when_the_peers_have_said_so() {
        let trust = Trust::new(START, Moment::default());
        let mut clocks = Clocks::default();
        let mut lost = |at_s, set_by_s, peer_beats| {
            run(&trust, &mut clocks, &Second { at_s, set_by_s, peer_beats })
        };
        assert!(!lost(1, 0, true) && !lost(2, 0, true));
        // At once, and until the peer has beaten twice after this node.
        assert!(lost(3, 1, true) && lost(4, 1, true) && lost(5, 1, true));
        assert!(!lost(6, 1, true));
        // Set twice, it is asked about twice; set right again, nobody need be asked.
        assert!(lost(7, 2, true) && lost(8, 3, true) && lost(9, 3, true));
        assert!(!lost(10, 1, true) && !lost(11, 1, true));
    }

    #[test]
    fn a_peer_that_has_not_read_the_beat_has_not_answered() {
        let mut clocks = Clocks::default();
        let mut hear = |at_s: u64, heard: u64| {
            let now = Moment::after_origin(Duration::from_secs(at_s));
            let beat = Beat {
                node: "b",
                version: Version(at_s),
                beat_at: START,
                we_are_ahead_ms: 0,
                heard: Some(Version(heard)),
                leaving: false,
            };
            clocks.observe(&beat, START, now);
            if at_s == 2 {
                clocks.ask(Version(7));
            }
            clocks.have_answered(now)
        };
        // However often it beats while it cannot read.
        assert!(!hear(1, 5) && !hear(2, 5) && !hear(3, 6) && !hear(4, 6) && !hear(5, 6));
        assert!(hear(6, 7));
    }

    #[test]
    fn where_no_peer_lives_it_is_trusted_after_the_doubt() {
        let trust = Trust::new(START, Moment::default());
        let mut clocks = Clocks::default();
        let mut lost =
            |at_s| run(&trust, &mut clocks, &Second { at_s, set_by_s: -5, peer_beats: false });
        assert!((1..10).all(&mut lost));
        assert!(!lost(10));
    }
}
