//! A contest to vote in. The same for everybody who reads one language, so that any cache may keep it.

use askama::Template;
use ballot::{Counts, Policy, ResultsVisibility};

use super::{
    page::Page,
    preview::Preview,
    receipt::Receipt,
    render::render,
    standings::Results,
    subject::Subject,
    words::{self, HoursInWords},
};
use crate::public_url::PublicUrl;

/// The page at `/c/{contest}`, and in other sites' frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VoterPage<'a> {
    /// What is around it.
    pub(crate) page: Page,
    /// Of which contest.
    pub(crate) of: Subject<'a>,
    /// The counts row, if the contest shows it now.
    pub(crate) results: Option<&'a Counts>,
    /// The service's addresses, for the outbox to try in turn.
    pub(crate) addresses: &'a [String],
    /// Where the public finds the site, for link previews.
    pub(crate) public_url: Option<&'a PublicUrl>,
}

impl VoterPage<'_> {
    /// The HTML.
    pub(crate) fn render(&self) -> String {
        let (page, of) = (self.page, self.of);
        let definition = of.definition;
        let results = self.results.filter(|_| definition.results != ResultsVisibility::Hidden);
        let choices = definition.choices.iter().map(|choice| ChoiceInWords {
            choice: choice.choice.as_str(),
            title: &choice.title,
            text: choice.text.as_deref(),
            picture: choice.picture.as_deref(),
        });
        render(&VoterTemplate {
            page,
            of,
            document_title: page.language.fill_text("title_vote", "title", &definition.title),
            policy: words::policy(page.language, definition),
            hours: HoursInWords::new(definition.hours, of.phase, page.language),
            receipt_title: page.say("recorded"),
            meaning: words::meaning(page.language, definition),
            votes_max: words::votes_max(definition.policy),
            changeable: definition.policy == Policy::Latest,
            addresses: self.addresses.join(" "),
            embed_origins: definition.embed_origins.join(" "),
            again: words::again(definition.policy),
            choices: choices.collect(),
            results: results.map(|counts| Results::new(counts, page.language)),
            preview: self.public_url.map(|url| Preview::new(url, of, page)),
            receipt: None,
        })
    }
}

#[derive(Template)]
#[template(path = "voter.html")]
struct VoterTemplate<'a> {
    page: Page,
    of: Subject<'a>,
    document_title: String,
    hours: HoursInWords,
    policy: String,
    receipt_title: &'a str,
    meaning: String,
    votes_max: u16,
    changeable: bool,
    addresses: String,
    embed_origins: String,
    again: Option<&'static str>,
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
    text: Option<&'a str>,
    picture: Option<&'a str>,
}
