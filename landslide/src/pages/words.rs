//! Domain values in plain words.

use ballot::{Admission, CountsStatus, Hours, Phase, Policy, ResultsVisibility, Timestamp};

/// A time for machines and for people. The script rewrites the words for the visitor's place.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub rfc3339: String,
    pub(crate) words: String,
}

impl Moment {
    pub(super) fn new(time: Timestamp) -> Self {
        let rfc3339 = time.to_string();
        let words = match jiff::Timestamp::from_microsecond(time.as_micros()) {
            Ok(time) if time.as_second() % 60 == 0 => time.strftime("%-d %B %Y, %H:%M UTC"),
            Ok(time) => time.strftime("%-d %B %Y, %H:%M:%S UTC"),
            Err(_) => return Self { words: rfc3339.clone(), rfc3339 },
        };
        Self { words: words.to_string(), rfc3339 }
    }
}

/// A contest's hours, and where it stands in them.
#[derive(Clone, Debug)]
pub(super) struct HoursInWords {
    pub(crate) opens_at: Option<Moment>,
    pub(crate) closes_at: Option<Moment>,
    phase: Phase,
}

impl HoursInWords {
    pub(super) fn new(hours: Hours, now: Timestamp) -> Self {
        Self {
            opens_at: hours.opens_at.map(Moment::new),
            closes_at: hours.closes_at.map(Moment::new),
            phase: hours.phase(now),
        }
    }

    pub(super) fn is_draft(&self) -> bool {
        self.phase == Phase::Draft
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(super) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }
}

/// The vote policy, before voting.
pub(super) fn policy(policy: Policy, admission: Admission) -> String {
    let per = per(admission);
    match policy {
        Policy::One | Policy::UpTo(1) => format!("One vote per {per}. It cannot be changed."),
        Policy::Latest => format!("One vote per {per}. You can change it while voting is open."),
        Policy::UpTo(k) => format!("Up to {k} votes per {per}."),
        Policy::Unlimited => "You can vote as often as you like.".to_owned(),
    }
}

/// What an acknowledgement means, after voting.
pub(super) fn meaning(policy: Policy, admission: Admission) -> String {
    let per = per(admission);
    let counts = match policy {
        Policy::One | Policy::UpTo(1) => format!("One vote per {per}: the first one counts."),
        Policy::Latest => format!("One vote per {per}: the last one counts."),
        Policy::UpTo(k) => format!("Up to {k} votes per {per} count."),
        Policy::Unlimited => "Every vote counts.".to_owned(),
    };
    format!("It is stored safely and will be counted. {counts}")
}

/// The link to another vote, where one can count.
pub(super) fn again(policy: Policy) -> Option<&'static str> {
    match policy {
        Policy::One | Policy::UpTo(1) => None,
        Policy::Latest => Some("Change my vote"),
        Policy::UpTo(_) | Policy::Unlimited => Some("Vote again"),
    }
}

/// How many of a voter's ballots count, for the script; 0 is no limit.
pub(super) fn votes_max(policy: Policy) -> u16 {
    match policy {
        Policy::One | Policy::Latest => 1,
        Policy::UpTo(k) => k,
        Policy::Unlimited => 0,
    }
}

fn per(admission: Admission) -> &'static str {
    match admission {
        Admission::Open => "device",
        Admission::Ticket => "ticket",
        Admission::Oidc => "person",
    }
}

/// As in a definition.
pub(crate) fn visibility(results: ResultsVisibility) -> &'static str {
    match results {
        ResultsVisibility::Live => "live",
        ResultsVisibility::Hidden => "hidden",
        ResultsVisibility::AfterClose => "after_close",
    }
}

/// How settled the numbers are.
pub(crate) fn status(status: CountsStatus) -> &'static str {
    match status {
        CountsStatus::Provisional => "provisional",
        CountsStatus::Final => "final",
        CountsStatus::Certified => "certified",
    }
}

/// 1234567 as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in digits.char_indices() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `votes` of `total` in percent with one digit after the point; `0.0` of nothing.
pub(crate) fn share(votes: u64, total: u64) -> String {
    // Wide, because votes times a thousand may not fit 64 bits.
    let permille = (u128::from(votes) * 1_000 + u128::from(total / 2))
        .checked_div(u128::from(total))
        .unwrap_or(0);
    format!("{}.{}", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words() {
        assert_eq!(
            ["0", "999", "1,000", "12,345", "1,234,567"],
            [grouped(0), grouped(999), grouped(1_000), grouped(12_345), grouped(1_234_567)]
        );
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(share(0, 0), "0.0");
        assert_eq!(share(1, 3), "33.3");
        assert_eq!(share(2, 3), "66.7");
        assert_eq!(share(u64::MAX, u64::MAX), "100.0");
    }

    #[test]
    fn a_moment_is_in_words_whatever_it_is() {
        let words = |micros| Moment::new(Timestamp::from_micros(micros)).words;
        assert_eq!(words(1_795_464_000_000_000), "23 November 2026, 20:00 UTC");
        assert_eq!(words(1_795_464_001_500_000), "23 November 2026, 20:00:01 UTC");
        for hostile in [i64::MIN, -1, i64::MAX] {
            assert!(!words(hostile).is_empty());
        }
    }

    #[test]
    fn policies_in_words() {
        let words = |of| policy(of, Admission::Open);
        assert_eq!(words(Policy::One), "One vote per device. It cannot be changed.");
        assert_eq!(words(Policy::UpTo(1)), words(Policy::One));
        assert_eq!(words(Policy::UpTo(20)), "Up to 20 votes per device.");
        assert_eq!(words(Policy::Unlimited), "You can vote as often as you like.");
        assert_eq!(
            policy(Policy::Latest, Admission::Oidc),
            "One vote per person. You can change it while voting is open."
        );
    }
}
