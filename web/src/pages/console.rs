//! The administrators' pages. All but the protocol are shells without data: their scripts ask the
//! API, as whoever is signed in. They are in English.

use std::collections::BTreeSet;

use askama::Template;
use ballot::{
    Admission, BallotCounts, Contest, Counts, CountsStatus, Policy, ResultsVisibility, Slug,
    Timestamp,
};

pub(crate) use super::words::share;
use super::{render, words};

/// `/admin`: signing in, the contests, the nodes.
pub(crate) fn contests() -> String {
    render(&ContestsTemplate)
}

/// `/admin/contests/{contest}`: one contest, live.
pub(crate) fn contest() -> String {
    render(&ContestTemplate)
}

/// `/admin/new` and `/admin/contests/{contest}/edit`.
pub(crate) fn edit() -> String {
    render(&EditTemplate)
}

#[derive(Template)]
#[template(path = "console-contests.html")]
struct ContestsTemplate;

#[derive(Template)]
#[template(path = "console-contest.html")]
struct ContestTemplate;

#[derive(Template)]
#[template(path = "console-edit.html")]
struct EditTemplate;

/// How settled a count is, as in its row.
pub(crate) fn status(status: CountsStatus) -> &'static str {
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

/// One thing that an administrator did.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) at: Timestamp,
    pub(crate) what: String,
    pub(crate) by: String,
}

/// The result protocol: what an auditor files.
#[derive(Debug)]
pub(crate) struct Protocol<'a> {
    pub(crate) contest: &'a Slug,
    pub(crate) definition: &'a Contest,
    /// The definition's version.
    pub(crate) version: String,
    pub(crate) counts: &'a Counts,
    pub(crate) acts: &'a [Act],
    /// Versions of the nodes heard of.
    pub(crate) software: BTreeSet<String>,
    pub(crate) printed_at: Timestamp,
}

impl Protocol<'_> {
    pub(crate) fn render(&self) -> String {
        let counts = self.counts;
        let hours = self.definition.hours;
        let by_hand = |set: Option<Timestamp>| set.map_or_else(|| "by hand".into(), utc);
        let certified = self.acts.iter().find(|act| act.what == CERTIFIED);
        render(&ProtocolTemplate {
            contest: self.contest.as_str(),
            title: &self.definition.title,
            heading: match counts.status {
                CountsStatus::Provisional => "Interim count, not a result",
                CountsStatus::Final => "Result protocol, not certified yet",
                CountsStatus::Certified => "Result protocol",
            },
            opens_at: by_hand(hours.opens_at),
            closes_at: by_hand(counts.closed_at.or(hours.closes_at)),
            policy: policy(self.definition),
            results: results(self.definition.results),
            shards: self.definition.shards,
            version: self.version.trim_matches('"'),
            counts,
            status: status(counts.status),
            counted_through: utc(counts.counted_through),
            ballots: ballots(&counts.ballots),
            certified,
            acts: self.acts,
            software: self.software.iter().cloned().collect::<Vec<_>>().join(", "),
            printed_at: utc(self.printed_at),
        })
    }
}

/// The audit entry of a certification.
pub(crate) const CERTIFIED: &str = "count certified";

#[derive(Template)]
#[template(path = "console-protocol.html")]
struct ProtocolTemplate<'a> {
    contest: &'a str,
    title: &'a str,
    heading: &'static str,
    opens_at: String,
    closes_at: String,
    policy: String,
    results: &'static str,
    shards: u16,
    version: &'a str,
    counts: &'a Counts,
    status: &'static str,
    counted_through: String,
    ballots: [(&'static str, u64); 5],
    certified: Option<&'a Act>,
    acts: &'a [Act],
    software: String,
    printed_at: String,
}

impl ProtocolTemplate<'_> {
    fn grouped(&self, number: &u64) -> String {
        words::grouped(*number)
    }

    fn share(&self, votes: &u64) -> String {
        share(*votes, self.counts.total)
    }

    fn utc(&self, time: &Timestamp) -> String {
        utc(*time)
    }

    fn meaning(&self, name: &str) -> &'static str {
        match name {
            "recorded" => "rows in distinct batches, all that was acknowledged and more",
            "counted" => "in the result",
            "duplicate" => "retries, and ballots past what the policy lets a voter cast",
            "late" => "recorded outside the hours",
            _ => "taken out by an administrator",
        }
    }
}

/// To the second or, where there is more, to the microsecond; a protocol rounds nothing.
fn utc(time: Timestamp) -> String {
    time.to_string().replace('T', " ").replace('Z', " UTC")
}

fn policy(definition: &Contest) -> String {
    let per = match definition.admission {
        Admission::Open => "device",
        Admission::Ticket => "ticket",
        Admission::Oidc => "person",
    };
    match definition.policy {
        Policy::One | Policy::UpTo(1) => format!("one vote per {per}, the first counts"),
        Policy::Latest => format!("one vote per {per}, the last counts"),
        Policy::UpTo(k) => format!("up to {k} votes per {per}, the first {k} count"),
        Policy::Unlimited => "unlimited, every vote counts".to_owned(),
    }
}

fn results(results: ResultsVisibility) -> &'static str {
    match results {
        ResultsVisibility::Live => "shown live",
        ResultsVisibility::Hidden => "hidden",
        ResultsVisibility::AfterClose => "shown once final",
    }
}
