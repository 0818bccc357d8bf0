//! The results as the public sees them, where a contest shows them.

use std::sync::Arc;

use ballot::{ChoiceVotes, Counts, CountsStatus, Slug, Timestamp};
use contests::LiveContest;
use serde::Serialize;

#[derive(Serialize)]
struct Results<'a> {
    contest: &'a Slug,
    status: CountsStatus,
    counted_through: Timestamp,
    total: u64,
    choices: &'a [ChoiceVotes],
    /// As in the contest's state: a page that hears it need not ask for that.
    definition: &'a str,
}

/// The results in one line of JSON.
pub(crate) fn json(counts: &Counts, definition: &str) -> Vec<u8> {
    let results = Results {
        contest: &counts.contest,
        status: counts.status,
        counted_through: counts.counted_through,
        total: counts.total,
        choices: &counts.choices,
        definition,
    };
    serde_json::to_vec(&results).expect("results have only string keys")
}

/// Whether the public may see these counts.
pub(crate) fn is_visible(live: &LiveContest, counts: Option<&Counts>) -> bool {
    live.contest.results.are_shown(counts.map(|counts| counts.status))
}

/// The counts with the titles that the choices have now.
pub(crate) fn retitled(counts: Arc<Counts>, live: &LiveContest) -> Arc<Counts> {
    counts.retitled(&live.contest).map_or(counts, Arc::new)
}
