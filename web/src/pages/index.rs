//! The list of contests. The same for everybody who reads one language, so that any cache may keep it.

use askama::Template;
use ballot::{Contest, Phase, Slug, Timestamp};

use super::{page::Page, render::render, words::HoursInWords};

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
