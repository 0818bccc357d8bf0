//! Pages with nothing but a message.

use askama::Template;

use super::{page::Page, render::render};

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

#[derive(Template)]
#[template(path = "message.html")]
struct MessageTemplate<'a> {
    page: Page,
    heading: &'a str,
    text: &'a str,
}
