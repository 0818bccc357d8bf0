//! How far a contest's hours are settled, and so how it must be read again.
//!
//! A change whose reply was lost may lie half done in the store: a look (`Read::Quorum`) does not see it, and
//! whoever reads the document serially next, perhaps hours later, finishes it. A close that is
//! finished after its time has passed would make ballots late that were acknowledged since. So as long
//! as a change could do harm every node reads serially, which does it or undoes it for good; where none
//! can any more, looking is enough.

use std::time::Duration;

use ballot::{Hours, Phase, Slug, Timestamp, timing::REFRESH};

/// How often a draft is read serially, at least and at most. Nobody votes in it: a change that is
/// finished late harms no ballot, but an administrator should not meet it after hours.
const DRAFT_SECONDS: std::ops::Range<u64> = 15..30;

/// Whether a look is enough for a contest that was last read serially `age` ago. `close_margin` is how
/// long after its beginning a change is known to every node.
pub(crate) fn is_a_look_enough(
    slug: &Slug,
    hours: Hours,
    age: Duration,
    now: Timestamp,
    close_margin: Duration,
) -> bool {
    match hours.phase(now) {
        // Nothing reopens: a change of the end began before the end, and was done or undone by a
        // serial read that began so much later.
        Phase::Closed if is_past(hours.closes_at, now.minus(age).minus(close_margin)) => true,
        // A change may move the opening until it is as near as this. Who acknowledges the first
        // ballot must know of it.
        Phase::Draft if !is_past(hours.opens_at, now.plus(close_margin)) => age < draft_age(slug),
        Phase::Draft | Phase::Open | Phase::Closed => age < REFRESH,
    }
}

fn is_past(moment: Option<Timestamp>, now: Timestamp) -> bool {
    moment.is_some_and(|moment| moment <= now)
}

/// Not all at once: each has its own.
fn draft_age(slug: &Slug) -> Duration {
    let spread = DRAFT_SECONDS.end - DRAFT_SECONDS.start;
    let sum = slug.as_str().bytes().map(u64::from).sum::<u64>();
    Duration::from_secs(DRAFT_SECONDS.start + sum % spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: Duration = Duration::from_secs(12);

    fn a_look_is_enough_after(
        age_s: u64,
        opens_in_s: Option<i64>,
        closes_in_s: Option<i64>,
    ) -> bool {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let at = |seconds: i64| Timestamp::from_micros(now.as_micros() + seconds * 1_000_000);
        let hours = Hours { opens_at: opens_in_s.map(at), closes_at: closes_in_s.map(at) };
        is_a_look_enough(&"tv".parse().unwrap(), hours, Duration::from_secs(age_s), now, MARGIN)
    }

    #[test]
    fn an_open_contest_is_read_serially_every_second() {
        for closes_in_s in [None, Some(1), Some(3_600)] {
            assert!(a_look_is_enough_after(0, Some(-60), closes_in_s));
            assert!(!a_look_is_enough_after(1, Some(-60), closes_in_s));
        }
    }

    #[test]
    fn a_closed_one_once_more_after_whatever_could_have_moved_its_end() {
        for (closed_s, age_s, enough) in
            [(0, 1, false), (11, 1, false), (20, 9, false), (20, 8, true), (9_000, 8_000, true)]
        {
            let closes_in_s = Some(-closed_s);
            assert_eq!(
                a_look_is_enough_after(age_s, Some(-10_000), closes_in_s),
                enough,
                "{closed_s}"
            );
        }
    }

    #[test]
    fn a_draft_now_and_then_and_every_second_before_it_opens() {
        for opens_in_s in [None, Some(60), Some(13)] {
            assert!(a_look_is_enough_after(DRAFT_SECONDS.start - 1, opens_in_s, None));
            assert!(!a_look_is_enough_after(DRAFT_SECONDS.end, opens_in_s, None));
        }
        assert!(!a_look_is_enough_after(1, Some(12), None));
    }
}
