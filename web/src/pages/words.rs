//! Domain values in plain words.

use ballot::{
    Admission, BallotCounts, Contest, CountsStatus, Hours, Phase, Policy, ResultsVisibility,
    Timestamp,
};

use super::{
    language::{Filled, Language},
    moment::Moment,
};

/// A contest's hours, and where it stands in them.
#[derive(Clone, Debug)]
pub(super) struct HoursInWords {
    /// When it opens, closes or closed, as markup.
    pub(crate) opens: Option<String>,
    pub(crate) closes: String,
    pub(crate) closed: Option<String>,
    pub(crate) opens_at: Option<Timestamp>,
    pub(crate) closes_at: Option<Timestamp>,
    phase: Phase,
}

impl HoursInWords {
    pub(super) fn new(hours: Hours, phase: Phase, language: &Language) -> Self {
        let at = |key: &str, time| {
            let time = Moment::new(time, language.tag);
            language.fill(key, &[("time", Filled::Time(&time))])
        };
        let by_hand = || language.fill("hours_open_by_hand", &[]);
        Self {
            opens: hours.opens_at.map(|time| at("hours_draft", time)),
            closes: hours.closes_at.map_or_else(by_hand, |time| at("hours_open", time)),
            closed: hours.closes_at.map(|time| at("hours_closed", time)),
            opens_at: hours.opens_at,
            closes_at: hours.closes_at,
            phase,
        }
    }

    /// As in the list of contests.
    pub(super) fn phase(&self) -> &'static str {
        match self.phase {
            Phase::Draft => "draft",
            Phase::Open => "open",
            Phase::Closed => "closed",
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

/// The vote policy, before voting; as markup, because it may name a time.
pub(super) fn policy(language: &Language, definition: &Contest) -> String {
    let who = ("who", Filled::Text(who(language, definition.admission)));
    match definition.policy {
        Policy::One | Policy::UpTo(1) => language.fill("policy_one", &[who]),
        Policy::Latest => match definition.hours.closes_at {
            Some(time) => {
                let time = Moment::new(time, language.tag);
                language.fill("policy_latest_until", &[who, ("time", Filled::Time(&time))])
            }
            None => language.fill("policy_latest", &[who]),
        },
        Policy::UpTo(k) => {
            language.fill("policy_up_to", &[who, ("k", Filled::Text(&k.to_string()))])
        }
        Policy::Unlimited => language.fill("policy_unlimited", &[]),
    }
}

/// What an acknowledgement means, after voting; as markup.
pub(super) fn meaning(language: &Language, definition: &Contest) -> String {
    let who = ("who", Filled::Text(who(language, definition.admission)));
    let counts = match definition.policy {
        Policy::One | Policy::UpTo(1) => language.fill("meaning_one", &[who]),
        Policy::Latest => language.fill("meaning_latest", &[who]),
        Policy::UpTo(k) => {
            language.fill("meaning_up_to", &[who, ("k", Filled::Text(&k.to_string()))])
        }
        Policy::Unlimited => language.fill("meaning_unlimited", &[]),
    };
    format!("{} {counts}", language.fill("meaning", &[]))
}

/// The message on the way to another vote, where one can count.
pub(super) fn again(policy: Policy) -> Option<&'static str> {
    match policy {
        Policy::One | Policy::UpTo(1) => None,
        Policy::Latest => Some("vote_change"),
        Policy::UpTo(_) | Policy::Unlimited => Some("vote_again"),
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

fn who(language: &Language, admission: Admission) -> &str {
    language.say(match admission {
        Admission::Open => "who_open",
        Admission::Ticket => "who_ticket",
        Admission::Oidc => "who_oidc",
    })
}

/// As in a definition.
pub(crate) fn visibility(results: ResultsVisibility) -> &'static str {
    match results {
        ResultsVisibility::Live => "live",
        ResultsVisibility::Hidden => "hidden",
        ResultsVisibility::AfterClose => "after_close",
    }
}

/// How settled a count is, as in its row.
pub(crate) fn status_name(status: CountsStatus) -> &'static str {
    match status {
        CountsStatus::Provisional => "provisional",
        CountsStatus::Final => "final",
        CountsStatus::Certified => "certified",
    }
}

/// What became of the recorded ballots, by name.
pub(crate) fn ballots(ballots: &BallotCounts) -> [(&'static str, u64); 5] {
    let BallotCounts { recorded, counted, duplicate, late, void } = *ballots;
    [
        ("recorded", recorded),
        ("counted", counted),
        ("duplicate", duplicate),
        ("late", late),
        ("void", void),
    ]
}

/// The message of how settled the numbers are.
pub(super) fn status(status: CountsStatus) -> &'static str {
    match status {
        CountsStatus::Provisional => "status_provisional",
        CountsStatus::Final => "status_final",
        CountsStatus::Certified => "status_certified",
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
    fn policies_in_words() {
        let text = r#"
            title = "t"
            closes_at = 2026-11-23T22:00:00Z
            choices = [{choice = "a", title = "A"}, {choice = "b", title = "B"}]"#;
        let mut contest = Contest::from_toml(text).unwrap();
        let english = &Language::all()[0];
        let mut words = |policy_is, admission| {
            contest.policy = policy_is;
            contest.admission = admission;
            policy(english, &contest)
        };
        let one = words(Policy::One, Admission::Open);
        assert_eq!(one, "One vote per device. It cannot be changed.");
        assert_eq!(words(Policy::UpTo(1), Admission::Open), one);
        assert_eq!(words(Policy::UpTo(20), Admission::Open), "Votes per device: up to 20.");
        let unlimited = words(Policy::Unlimited, Admission::Open);
        assert_eq!(unlimited, "You can vote as often as you like.");
        assert_eq!(
            words(Policy::Latest, Admission::Oidc),
            "One vote per person. You can change it until \
             <time datetime=\"2026-11-23T22:00:00Z\">23 November 2026, 22:00 UTC</time>."
        );
        contest.hours.closes_at = None;
        contest.policy = Policy::Latest;
        assert!(policy(english, &contest).ends_with("while voting is open."));
    }
}
