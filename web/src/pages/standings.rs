//! The results as a table in a page.

use ballot::{ChoiceVotes, Counts};

use super::{
    language::{Filled, Language},
    moment::Moment,
    words,
};

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
    pub(super) share: String,
}

impl<'a> Results<'a> {
    /// Those of a counts row.
    pub(super) fn new(counts: &'a Counts, language: &Language) -> Self {
        let row = |row: &'a ChoiceVotes| ResultsRow {
            choice: row.choice.as_str(),
            title: &row.title,
            votes: words::grouped(row.votes),
            share: words::share(row.votes, counts.total),
        };
        let through = Moment::new(counts.counted_through, language.tag);
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
