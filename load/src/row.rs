//! A contest's counts, as the HTTP contract has them.

use ballot::{Slug, Timestamp};
use serde::{Deserialize, Serialize};

/// A counts row, or public results, as the contract has them. Read here and not as the server's
/// own type, so that a member renamed there is a difference here.
#[derive(Clone, Debug, Deserialize)]
pub struct CountsRow {
    /// `provisional`, `final` or `certified`.
    pub status: String,
    /// Everything acknowledged before this moment is in the numbers.
    pub counted_through: Timestamp,
    /// Votes counted.
    pub total: u64,
    /// In the definition's order.
    pub choices: Vec<RowChoice>,
    /// Not in public results.
    #[serde(default)]
    pub ballots: Option<RowBallots>,
}

/// One choice's line of a row.
#[derive(Clone, Debug, Deserialize)]
pub struct RowChoice {
    /// Its name for machines.
    pub choice: Slug,
    /// Its name for people.
    pub title: String,
    /// What it has got.
    pub votes: u64,
}

/// What became of the ballots: `recorded` is the sum of the others.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the contract says what each means")]
pub struct RowBallots {
    pub recorded: u64,
    pub counted: u64,
    pub duplicate: u64,
    pub late: u64,
    pub void: u64,
}

impl CountsRow {
    /// Whether nothing will change it any more.
    pub fn is_final(&self) -> bool {
        matches!(self.status.as_str(), "final" | "certified")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_counts_row_of_the_contract_and_public_results() {
        let row = r#"{"contest":"tv","status":"provisional","generation":7,
            "counted_through":"2026-11-23T20:00:02Z","closed_at":null,"total":3,
            "choices":[{"choice":"a","title":"A","votes":3},{"choice":"b","title":"B","votes":0}],
            "ballots":{"recorded":5,"counted":3,"duplicate":2,"late":0,"void":0},
            "channels":{"web":3}}"#;
        let row: CountsRow = serde_json::from_str(row).unwrap();
        assert_eq!((row.total, row.choices[0].votes, row.is_final()), (3, 3, false));
        assert_eq!(row.ballots.unwrap().duplicate, 2);
        let results = r#"{"contest":"tv","status":"final","counted_through":"2026-11-23T20:00:02Z",
            "total":0,"choices":[]}"#;
        let results: CountsRow = serde_json::from_str(results).unwrap();
        assert!(results.is_final() && results.ballots.is_none());
        assert!(serde_json::from_str::<CountsRow>(r#"{"status":"final","total":0}"#).is_err());
    }
}
