//! What a count must be: the vote policies as DESIGN.md has them, in the plainest way. Shares nothing
//! with the fold.

use std::collections::BTreeMap;

use ballot::{Ballot, BallotId, Batch, Contest, Policy};

/// The numbers of a counts row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) choices: Vec<u64>,
    pub(crate) recorded: u64,
    pub(crate) late: u64,
}

impl Numbers {
    pub(crate) fn total(&self) -> u64 {
        self.choices.iter().sum()
    }
}

/// Counts the ballots of these batches.
pub(crate) fn count<'a>(contest: &Contest, batches: impl Iterator<Item = &'a [Ballot]>) -> Numbers {
    let mut numbers = Numbers { choices: vec![0; contest.choices.len()], ..Numbers::default() };
    // By voter and ballot id, the earliest row.
    let mut in_time: BTreeMap<[u8; 16], BTreeMap<BallotId, Ballot>> = BTreeMap::new();
    for ballot in batches.flatten() {
        numbers.recorded += 1;
        let hours = contest.hours;
        let opened = hours.opens_at.is_some_and(|opens_at| ballot.recorded_at >= opens_at);
        let closed = hours.closes_at.is_some_and(|closes_at| ballot.recorded_at >= closes_at);
        if !opened || closed {
            numbers.late += 1;
            continue;
        }
        let voters = in_time.entry(*ballot.voter.as_bytes()).or_default();
        let earliest = voters.entry(ballot.id).or_insert(*ballot);
        if ballot.recorded_at < earliest.recorded_at {
            *earliest = *ballot;
        }
    }
    for ballots in in_time.values() {
        let mut winners: Vec<&Ballot> = ballots.values().collect();
        winners.sort_by_key(|ballot| (ballot.recorded_at, ballot.id));
        match contest.policy {
            Policy::One => winners.truncate(1),
            Policy::UpTo(most) => winners.truncate(usize::from(most)),
            Policy::Latest => {
                let latest = winners.into_iter().max_by_key(|ballot| ballot.id);
                winners = latest.into_iter().collect();
            }
            Policy::Unlimited => {}
        }
        for winner in winners {
            numbers.choices[usize::from(winner.choice.0)] += 1;
        }
    }
    numbers
}

/// The ballots of a batch; what the store has is what was packed.
pub(crate) fn ballots(batch: &Batch) -> Vec<Ballot> {
    batch.unpack().unwrap_or_default()
}
