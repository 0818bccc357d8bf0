//! A close that somebody makes by mistake, and regrets in time or not.

use std::time::Duration;

use ballot::timing;
use fastrand::Rng;

/// A close that is taken back, or comes before that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mistake {
    pub(crate) at: Duration,
    pub(crate) ahead: Duration,
    pub(crate) regretted_after: Duration,
}

impl Mistake {
    /// Somewhere in the contest's hours.
    pub(crate) fn new(
        random: &mut Rng,
        alone: bool,
        opens_at: Duration,
        closes_at: Duration,
    ) -> Self {
        let mut millis = |from, to| Duration::from_millis(random.u64(from..to));
        let at = opens_at + millis(0, (closes_at - opens_at).as_millis() as u64);
        let ahead = millis(0, if alone { 2_000 } else { 15_000 });
        let margin = if alone { timing::CLOSE_MARGIN_ALONE } else { timing::CLOSE_MARGIN };
        let comes_after = ahead.max(margin);
        // In good time, or at the last moment, in which it is a race.
        let left = if random.bool() { comes_after } else { Duration::from_millis(1_500) };
        let left = Duration::from_micros(random.u64(0..left.as_micros() as u64));
        Self { at, ahead, regretted_after: comes_after.saturating_sub(left) }
    }
}
