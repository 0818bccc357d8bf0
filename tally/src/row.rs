//! From a fold to a counts row: plain computation.

use std::collections::BTreeMap;

use ballot::{
    BallotCounts, ChannelNumber, ChoiceVotes, Counts, CountsStatus, Timestamp,
    fold::{Fold, RowCounts},
};

use crate::TallyContest;

/// A provisional row, without a generation yet. Void ballots will be subtracted where the fold
/// leaves them out; nothing can be void yet.
pub(crate) fn provisional(
    contest: &TallyContest,
    fold: &Fold,
    rows: RowCounts,
    counted_through: Timestamp,
) -> Counts {
    let votes = fold.votes();
    let total = votes.total();
    let choices = contest.contest.choices.iter().zip(votes.choices);
    let ballots = BallotCounts {
        recorded: rows.recorded,
        counted: total,
        duplicate: rows.recorded - rows.late - total,
        late: rows.late,
        void: 0,
    };
    let closes_at = contest.contest.hours.closes_at;
    Counts {
        contest: contest.slug.clone(),
        status: CountsStatus::Provisional,
        generation: 0,
        counted_through,
        closed_at: closes_at.filter(|closes_at| *closes_at <= counted_through),
        total,
        choices: choices
            .map(|(choice, votes)| ChoiceVotes {
                choice: choice.choice.clone(),
                title: choice.title.clone(),
                votes,
            })
            .collect(),
        ballots,
        channels: channels(contest, &votes.channels),
        batch_set: None,
    }
}

/// Every channel of the contest, and any other with votes: one made since the contest was read
/// has no name yet, but its votes are in the total.
fn channels(contest: &TallyContest, votes: &[u64]) -> BTreeMap<String, u64> {
    let name = |n: usize| match n.checked_sub(1) {
        None => ChannelNumber::WEB_NAME.to_owned(),
        Some(n) => {
            contest.channels.get(n).map_or(format!("channel-{}", n + 1), ToString::to_string)
        }
    };
    let numbered = votes.iter().enumerate();
    let shown = numbered.filter(|(n, votes)| *n <= contest.channels.len() || **votes > 0);
    shown.map(|(n, votes)| (name(n), *votes)).collect()
}
