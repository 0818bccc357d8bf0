//! The result protocol: what an auditor files. In English.

use std::collections::BTreeSet;

use askama::Template;
use ballot::{
    Admission, ChoiceVotes, Contest, Counts, CountsStatus, Policy, ResultsVisibility, Slug,
    Timestamp,
};

use super::{render::render, words};
use crate::shares::{Share, shares};

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
            status: words::status_name(counts.status),
            counted_through: utc(counts.counted_through),
            ballots: words::ballots(&counts.ballots),
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

    fn choices(&self) -> impl Iterator<Item = (&ChoiceVotes, Share)> {
        let rows = self.counts.choices.iter();
        rows.clone().zip(shares(rows.map(|row| row.votes)))
    }

    fn channels(&self) -> impl Iterator<Item = (&String, &u64, Share)> {
        let rows = self.counts.channels.iter();
        let shares = shares(rows.clone().map(|(_, votes)| *votes));
        rows.zip(shares).map(|((channel, votes), share)| (channel, votes, share))
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
