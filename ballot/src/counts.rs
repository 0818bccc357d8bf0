//! The counts row: what administrators are served, and nothing but the tally writes.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::{Contest, ResultsVisibility, Slug, Timestamp};

/// The counts of a contest. `recorded = counted + duplicate + late + void`;
/// `total = counted =` sum of votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Which contest.
    pub contest: Slug,
    /// How settled the numbers are.
    pub status: CountsStatus,
    /// Grows by one with every publish; the fence against a worker that lost its lease.
    pub generation: u64,
    /// Everything acknowledged before this moment is in the numbers.
    pub counted_through: Timestamp,
    /// When the contest closed; `None` while open.
    pub closed_at: Option<Timestamp>,
    /// Counted ballots.
    pub total: u64,
    /// All choices in the definition's order, zeros included.
    pub choices: Vec<ChoiceVotes>,
    /// What became of the recorded ballots.
    pub ballots: BallotCounts,
    /// Counted ballots by channel; `web` is always there.
    pub channels: BTreeMap<String, u64>,
    /// The set of batches that a final count is of; `None` while provisional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_set: Option<BatchSet>,
}

impl Counts {
    /// The control document that holds a contest's row.
    pub fn document_key(contest: &Slug) -> String {
        format!("counts/{contest}")
    }

    /// The same with the definition's titles, if they are others: one that is corrected after the last
    /// count stands corrected.
    pub fn retitled(&self, contest: &Contest) -> Option<Self> {
        let choices = contest.choices.iter().map(|choice| (&choice.choice, &choice.title));
        if self.choices.iter().map(|votes| (&votes.choice, &votes.title)).eq(choices.clone()) {
            return None;
        }
        let titles: HashMap<_, _> = choices.collect();
        let mut counts = self.clone();
        for votes in &mut counts.choices {
            if let Some(title) = titles.get(&votes.choice) {
                votes.title.clone_from(title);
            }
        }
        Some(counts)
    }
}

/// How settled a count is: `provisional -> final -> certified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountsStatus {
    /// Open, or closed a moment ago.
    Provisional,
    /// Counted again from all ballots after the close.
    Final,
    /// Signed off by an administrator; the batch set is fixed.
    Certified,
}

impl ResultsVisibility {
    /// Whether everybody may see the counts, which stand so; `None` before the first.
    pub fn are_shown(self, status: Option<CountsStatus>) -> bool {
        match self {
            Self::Live => true,
            Self::Hidden => false,
            Self::AfterClose => status.is_some_and(|status| status >= CountsStatus::Final),
        }
    }
}

/// One choice's votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceVotes {
    /// Which choice.
    pub choice: Slug,
    /// Its title when the row was published.
    pub title: String,
    /// Counted ballots for it.
    pub votes: u64,
}

/// What became of the recorded ballots; each row is in exactly one of the four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BallotCounts {
    /// Rows in distinct batches.
    pub recorded: u64,
    /// In the result.
    pub counted: u64,
    /// Retries, and ballots past the voter's limit.
    pub duplicate: u64,
    /// Recorded outside the hours.
    pub late: u64,
    /// Taken out of the count by an administrator.
    pub void: u64,
}

/// Which batches a final count is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchSet {
    /// How many.
    pub batches: u64,
    /// BLAKE3 over the batch ids in ascending order, 16 bytes each; 64 hex digits.
    pub digest: String,
}
