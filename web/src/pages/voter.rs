//! A contest to vote in. The same for everybody who reads one language, so that any cache may keep it.

use askama::Template;
use ballot::{Contest, Counts, Phase, Policy, Slug};

use super::{
    page::Page,
    preview::Preview,
    receipt::Receipt,
    refusal::Refusal,
    render::render,
    standings::Results,
    words::{self, HoursInWords},
};
use crate::public_url::PublicUrl;

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
