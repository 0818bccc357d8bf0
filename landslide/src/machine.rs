//! What a node takes from its machine: time and random bytes. The one place where a clock is read that
//! a ballot's time depends on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ballot::{Clock, Entropy, Moment, Timestamp};

/// This machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the wall clock is read")]
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// Linux counts the time for which the machine was asleep.
    #[cfg(target_os = "linux")]
    fn moment(&self) -> Moment {
        use rustix::time::{ClockId, clock_gettime};
        let passed = clock_gettime(ClockId::Boottime);
        let seconds = Duration::from_secs(passed.tv_sec.unsigned_abs());
        let micros = Duration::from_micros(passed.tv_nsec.unsigned_abs() / 1_000);
        Moment::after_origin(seconds + micros)
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::disallowed_methods, reason = "this is where the other clock is read")]
    fn moment(&self) -> Moment {
        static ORIGIN: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        let passed = ORIGIN.elapsed();
        Moment::from_micros(u64::try_from(passed.as_micros()).unwrap_or(u64::MAX))
    }
}

/// Random bytes of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}
