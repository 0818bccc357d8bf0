//! When a ballot is sent again, and when it is given up.

use std::time::{Duration, Instant};

use fastrand::Rng;

/// First pause before a retry.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Longest pause that doubling leads to. A server may ask for more.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Longest `Retry-After` that is honoured: a wrong header must not end a run.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// How a client retries: jittered exponential back-off.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// How long after its first sending a ballot is given up.
    pub give_up_after: Duration,
}

impl RetryPolicy {
    /// How long to wait before the next attempt, or `None` to give up.
    ///
    /// `failed` counts the attempts so far, 1 or more. The server's `Retry-After` is the least
    /// wait. There is always one attempt at the give-up time itself.
    pub(crate) fn pause(
        &self,
        first_sent: Instant,
        now: Instant,
        failed: u32,
        retry_after: Option<Duration>,
        rng: &mut Rng,
    ) -> Option<Duration> {
        let left = (first_sent + self.give_up_after).checked_duration_since(now)?;
        if left.is_zero() {
            return None;
        }
        let doubled = PAUSE_FIRST.saturating_mul(1 << failed.saturating_sub(1).min(16));
        let ceiling = doubled.min(PAUSE_MAX);
        // Half of it is random, so that the clients of a failed node do not come back together.
        let jittered = ceiling.mul_f64(0.5 + 0.5 * rng.f64());
        let pause = match retry_after {
            Some(asked) => asked.min(RETRY_AFTER_MAX) + jittered,
            None => jittered,
        };
        Some(pause.min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { give_up_after: Duration::from_secs(60) };

    fn pause(elapsed_s: u64, failed: u32, retry_after_s: Option<u64>) -> Option<Duration> {
        let first = Instant::now();
        let now = first + Duration::from_secs(elapsed_s);
        let retry_after = retry_after_s.map(Duration::from_secs);
        POLICY.pause(first, now, failed, retry_after, &mut Rng::with_seed(u64::from(failed)))
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_are_jittered() {
        for failed in 1..40 {
            let ceiling = Duration::from_millis(100 << (failed - 1).min(6)).min(PAUSE_MAX);
            let pause = pause(0, failed, None).unwrap();
            assert!(pause <= ceiling && pause >= ceiling / 2, "{failed}: {pause:?}");
        }
        let (first, mut rng) = (Instant::now(), Rng::with_seed(3));
        let mut pauses: Vec<_> =
            (0..50).filter_map(|_| POLICY.pause(first, first, 5, None, &mut rng)).collect();
        pauses.dedup();
        assert_eq!(pauses.len(), 50, "every client waits differently");
    }

    #[test]
    fn the_server_says_how_long_at_least() {
        let pause = pause(0, 1, Some(3)).unwrap();
        assert!(pause >= Duration::from_secs(3) && pause < Duration::from_millis(3_101));
        assert!(self::pause(0, 1, Some(86_400)).unwrap() < Duration::from_secs(31));
    }

    #[test]
    fn nothing_is_given_up_before_its_time_and_everything_then() {
        assert_eq!(pause(59, 12, Some(20)), Some(Duration::from_secs(1)));
        assert_eq!(pause(60, 2, None), None);
        assert_eq!(pause(61, 2, None), None);
    }
}
