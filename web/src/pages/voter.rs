//! The voters' pages: the list of contests, a contest to vote in, the same ballot to confirm where
//! there is no script, the confirmation that it is recorded.
//!
//! The first two are the same for everybody who reads one language, so that any cache may keep
//! them; the other two are one voter's.

use askama::Template;
use ballot::{BallotId, ChoiceVotes, Contest, Counts, Phase, Policy, Slug, Timestamp};

use super::{
    Language, Refusal,
    assets::VOTER_STYLE,
    language::Filled,
    render,
    show::Preview,
    words::{self, HoursInWords, Moment},
};
use crate::PublicUrl;

/// What every voters' page has around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    /// In which language.
    pub(crate) language: &'static Language,
    /// Whether the address asked for it, so that the next page is in it too.
    pub(crate) by_address: bool,
    /// Whether it stands in another site's frame: without our head and foot.
    pub(crate) embedded: bool,
}

impl Page {
    /// A message.
    pub(super) fn say(&self, key: &str) -> &'static str {
        self.language.say(key)
    }

    /// The rules that stand in the page.
    pub(super) fn style(&self) -> &'static str {
        &VOTER_STYLE.text
    }

    /// What keeps the language in a link of ours.
    pub(super) fn query(&self) -> String {
        if self.by_address { format!("?lang={}", self.language.tag) } else { String::new() }
    }

    /// The address of a contest's page.
    fn contest(&self, contest: &str) -> String {
        let embed = if self.embedded { "/embed" } else { "" };
        format!("/c/{contest}{embed}{}", self.query())
    }
}

/// The page at `/`: the contests that are open to the public, in the order given.
pub(crate) fn contests<'a>(
    page: Page,
    contests: impl IntoIterator<Item = (&'a Slug, &'a Contest)>,
    now: Timestamp,
) -> String {
    let mut contests: Vec<_> = contests.into_iter().collect();
    // First those that a visitor can vote in now.
    contests.sort_by_key(|(_, definition)| match definition.hours.phase(now) {
        Phase::Open => 0,
        Phase::Draft => 1,
        Phase::Closed => 2,
    });
    let contests = contests.into_iter().map(|(contest, definition)| Listed {
        contest: contest.as_str(),
        title: &definition.title,
        hours: HoursInWords::new(definition.hours, definition.hours.phase(now), page.language),
    });
    render(&ContestsTemplate { page, contests: contests.collect() })
}

/// The page for a contest that is not there, or not public yet.
pub(crate) fn not_found(page: Page) -> String {
    let (heading, text) = (page.say("not_found"), page.say("not_found_text"));
    render(&MessageTemplate { page, heading, text })
}

/// What is said while the store cannot be read.
pub(crate) fn not_now(page: Page) -> String {
    let (heading, text) = (page.say("not_now"), page.say("not_now_text"));
    render(&MessageTemplate { page, heading, text })
}

/// The page at `/c/{contest}`, and the same page again after a form that was not recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VoterPage<'a> {
    /// What is around it.
    pub(crate) page: Page,
    /// Which contest.
    pub(crate) contest: &'a Slug,
    /// Its definition.
    pub(crate) definition: &'a Contest,
    /// Where it stands. Nothing else of the time, so that the page stays the same for long.
    pub(crate) phase: Phase,
    /// The counts row, if the contest shows it now.
    pub(crate) results: Option<&'a Counts>,
    /// The service's addresses, for the outbox to try in turn.
    pub(crate) addresses: &'a [String],
    /// Why the form was not recorded.
    pub(crate) refusal: Option<Refusal>,
    /// What the form had chosen.
    pub(crate) chosen: Option<&'a Slug>,
    /// Where the public finds the site, for link previews.
    pub(crate) public_url: Option<&'a PublicUrl>,
}

impl VoterPage<'_> {
    /// The HTML; its status is the refusal's, else 200.
    pub(crate) fn render(&self) -> String {
        let (page, definition) = (self.page, self.definition);
        let title_key = if self.refusal.is_some() { "title_not_recorded" } else { "title_vote" };
        let choices = definition.choices.iter().map(|choice| ChoiceInWords {
            choice: choice.choice.as_str(),
            title: &choice.title,
            picture: choice.picture.as_deref(),
        });
        render(&VoterTemplate {
            page,
            document_title: page.language.fill_text(title_key, "title", &definition.title),
            contest: self.contest.as_str(),
            title: &definition.title,
            policy: words::policy(page.language, definition),
            hours: HoursInWords::new(definition.hours, self.phase, page.language),
            meaning: words::meaning(page.language, definition),
            votes_max: words::votes_max(definition.policy),
            changeable: definition.policy == Policy::Latest,
            visibility: words::visibility(definition.results),
            addresses: self.addresses.join(" "),
            embed_origins: definition.embed_origins.join(" "),
            again: words::again(definition.policy),
            problem: self.refusal.map(|refusal| page.say(refusal.key())),
            chosen: self.chosen.map(Slug::as_str),
            choices: choices.collect(),
            results: self.results.map(|counts| Results::new(counts, page.language)),
            preview: self.public_url.map(|url| Preview::new(url, self.contest, page)),
            receipt: None,
        })
    }
}

/// The answer to the vote page's form: the same choice, now with a ballot id, to be confirmed. A
/// page for everybody cannot have an id, and without one a second click would be a second ballot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConfirmPage<'a> {
    /// What is around it.
    pub(crate) page: Page,
    /// Which contest.
    pub(crate) contest: &'a Slug,
    /// Its definition.
    pub(crate) definition: &'a Contest,
    /// What was chosen; one of the contest's choices.
    pub(crate) choice: &'a Slug,
    /// What the form will send: a new one, or after a refusal that
    /// [keeps it](Refusal::keeps_ballot_id) the one that was sent.
    pub(crate) ballot_id: BallotId,
    /// Why it was not recorded yet.
    pub(crate) refusal: Option<Refusal>,
}

impl ConfirmPage<'_> {
    /// The HTML; its status is the refusal's, else 200.
    pub(crate) fn render(&self) -> String {
        let (page, definition) = (self.page, self.definition);
        render(&ConfirmTemplate {
            page,
            document_title: page.language.fill_text("title_confirm", "title", &definition.title),
            contest: self.contest.as_str(),
            title: &definition.title,
            policy: words::policy(page.language, definition),
            choice: self.choice.as_str(),
            choice_title: choice_title(definition, self.choice),
            ballot_id: self.ballot_id,
            problem: self.refusal.map(|refusal| page.say(refusal.key())),
        })
    }
}

/// The answer to a form that was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordedPage<'a> {
    /// What is around it.
    pub(crate) page: Page,
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
        let (page, definition) = (self.page, self.definition);
        render(&RecordedTemplate {
            page,
            document_title: page.language.fill_text("title_recorded", "title", &definition.title),
            contest: self.contest.as_str(),
            title: &definition.title,
            receipt: Some(Receipt {
                choice: choice_title(definition, self.choice),
                recorded_at: Moment::new(self.recorded_at, page.language),
                ballot_id: self.ballot_id,
            }),
            meaning: words::meaning(page.language, definition),
            again: words::again(definition.policy),
        })
    }
}

fn choice_title<'a>(definition: &'a Contest, choice: &'a Slug) -> &'a str {
    let known = definition.choices.iter().find(|known| known.choice == *choice);
    known.map_or(choice.as_str(), |known| &known.title)
}

#[derive(Template)]
#[template(path = "index.html")]
struct ContestsTemplate<'a> {
    page: Page,
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
    page: Page,
    heading: &'a str,
    text: &'a str,
}

#[derive(Template)]
#[template(path = "voter.html")]
struct VoterTemplate<'a> {
    page: Page,
    document_title: String,
    contest: &'a str,
    title: &'a str,
    hours: HoursInWords,
    policy: String,
    meaning: String,
    votes_max: u16,
    changeable: bool,
    visibility: &'static str,
    addresses: String,
    embed_origins: String,
    again: Option<&'static str>,
    problem: Option<&'a str>,
    chosen: Option<&'a str>,
    choices: Vec<ChoiceInWords<'a>>,
    results: Option<Results<'a>>,
    preview: Option<Preview>,
    /// Always `None`: the script fills the receipt in.
    receipt: Option<Receipt<'a>>,
}

impl VoterTemplate<'_> {
    /// More than a screen or two: a field to find one in.
    fn is_searchable(&self) -> bool {
        self.choices.len() > 12
    }
}

struct ChoiceInWords<'a> {
    choice: &'a str,
    title: &'a str,
    picture: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmTemplate<'a> {
    page: Page,
    document_title: String,
    contest: &'a str,
    title: &'a str,
    policy: String,
    choice: &'a str,
    choice_title: &'a str,
    ballot_id: BallotId,
    problem: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "recorded.html")]
struct RecordedTemplate<'a> {
    page: Page,
    document_title: String,
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

pub(super) struct Results<'a> {
    /// How many, how settled, how fresh; as markup.
    state: String,
    pub(super) rows: Vec<ResultsRow<'a>>,
}

pub(super) struct ResultsRow<'a> {
    pub(super) choice: &'a str,
    pub(super) title: &'a str,
    pub(super) votes: String,
    pub(super) share: String,
}

impl<'a> Results<'a> {
    pub(super) fn new(counts: &'a Counts, language: &Language) -> Self {
        let row = |row: &'a ChoiceVotes| ResultsRow {
            choice: row.choice.as_str(),
            title: &row.title,
            votes: words::grouped(row.votes),
            share: words::share(row.votes, counts.total),
        };
        let through = Moment::new(counts.counted_through, language);
        let state = language.fill(
            "results_state",
            &[
                ("n", Filled::Text(&words::grouped(counts.total))),
                ("status", Filled::Text(language.say(words::status(counts.status)))),
                ("time", Filled::Time(&through)),
            ],
        );
        Self { state, rows: counts.choices.iter().map(row).collect() }
    }
}

#[cfg(test)]
mod tests;
