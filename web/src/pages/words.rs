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
        Policy::Latest => {
            let open = language.fill("policy_latest", &[who]);
            // Both, so that the script only has to choose another when the close is moved.
            let closes_at = definition.hours.closes_at;
            let new = |time| Moment::new(time, language.tag);
            let time = closes_at.map_or_else(Moment::unknown, new);
            let values = [who, ("time", Filled::Time(&time))];
            let until = language.fill("policy_latest_until", &values);
            let (is_open, is_until) = match closes_at {
                Some(_) => (" hidden", ""),
                None => ("", " hidden"),
            };
            format!(
                "<span data-until=\"\"{is_open}>{open}</span><span data-until=\"time\"{is_until}>{until}</span>"
            )
        }
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
    format!("<span>{}</span> {counts}", language.fill("meaning", &[]))
}

/// The same where another vote of this voter counts; as markup.
pub(super) fn meaning_again(
    language: &Language,
    definition: &Contest,
    first: &str,
    choice: &str,
) -> String {
    let who = ("who", Filled::Text(who(language, definition.admission)));
    let named = [("first", Filled::Text(first)), ("choice", Filled::Text(choice))];
    let first = language.fill("first_text", &named);
    format!("{first} {}", language.fill("meaning_one", &[who]))
}

/// What is said before a vote that will not count, since another does; as markup.
pub(super) fn voted_before(language: &Language, first: &str) -> String {
    language.fill("first_before", &[("first", Filled::Text(first))])
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

/// 1234567 as `1,234,567`, in English.
pub(super) fn grouped(number: u64) -> String {
    Language::english().numbers.grouped(number)
}

/// How long the bar of so many votes is, in percent of what `most` has; as SVG reads it.
pub(super) fn length(votes: u64, most: u64) -> String {
    // Wide, because votes times a thousand may not fit 64 bits.
    let permille = (u128::from(votes) * 1_000).checked_div(u128::from(most)).unwrap_or(0);
    format!("{}.{}", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_part() {
        assert_eq!([length(0, 0), length(1, 3), length(2, 3)], ["0.0", "33.3", "66.6"]);
        assert_eq!(length(u64::MAX, u64::MAX), "100.0");
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
        let latest = words(Policy::Latest, Admission::Oidc);
        assert!(latest.contains(" hidden>One vote per person. You can change it while voting"));
        assert!(latest.contains(
            "<span data-until=\"time\">One vote per person. You can change it until \
             <time datetime=\"2026-11-23T22:00:00Z\">23 November 2026, 22:00 UTC</time>.</span>"
        ));
        contest.hours.closes_at = None;
        contest.policy = Policy::Latest;
        let latest = policy(english, &contest);
        assert!(
            latest.contains("<span data-until=\"\">One vote per person. You can change it while")
        );
        assert!(latest.contains("<span data-until=\"time\" hidden>"), "{latest}");
    }
}
