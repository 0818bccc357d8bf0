//! The words on a contest's card.

use ballot::Contest;

use super::{moment::Moment, page::Page};
use crate::{card::CardText, public_url::PublicUrl};

/// What stands on the image that other sites show with a link to the vote.
pub(crate) fn card_text(page: Page, contest: &Contest, site: Option<&PublicUrl>) -> CardText {
    // Each by itself, or a line from right to left would mix them.
    let words = |time| format!("\u{2066}{}\u{2069}", Moment::new(time, page.language.tag).words);
    let hours = [contest.hours.opens_at, contest.hours.closes_at];
    let hours: Vec<String> = hours.into_iter().flatten().map(words).collect();
    let count = page.language.numbers.grouped(contest.choices.len() as u64);
    CardText {
        site: site.map_or("Landslide", PublicUrl::authority).to_owned(),
        title: contest.title.clone(),
        choices: page.language.fill_text("card_choices", "n", &count),
        hours: hours.join(" \u{2013} "),
        is_rtl: page.language.dir == "rtl",
    }
}
