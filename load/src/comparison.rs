//! Acknowledged against counted, choice by choice.

use ballot::Slug;
use serde::Serialize;

use crate::{ledger::ChoiceBallots, row::CountsRow};

/// What a comparison found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    /// In the contest's order.
    pub(crate) choices: Vec<ChoiceComparison>,
    /// What is wrong with the row itself, such as sums that do not add up.
    pub(crate) faults: Vec<String>,
}

/// One choice's ballots of this run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChoiceComparison {
    pub(crate) choice: Slug,
    pub(crate) title: String,
    /// Acknowledged in this run: the least that must be counted.
    pub(crate) acknowledged: u64,
    /// Neither acknowledged nor refused: as many more may be counted.
    pub(crate) unknown: u64,
    /// Counted since the row before the run.
    pub(crate) counted: i64,
    /// Acknowledged and not counted.
    pub(crate) lost: u64,
    /// Counted without being acknowledged: twice, or cast by somebody else meanwhile.
    pub(crate) extra: u64,
}

impl Comparison {
    /// Compares what was sent with the rows before and after; without a row before, everything
    /// counted is of this run. `choices` and `sent` are in the contest's order.
    pub(crate) fn new(
        choices: &[Slug],
        sent: &[ChoiceBallots],
        before: Option<&CountsRow>,
        after: &CountsRow,
    ) -> Self {
        let compared = choices.iter().zip(sent).map(|(choice, sent)| {
            let counted = votes(after, choice) - before.map_or(0, |row| votes(row, choice));
            let least = sent.acknowledged as i64;
            let most = least + sent.unknown as i64;
            ChoiceComparison {
                choice: choice.clone(),
                title: title(after, choice),
                acknowledged: sent.acknowledged,
                unknown: sent.unknown,
                counted,
                lost: (least - counted).max(0) as u64,
                extra: (counted - most).max(0) as u64,
            }
        });
        Self { choices: compared.collect(), faults: faults(choices, after) }
    }

    /// Whether counted is what was acknowledged.
    pub(crate) fn is_equal(&self) -> bool {
        self.faults.is_empty() && self.lost() == 0 && self.extra() == 0
    }

    /// Votes acknowledged and not counted.
    pub(crate) fn lost(&self) -> u64 {
        self.choices.iter().map(|choice| choice.lost).sum()
    }

    /// Votes counted and not acknowledged.
    pub(crate) fn extra(&self) -> u64 {
        self.choices.iter().map(|choice| choice.extra).sum()
    }
}

fn votes(row: &CountsRow, choice: &Slug) -> i64 {
    row.choices.iter().find(|line| line.choice == *choice).map_or(0, |line| line.votes as i64)
}

fn title(row: &CountsRow, choice: &Slug) -> String {
    let line = row.choices.iter().find(|line| line.choice == *choice);
    line.map_or_else(|| choice.to_string(), |line| line.title.clone())
}

fn faults(choices: &[Slug], row: &CountsRow) -> Vec<String> {
    let mut faults = Vec::new();
    let sum: u64 = row.choices.iter().map(|line| line.votes).sum();
    if sum != row.total {
        faults.push(format!("the votes sum up to {sum}, but the total is {}", row.total));
    }
    if !row.choices.iter().map(|line| &line.choice).eq(choices) {
        faults.push("the row's choices are not the definition's, in its order".to_owned());
    }
    if let Some(ballots) = row.ballots {
        let of_four = ballots.counted + ballots.duplicate + ballots.late + ballots.void;
        if of_four != ballots.recorded {
            faults.push(format!(
                "counted, duplicate, late and void sum up to {of_four}, but {} are recorded",
                ballots.recorded
            ));
        }
        if ballots.counted != row.total {
            faults.push(format!(
                "{} ballots are counted, but the total is {}",
                ballots.counted, row.total
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{RowBallots, RowChoice};

    const NAMES: [&str; 3] = ["a", "b", "c"];

    fn slugs() -> Vec<Slug> {
        NAMES.map(|name| name.parse().unwrap()).to_vec()
    }

    fn row(votes: [u64; 3]) -> CountsRow {
        let total = votes.iter().sum();
        CountsRow {
            status: "provisional".to_owned(),
            counted_through: ballot::Timestamp::from_micros(0),
            total,
            choices: slugs()
                .into_iter()
                .zip(votes)
                .map(|(choice, votes)| RowChoice { title: choice.to_string(), choice, votes })
                .collect(),
            ballots: Some(RowBallots {
                recorded: total + 4,
                counted: total,
                duplicate: 4,
                late: 0,
                void: 0,
            }),
        }
    }

    fn sent(ballots: [(u64, u64); 3]) -> Vec<ChoiceBallots> {
        ballots.map(|(acknowledged, unknown)| ChoiceBallots { acknowledged, unknown }).to_vec()
    }

    #[test]
    fn equal_is_equal_also_on_top_of_older_votes() {
        let ours = sent([(5, 0), (0, 0), (2, 0)]);
        assert!(Comparison::new(&slugs(), &ours, None, &row([5, 0, 2])).is_equal());
        let before = row([10, 20, 30]);
        assert!(Comparison::new(&slugs(), &ours, Some(&before), &row([15, 20, 32])).is_equal());
    }

    #[test]
    fn a_planted_difference_is_found_and_named_also_where_the_totals_agree() {
        let ours = sent([(5, 0), (0, 0), (2, 0)]);
        let lost = Comparison::new(&slugs(), &ours, None, &row([4, 0, 2]));
        assert_eq!((lost.is_equal(), lost.lost(), lost.extra()), (false, 1, 0));
        let twice = Comparison::new(&slugs(), &ours, None, &row([5, 0, 3]));
        assert_eq!((twice.is_equal(), twice.lost(), twice.extra()), (false, 0, 1));
        let swapped = Comparison::new(&slugs(), &ours, None, &row([4, 1, 2]));
        assert_eq!((swapped.is_equal(), swapped.lost(), swapped.extra()), (false, 1, 1));
        let before = row([10, 0, 0]);
        let vanished = Comparison::new(&slugs(), &ours, Some(&before), &row([9, 0, 2]));
        assert_eq!(vanished.lost(), 6, "the older vote that is gone, too");
    }

    #[test]
    fn unknown_ballots_widen_the_range_of_their_own_choice_only() {
        let ours = sent([(5, 2), (0, 0), (2, 0)]);
        for votes in [[5, 0, 2], [6, 0, 2], [7, 0, 2]] {
            assert!(Comparison::new(&slugs(), &ours, None, &row(votes)).is_equal(), "{votes:?}");
        }
        for votes in [[4, 0, 2], [8, 0, 2], [5, 1, 2], [5, 0, 3]] {
            assert!(!Comparison::new(&slugs(), &ours, None, &row(votes)).is_equal(), "{votes:?}");
        }
    }

    #[test]
    fn a_row_that_does_not_add_up_is_a_difference() {
        let ours = sent([(5, 0), (0, 0), (2, 0)]);
        let good = row([5, 0, 2]);
        let broken: [fn(&mut CountsRow); 4] = [
            |row| row.total += 1,
            |row| row.choices.swap(0, 1),
            |row| {
                row.choices.pop();
            },
            |row| row.ballots = row.ballots.map(|ballots| RowBallots { late: 1, ..ballots }),
        ];
        for broke in broken {
            let mut row = good.clone();
            broke(&mut row);
            assert!(!Comparison::new(&slugs(), &ours, None, &row).is_equal(), "{row:?}");
        }
    }
}
