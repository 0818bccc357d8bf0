//! When votes are due: a rate over time, and its integral.

use std::time::Duration;

/// A rate in votes a second over time, drawn as straight lines between knots. Vote number `n`,
/// from 0, is due when the integral of the rate reaches `n`.
#[derive(Clone, Debug)]
pub struct Profile {
    pieces: Vec<Piece>,
}

/// A stretch in which the rate changes evenly. Times in seconds, rates in votes a second.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: f64,
    length: f64,
    rate_from: f64,
    rate_to: f64,
    /// Votes due before it.
    before: f64,
}

impl Piece {
    fn slope(&self) -> f64 {
        // An endless piece has an infinite length, and no slope.
        (self.rate_to - self.rate_from) / self.length
    }

    fn votes(&self, elapsed: f64) -> f64 {
        self.rate_from * elapsed + self.slope() * elapsed * elapsed / 2.0
    }
}

/// The finale: share of the compressed length, and share of the peak rate. Of the two hours the
/// dull stretches are compressed most, or the last two minutes would be half a second of thirty.
const FINALE: [(f64, f64); 6] = [
    // Quiet.
    (0.00, 0.02),
    (0.30, 0.04),
    // The trailer: a third of the audience reaches for the phone at once, then loses interest.
    (0.30, 0.35),
    (0.60, 0.08),
    // The finale: the credits come closer.
    (0.80, 1.00),
    // The last two minutes, and the close.
    (1.00, 1.00),
];

impl Profile {
    /// The same rate all the time, for `duration` or without end.
    pub fn constant(rate: f64, duration: Option<Duration>) -> Self {
        match duration {
            Some(duration) => Self::through([(0.0, rate), (duration.as_secs_f64(), rate)]),
            None => Self::through([(0.0, rate)]).then_endless(),
        }
    }

    /// A two-hour vote compressed to `duration`: quiet, the trailer, the finale.
    pub fn finale(peak: f64, duration: Duration) -> Self {
        let seconds = duration.as_secs_f64();
        Self::through(FINALE.map(|(time, rate)| (time * seconds, rate * peak)))
    }

    /// From `low` to `peak` within `rise`, then `peak` for the rest of `duration` or without end.
    pub fn rising(low: f64, peak: f64, rise: Duration, duration: Option<Duration>) -> Self {
        let rise = duration.map_or(rise, |duration| rise.min(duration)).as_secs_f64();
        let knots = [(0.0, low), (rise, peak)];
        match duration {
            Some(duration) => {
                Self::through(knots.into_iter().chain([(duration.as_secs_f64(), peak)]))
            }
            None => Self::through(knots).then_endless(),
        }
    }

    /// Through knots (seconds, votes a second), in the order of their times. Two at the same time
    /// make a jump.
    fn through(knots: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut last: Option<(f64, f64)> = None;
        let mut before = 0.0;
        for (time, rate) in knots {
            if let Some((start, rate_from)) = last
                && time > start
            {
                let length = time - start;
                let piece = Piece { start, length, rate_from, rate_to: rate, before };
                before += piece.votes(length);
                pieces.push(piece);
            } else if last.is_none() {
                // A single knot still says where an endless piece starts.
                pieces.push(Piece {
                    start: time,
                    length: 0.0,
                    rate_from: rate,
                    rate_to: rate,
                    before,
                });
            }
            last = Some((time, rate));
        }
        Self { pieces }
    }

    /// Goes on at the last rate without end.
    fn then_endless(mut self) -> Self {
        if let Some(last) = self.pieces.last().copied() {
            self.pieces.push(Piece {
                start: last.start + last.length,
                length: f64::INFINITY,
                rate_from: last.rate_to,
                rate_to: last.rate_to,
                before: if last.length > 0.0 { last.before + last.votes(last.length) } else { 0.0 },
            });
        }
        self
    }

    /// When vote number `n` is due, from the start; `None` past the end.
    pub(crate) fn due(&self, n: u64) -> Option<Duration> {
        let n = n as f64;
        self.pieces.iter().filter(|piece| piece.length > 0.0).find_map(|piece| {
            let wanted = n - piece.before;
            let elapsed = if piece.length.is_infinite() {
                wanted / piece.rate_from
            } else if wanted < piece.votes(piece.length) {
                // The root of `rate t + slope t^2 / 2 = wanted`, in the form that does not cancel.
                let root = piece.rate_from.mul_add(piece.rate_from, 2.0 * piece.slope() * wanted);
                2.0 * wanted / (piece.rate_from + root.max(0.0).sqrt())
            } else {
                return None;
            };
            // 0/0: the first vote of a rate that rises from nothing.
            let elapsed = if elapsed.is_nan() { 0.0 } else { elapsed };
            Some(Duration::from_secs_f64(piece.start + elapsed.min(piece.length)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(profile: &Profile) -> u64 {
        (0..).find(|n| profile.due(*n).is_none()).unwrap()
    }

    #[test]
    fn a_constant_rate_spaces_votes_evenly_and_ends() {
        let profile = Profile::constant(4.0, Some(Duration::from_secs(2)));
        let due: Vec<_> = (0..9).map(|n| profile.due(n).map(|due| due.as_millis())).collect();
        let expected = [0, 250, 500, 750, 1_000, 1_250, 1_500, 1_750].map(Some);
        assert_eq!(due[..8], expected);
        assert_eq!(due[8], None);
    }

    #[test]
    fn a_rate_without_end_goes_on() {
        let profile = Profile::constant(1_000.0, None);
        assert_eq!(profile.due(0), Some(Duration::ZERO));
        assert_eq!(profile.due(86_400_000), Some(Duration::from_secs(86_400)));
        let rising = Profile::rising(0.0, 100.0, Duration::from_secs(10), None);
        assert_eq!(rising.due(0), Some(Duration::ZERO));
        assert_eq!(rising.due(500), Some(Duration::from_secs(10)), "half of 100/s for 10 s");
        assert_eq!(rising.due(600), Some(Duration::from_secs(11)));
    }

    #[test]
    fn due_is_the_inverse_of_the_integral() {
        let finale = Profile::finale(1_000.0, Duration::from_secs(100));
        // Midpoint sums of the rate between the knots, independent of the closed form.
        let rate = |time: f64| {
            let (time, mut rate) = (time / 100.0, 0.0);
            for pair in FINALE.windows(2) {
                let [(from, low), (to, high)] = [pair[0], pair[1]];
                if (from..to).contains(&time) {
                    rate = low + (high - low) * (time - from) / (to - from);
                }
            }
            rate * 1_000.0
        };
        let step = 0.001;
        let mut integral = 0.0;
        for n in 0..100_000_u32 {
            let time = f64::from(n) * step;
            if n % 5_000 == 0 {
                let due = finale.due(integral as u64).unwrap().as_secs_f64();
                assert!((due - time).abs() < 0.1, "{integral} votes: {due} s, not {time} s");
            }
            integral += rate(time + step / 2.0) * step;
        }
        let total = votes(&finale) as f64;
        assert!((total - integral).abs() < 2.0, "{total} votes, not {integral}");
    }

    #[test]
    fn the_finale_is_most_of_the_vote_and_never_goes_back_in_time() {
        let finale = Profile::finale(2_000.0, Duration::from_secs(30));
        let total = votes(&finale);
        let due: Vec<_> = (0..total).map(|n| finale.due(n).unwrap()).collect();
        assert!(due.is_sorted());
        let late = due.iter().filter(|due| due.as_secs_f64() >= 18.0).count();
        assert!(late as f64 > 0.7 * total as f64, "{late} of {total}");
        let last_second = due.iter().filter(|due| due.as_secs_f64() >= 29.0).count();
        assert!((1_999..=2_001).contains(&last_second), "the peak rate: {last_second}");
    }
}
