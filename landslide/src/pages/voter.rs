//! The public pages: the list of contests, a contest to vote in, the confirmation.

use askama::Template;
use ballot::{BallotId, ChoiceVotes, Contest, Counts, Slug, Timestamp};

use super::{
    Refusal, render,
    words::{self, HoursInWords, Moment},
};

/// The page at `/`: the contests that are open to the public, in the order given.
pub(crate) fn contests<'a>(
    contests: impl IntoIterator<Item = (&'a Slug, &'a Contest)>,
    now: Timestamp,
) -> String {
    let contests = contests.into_iter().map(|(contest, definition)| Listed {
        contest: contest.as_str(),
        title: &definition.title,
        hours: HoursInWords::new(definition.hours, now),
    });
    render(&ContestsTemplate { contests: contests.collect() })
}

/// A page that only says something, such as that a contest is not there.
fn message(heading: &str, text: &str) -> String {
    render(&MessageTemplate { heading, text })
}

/// The page for a contest that is not there, or not public yet.
pub(crate) fn not_found() -> String {
    message("Not found", "There is no such vote here. Its address may be mistyped.")
}

/// The page at `/c/{contest}`, and the same page again after a form that was not recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VoterPage<'a> {
    /// Which contest.
    pub(crate) contest: &'a Slug,
    /// Its definition.
    pub(crate) definition: &'a Contest,
    /// What the form will send: a new one, but after a refusal that
    /// [keeps it](Refusal::keeps_ballot_id) the one that was sent.
    pub(crate) ballot_id: BallotId,
    /// The server's time.
    pub(crate) now: Timestamp,
    /// The counts row, if the contest shows it now.
    pub(crate) results: Option<&'a Counts>,
    /// Why the form was not recorded.
    pub(crate) refusal: Option<Refusal>,
    /// What the form had chosen.
    pub(crate) chosen: Option<&'a Slug>,
}

impl VoterPage<'_> {
    /// The HTML; its status is the refusal's, else 200.
    pub(crate) fn render(&self) -> String {
        let definition = self.definition;
        let hours = HoursInWords::new(definition.hours, self.now);
        let retry = self.refusal.is_some_and(Refusal::keeps_ballot_id);
        render(&VoterTemplate {
            contest: self.contest.as_str(),
            title: &definition.title,
            policy: words::policy(definition.policy, definition.admission),
            hours,
            meaning: words::meaning(definition.policy, definition.admission),
            votes_max: words::votes_max(definition.policy),
            changeable: definition.policy == ballot::Policy::Latest,
            visibility: words::visibility(definition.results),
            now: self.now,
            ballot_id: self.ballot_id,
            problem: self.refusal.map(Refusal::words),
            button: if retry { "Try again" } else { "Vote" },
            chosen: self.chosen.map(Slug::as_str),
            choices: definition
                .choices
                .iter()
                .map(|choice| ChoiceInWords {
                    choice: choice.choice.as_str(),
                    title: &choice.title,
                })
                .collect(),
            results: self.results.map(Results::new),
            receipt: None,
        })
    }
}

/// The answer to a form that was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordedPage<'a> {
    /// Which contest.
    pub(crate) contest: &'a Slug,
    /// Its definition.
    pub(crate) definition: &'a Contest,
    /// What was chosen.
    pub(crate) choice: &'a Slug,
    /// Which ballot.
    pub(crate) ballot_id: BallotId,
    /// When it was recorded.
    pub(crate) recorded_at: Timestamp,
}

impl RecordedPage<'_> {
    /// The HTML; its status is 201.
    pub(crate) fn render(&self) -> String {
        let definition = self.definition;
        let title = definition.choices.iter().find(|choice| choice.choice == *self.choice);
        render(&RecordedTemplate {
            contest: self.contest.as_str(),
            title: &definition.title,
            receipt: Some(Receipt {
                choice: title.map_or(self.choice.as_str(), |choice| &choice.title),
                recorded_at: Moment::new(self.recorded_at),
                ballot_id: self.ballot_id,
            }),
            meaning: words::meaning(definition.policy, definition.admission),
            again: words::again(definition.policy),
        })
    }
}

#[derive(Template)]
#[template(path = "index.html")]
struct ContestsTemplate<'a> {
    contests: Vec<Listed<'a>>,
}

struct Listed<'a> {
    contest: &'a str,
    title: &'a str,
    hours: HoursInWords,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessageTemplate<'a> {
    heading: &'a str,
    text: &'a str,
}

#[derive(Template)]
#[template(path = "voter.html")]
struct VoterTemplate<'a> {
    contest: &'a str,
    title: &'a str,
    hours: HoursInWords,
    policy: String,
    meaning: String,
    votes_max: u16,
    changeable: bool,
    visibility: &'static str,
    now: Timestamp,
    ballot_id: BallotId,
    problem: Option<&'static str>,
    button: &'static str,
    chosen: Option<&'a str>,
    choices: Vec<ChoiceInWords<'a>>,
    results: Option<Results<'a>>,
    /// Always `None`: the script fills the receipt in.
    receipt: Option<Receipt<'a>>,
}

struct ChoiceInWords<'a> {
    choice: &'a str,
    title: &'a str,
}

#[derive(Template)]
#[template(path = "recorded.html")]
struct RecordedTemplate<'a> {
    contest: &'a str,
    title: &'a str,
    receipt: Option<Receipt<'a>>,
    meaning: String,
    again: Option<&'static str>,
}

struct Receipt<'a> {
    choice: &'a str,
    recorded_at: Moment,
    ballot_id: BallotId,
}

struct Results<'a> {
    total: String,
    status: &'static str,
    counted_through: Moment,
    rows: Vec<ResultsRow<'a>>,
}

struct ResultsRow<'a> {
    choice: &'a str,
    title: &'a str,
    votes: String,
    share: String,
}

impl<'a> Results<'a> {
    fn new(counts: &'a Counts) -> Self {
        let row = |row: &'a ChoiceVotes| ResultsRow {
            choice: row.choice.as_str(),
            title: &row.title,
            votes: words::grouped(row.votes),
            share: words::share(row.votes, counts.total),
        };
        Self {
            total: words::grouped(counts.total),
            status: words::status(counts.status),
            counted_through: Moment::new(counts.counted_through),
            rows: counts.choices.iter().map(row).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
