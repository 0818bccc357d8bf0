//! What is asked of a clock, and what is made of its answers. Nothing here reads one: whoever builds
//! a node hands one in.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use crate::{Timestamp, timing};

/// The two clocks of a machine.
pub trait Clock: Send + Sync + 'static {
    /// What the wall clock says. It may be wrong, and it may be set, in either direction.
    fn wall(&self) -> Timestamp;

    /// How much time has passed, in whole microseconds. Never goes back and is never set; where the
    /// operating system can, it goes on while the machine sleeps.
    fn moment(&self) -> Moment;
}

/// A moment by the clock that is never set: the time since an origin that only this process knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// So long after the origin.
    pub const fn after_origin(passed: Duration) -> Self {
        Self(passed)
    }

    /// This moment and `duration` later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// How long ago `earlier` was; zero if it was not.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Microseconds after the origin, for an atomic.
    pub const fn as_micros(self) -> u64 {
        let micros = self.0.as_micros();
        if micros > u64::MAX as u128 { u64::MAX } else { micros as u64 }
    }

    /// From microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(Duration::from_micros(micros))
    }
}

/// The time of a ballot, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// For the ballot's `recorded_at`; never below the node's floor.
    pub recorded_at: Timestamp,
    /// When it was stamped: the commit deadline counts from here.
    pub moment: Moment,
    /// The wall clock lies behind the floor: this ballot must be refused.
    pub is_behind: bool,
}

/// A node's time: the wall clock, held above a floor.
///
/// The floor is the latest moment that this node has stamped, or that the store shows to have been
/// recorded or counted through. What lies below it may have been counted for good, so nothing is
/// stamped there, whatever the clock says: a clock that was set back makes the node refuse, until it
/// has caught up. Shared by all threads of a node; nothing in it waits.
pub struct NodeClock {
    clock: Arc<dyn Clock>,
    /// Microseconds since 1970.
    floor: AtomicI64,
}

/// The floor follows the wall clock in steps of this: a write to what all workers share, once a
/// millisecond and not once a ballot. A clock that is set back by less changes no count, for the tally
/// raises the floor itself, to the microsecond, before it claims anything.
const FLOOR_STEP_MICROS: i64 = 1_000;

impl NodeClock {
    /// A node's time by this machine's clocks. It has stamped nothing yet, and has no floor.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, floor: AtomicI64::new(0) }
    }

    /// The time for a ballot that has just come. Whoever takes it in [keeps](Self::keep) it.
    pub fn stamp(&self) -> Stamp {
        let moment = self.clock.moment();
        let (wall, floor) = self.look();
        Stamp { recorded_at: wall.max(floor), moment, is_behind: is_behind(wall, floor) }
    }

    /// Notes that a ballot with this stamp goes its way: from now on nothing is stamped before it. A
    /// stamp that is given to nobody moves nothing, so a clock that was wrong for a moment, while nobody
    /// voted, stops nobody later.
    pub fn keep(&self, recorded_at: Timestamp) {
        let floor = self.floor.load(Ordering::SeqCst);
        if recorded_at.as_micros() >= floor.saturating_add(FLOOR_STEP_MICROS) {
            self.raise_floor(recorded_at);
        }
    }

    /// Now, or the floor where the wall clock lies behind it.
    pub fn now(&self) -> Timestamp {
        let (wall, floor) = self.look();
        wall.max(floor)
    }

    /// What the wall clock says, right or wrong.
    pub fn wall(&self) -> Timestamp {
        self.clock.wall()
    }

    /// How much time has passed; see [`Clock::moment`].
    pub fn moment(&self) -> Moment {
        self.clock.moment()
    }

    /// Nothing is stamped before `evidence` from now on: something was stamped, recorded or counted
    /// through then.
    pub fn raise_floor(&self, evidence: Timestamp) {
        self.floor.fetch_max(evidence.as_micros(), Ordering::SeqCst);
    }

    /// The floor; see [`NodeClock`].
    pub fn floor(&self) -> Timestamp {
        Timestamp::from_micros(self.floor.load(Ordering::SeqCst))
    }

    /// How far the wall clock lies behind the floor, if it is so far that the node must refuse.
    pub fn behind(&self) -> Option<Duration> {
        let (wall, floor) = self.look();
        is_behind(wall, floor).then(|| floor.since(wall))
    }

    fn look(&self) -> (Timestamp, Timestamp) {
        // The clock first: a floor that is raised meanwhile is seen.
        let wall = self.clock.wall();
        (wall, self.floor())
    }
}

impl fmt::Debug for NodeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeClock").field("floor", &self.floor()).finish_non_exhaustive()
    }
}

/// A clock that is behind by no more than a step of a time service is stamped at the floor instead.
fn is_behind(wall: Timestamp, floor: Timestamp) -> bool {
    floor.since(wall) > timing::CLOCK_STEP_MAX
}

/// Time that does not leap ahead, for the tally: it makes a count final when every ballot in time has
/// been acknowledged or given up, and that takes a while by clocks that never jump.
///
/// A clock that is set ahead is believed only after `doubt`, and until then time passes as it did
/// before. By then whoever took a ballot before the jump has answered, and on a cluster the others
/// have said that this clock strays. One that is set back is believed at once.
#[derive(Debug)]
pub struct SteadyTime {
    doubt: Duration,
    last: Mutex<Option<Believed>>,
}

/// The last time that was believed.
#[derive(Clone, Copy, Debug)]
struct Believed {
    time: Timestamp,
    at: Moment,
    /// Since when the wall clock has been ahead of it.
    ahead_since: Option<Moment>,
}

impl SteadyTime {
    /// Believes a jump ahead `doubt` later.
    pub fn new(doubt: Duration) -> Self {
        Self { doubt, last: Mutex::new(None) }
    }

    /// The time to go by when a clock says `time` at the moment `at`.
    pub fn believe(&self, time: Timestamp, at: Moment) -> Timestamp {
        let mut slot = self.last.lock();
        let last = slot.get_or_insert(Believed { time, at, ahead_since: None });
        let passed = last.time.plus(at.since(last.at));
        if time > passed.plus(timing::CLOCK_STEP_MAX) {
            let since = *last.ahead_since.get_or_insert(at);
            if at.since(since) < self.doubt {
                return passed;
            }
        }
        *last = Believed { time, at, ahead_since: None };
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that says what it is told.
    #[derive(Default)]
    struct Told {
        wall_us: AtomicI64,
        passed_us: AtomicI64,
    }

    impl Told {
        fn set(&self, wall_us: i64) {
            self.wall_us.store(wall_us, Ordering::SeqCst);
        }
    }

    impl Clock for Told {
        fn wall(&self) -> Timestamp {
            Timestamp::from_micros(self.wall_us.load(Ordering::SeqCst))
        }

        fn moment(&self) -> Moment {
            Moment::from_micros(self.passed_us.load(Ordering::SeqCst).unsigned_abs())
        }
    }

    const START: i64 = 1_800_000_000_000_000;
    const SECOND: i64 = 1_000_000;

    fn node() -> (Arc<Told>, NodeClock) {
        let told = Arc::new(Told::default());
        told.set(START);
        let node = NodeClock::new(Arc::clone(&told) as _);
        (told, node)
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn a_clock_that_is_set_back_stamps_nothing_below_what_it_has_stamped() {
        let (told, node) = node();
        told.set(START + 20 * SECOND);
        assert_eq!(node.stamp().recorded_at, at(START + 20 * SECOND));
        // Nobody was given that one.
        told.set(START);
        assert_eq!(node.stamp().recorded_at, at(START));
        node.keep(at(START + 20 * SECOND));
        let stamp = node.stamp();
        assert!(stamp.is_behind && stamp.recorded_at == at(START + 20 * SECOND), "{stamp:?}");
        assert_eq!(node.behind(), Some(Duration::from_secs(20)));
        assert_eq!(node.now(), at(START + 20 * SECOND));
        told.set(START + 20 * SECOND);
        assert!(!node.stamp().is_behind && node.behind().is_none());
    }

    #[test]
    fn a_small_step_back_stops_nobody_and_stamps_at_the_floor() {
        let (told, node) = node();
        node.keep(at(START));
        told.set(START - 90_000);
        let stamp = node.stamp();
        assert!(!stamp.is_behind && stamp.recorded_at == at(START), "{stamp:?}");
        told.set(START - 110_000);
        assert!(node.stamp().is_behind);
    }

    #[test]
    fn what_the_store_shows_holds_for_a_clock_that_was_wrong_from_the_start() {
        let (told, node) = node();
        node.raise_floor(at(START + 3_600 * SECOND));
        node.raise_floor(at(START));
        assert!(node.stamp().is_behind);
        told.set(START + 3_600 * SECOND + 1);
        let stamp = node.stamp();
        assert_eq!((stamp.is_behind, stamp.recorded_at), (false, at(START + 3_600 * SECOND + 1)));
    }

    const DOUBT: Duration = Duration::from_secs(8);

    fn at_s(seconds: u64) -> Moment {
        Moment::after_origin(Duration::from_secs(seconds))
    }

    fn time_s(seconds: u64) -> Timestamp {
        at(START).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_jump_ahead_is_believed_later_and_one_back_at_once() {
        let steady = SteadyTime::new(DOUBT);
        assert_eq!(steady.believe(time_s(0), at_s(0)), time_s(0));
        assert_eq!(steady.believe(time_s(1), at_s(1)), time_s(1));
        // Set an hour ahead: time goes on as before, however often it is looked at.
        for second in 2..10 {
            assert_eq!(steady.believe(time_s(3_600 + second), at_s(second)), time_s(second));
        }
        assert_eq!(steady.believe(time_s(3_610), at_s(10)), time_s(3_610));
        assert_eq!(steady.believe(time_s(3_611), at_s(11)), time_s(3_611));
        // Set right again.
        assert_eq!(steady.believe(time_s(12), at_s(12)), time_s(12));
        // A jump that is taken back in time was none; the next is doubted for as long.
        assert_eq!(steady.believe(time_s(93), at_s(13)), time_s(13));
        assert_eq!(steady.believe(time_s(14), at_s(14)), time_s(14));
        assert_eq!(steady.believe(time_s(103), at_s(23)), time_s(23));
        assert_eq!(steady.believe(time_s(110), at_s(30)), time_s(30));
        assert_eq!(steady.believe(time_s(111), at_s(31)), time_s(111));
    }

    #[test]
    fn a_clock_that_is_slewed_is_followed() {
        let steady = SteadyTime::new(DOUBT);
        for second in 0..100 {
            // A twentieth too fast.
            let wall = at(START).plus(Duration::from_millis(second * 1_050));
            assert_eq!(steady.believe(wall, at_s(second)), wall);
        }
    }
}
