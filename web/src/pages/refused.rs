//! The answer to a form that was not recorded: a sentence and the way back, however long the vote's page is.

use askama::Template;
use ballot::{Contest, Slug};

use super::{page::Page, refusal::Refusal, render::render};

/// The page that says why a form was not recorded; its status is the refusal's.
pub(crate) fn refused(
    page: Page,
    contest: &Slug,
    definition: &Contest,
    refusal: Refusal,
) -> String {
    let title = &definition.title;
    render(&RefusedTemplate {
        page,
        document_title: page.language.fill_text("title_not_recorded", "title", title),
        contest: contest.as_str(),
        title,
        problem: page.say(refusal.key()),
    })
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedTemplate<'a> {
    page: Page,
    document_title: String,
    contest: &'a str,
    title: &'a str,
    problem: &'a str,
}
