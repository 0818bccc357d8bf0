//! The same ballot to confirm where there is no script, and the confirmation that it is recorded: pages
//! of one voter.

use askama::Template;
use ballot::{BallotId, Contest, Slug, Timestamp};

use super::{
    moment::Moment, page::Page, receipt::Receipt, refusal::Refusal, render::render, voted::Voted,
    words,
};

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
    /// That this form is made for this voter, where the browser does not say which page posts it.
    pub(crate) token: blake3::Hash,
    /// Why it was not recorded yet.
    pub(crate) refusal: Option<Refusal>,
    /// Another choice, for which this voter has voted already, where the first vote counts.
    pub(crate) first: Option<&'a Slug>,
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
            before: self
                .first
                .map(|first| words::voted_before(page.language, choice_title(definition, first))),
            ballot_id: self.ballot_id,
            token: self.token,
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
    /// Another vote of this voter, for something else, which is the one that counts.
    pub(crate) first: Option<&'a Voted>,
}

impl RecordedPage<'_> {
    /// The HTML; its status is 201.
    pub(crate) fn render(&self) -> String {
        let (page, definition) = (self.page, self.definition);
        let language = page.language;
        let chosen = choice_title(definition, self.choice);
        let (receipt_title, meaning, choice, at, ballot_id) = match self.first {
            None => {
                let meaning = words::meaning(language, definition);
                ("recorded", meaning, chosen, self.recorded_at, self.ballot_id)
            }
            Some(first) => {
                let counted = choice_title(definition, &first.choice);
                let meaning = words::meaning_again(language, definition, counted, chosen);
                ("first_title", meaning, counted, first.recorded_at, first.ballot_id)
            }
        };
        render(&RecordedTemplate {
            page,
            document_title: page.language.fill_text("title_recorded", "title", &definition.title),
            contest: self.contest.as_str(),
            title: &definition.title,
            receipt_title: page.say(receipt_title),
            receipt: Some(Receipt {
                choice,
                recorded_at: Moment::new(at, language.tag),
                ballot_id,
            }),
            meaning,
            again: words::again(definition.policy),
        })
    }
}

fn choice_title<'a>(definition: &'a Contest, choice: &'a Slug) -> &'a str {
    let known = definition.choices.iter().find(|known| known.choice == *choice);
    known.map_or(choice.as_str(), |known| &known.title)
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
    before: Option<String>,
    ballot_id: BallotId,
    token: blake3::Hash,
    problem: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "recorded.html")]
struct RecordedTemplate<'a> {
    page: Page,
    document_title: String,
    contest: &'a str,
    title: &'a str,
    receipt_title: &'a str,
    receipt: Option<Receipt<'a>>,
    meaning: String,
    again: Option<&'static str>,
}
