//! The one place where the wall clock is read.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ballot::Timestamp;
use parking_lot::Mutex;

/// Now, by this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A clock that does not leap, for the tally: it makes a count final when every ballot in time has
/// been acknowledged or given up, and those who acknowledge measure that by clocks that never jump.
///
/// A wall clock that is set ahead is believed only after `doubt`, and until then time passes as it
/// did before. By then whoever took a ballot before the jump has answered, and on a cluster the
/// others have said that this clock strays. One that is set back is believed at once.
#[derive(Debug)]
pub struct Unhurried {
    doubt: Duration,
    last: Mutex<Believed>,
}

/// The last time that was believed.
#[derive(Clone, Copy, Debug)]
struct Believed {
    time: Timestamp,
    at: Instant,
    /// Since when the wall clock has been ahead of it.
    ahead_since: Option<Instant>,
}

/// What a clock that is being slewed may gain between two looks; one that is set jumps further.
const SLEW_MAX: Duration = Duration::from_millis(100);

impl Unhurried {
    /// A clock that follows the wall clock; a jump ahead for `doubt` later.
    pub fn new(doubt: Duration) -> Self {
        let last = Believed { time: now(), at: Instant::now(), ahead_since: None };
        Self { doubt, last: Mutex::new(last) }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.look(now(), Instant::now())
    }

    fn look(&self, wall: Timestamp, at: Instant) -> Timestamp {
        let mut last = self.last.lock();
        let passed = last.time.plus(at.saturating_duration_since(last.at));
        if wall > passed.plus(SLEW_MAX) {
            let since = *last.ahead_since.get_or_insert(at);
            if at.saturating_duration_since(since) < self.doubt {
                return passed;
            }
        }
        *last = Believed { time: wall, at, ahead_since: None };
        wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBT: Duration = Duration::from_secs(8);

    #[test]
    fn a_jump_ahead_is_believed_later_and_one_back_at_once() {
        let clock = Unhurried::new(DOUBT);
        let Believed { time: start, at, .. } = *clock.last.lock();
        let at_s = |seconds: u64| at + Duration::from_secs(seconds);
        let time_s = |seconds: u64| start.plus(Duration::from_secs(seconds));
        assert_eq!(clock.look(time_s(1), at_s(1)), time_s(1));
        // Set an hour ahead: time goes on as before, however often it is looked at.
        for second in 2..10 {
            assert_eq!(clock.look(time_s(3_600 + second), at_s(second)), time_s(second));
        }
        assert_eq!(clock.look(time_s(3_610), at_s(10)), time_s(3_610));
        assert_eq!(clock.look(time_s(3_611), at_s(11)), time_s(3_611));
        // Set right again.
        assert_eq!(clock.look(time_s(12), at_s(12)), time_s(12));
        // A jump that is taken back in time was none; the next is doubted for as long.
        assert_eq!(clock.look(time_s(93), at_s(13)), time_s(13));
        assert_eq!(clock.look(time_s(14), at_s(14)), time_s(14));
        assert_eq!(clock.look(time_s(103), at_s(23)), time_s(23));
        assert_eq!(clock.look(time_s(110), at_s(30)), time_s(30));
        assert_eq!(clock.look(time_s(111), at_s(31)), time_s(111));
    }

    #[test]
    fn a_clock_that_is_slewed_is_followed() {
        let clock = Unhurried::new(DOUBT);
        let Believed { time: start, at, .. } = *clock.last.lock();
        for second in 1..100 {
            // A twentieth too fast.
            let wall = start.plus(Duration::from_millis(second * 1_050));
            assert_eq!(clock.look(wall, at + Duration::from_secs(second)), wall);
        }
    }
}
