//! Pages with nothing but a message.

use askama::Template;

use ballot::Slug;

use super::{page::Page, render::render};
use crate::public_url::PublicUrl;

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

/// The refusal of a form that no page of the contest has posted, with the way to that page.
pub(crate) fn not_ours(
    page: Page,
    contest: &Slug,
    title: &str,
    origin: Option<&PublicUrl>,
) -> String {
    let (heading, text) = (page.say("not_ours"), page.say("not_ours_text"));
    // Another site's frame is no place to vote in again.
    let way = Page { embedded: false, ..page }.contest(contest.as_str());
    let address = origin.map(PublicUrl::to_string).unwrap_or_default() + &way;
    render(&NotOursTemplate { page, heading, text, title, address })
}

#[derive(Template)]
#[template(path = "not-ours.html")]
struct NotOursTemplate<'a> {
    page: Page,
    heading: &'a str,
    text: &'a str,
    title: &'a str,
    address: String,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessageTemplate<'a> {
    page: Page,
    heading: &'a str,
    text: &'a str,
}
