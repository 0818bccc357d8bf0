//! The results as a table in a page.

use ballot::Counts;

use super::{
    language::{Filled, Language},
    moment::Moment,
    words,
};
use crate::shares::shares;

/// The results of a contest in words.
pub(super) struct Results<'a> {
    /// How many, how settled, how fresh; as markup.
    pub(super) state: String,
    pub(super) rows: Vec<ResultsRow<'a>>,
}

/// One choice.
pub(super) struct ResultsRow<'a> {
    pub(super) choice: &'a str,
    pub(super) title: &'a str,
    pub(super) votes: String,
    /// In percent, as the language writes it.
    pub(super) share: String,
    /// How long its bar is, in percent of all votes.
    pub(super) length: String,
}

impl<'a> Results<'a> {
    /// Those of a counts row.
    pub(super) fn new(counts: &'a Counts, language: &Language) -> Self {
        let shares = shares(counts.choices.iter().map(|row| row.votes));
        let rows = counts.choices.iter().zip(shares).map(|(row, share)| ResultsRow {
            choice: row.choice.as_str(),
            title: &row.title,
            votes: language.numbers.grouped(row.votes),
            share: language.numbers.percent(share),
            length: words::length(row.votes, counts.total),
        });
        let through = Moment::new(counts.counted_through, language.tag);
        let state = language.fill(
            "results_state",
            &[
                ("n", Filled::Text(&language.numbers.grouped(counts.total))),
                ("status", Filled::Text(language.say(words::status(counts.status)))),
                ("time", Filled::Time(&through)),
            ],
        );
        Self { state, rows: rows.collect() }
    }
}
