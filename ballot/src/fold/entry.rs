//! What the fold keeps of a ballot, and the rules by which one ballot wins over another.

use std::cmp::Ordering;

use crate::{Ballot, Contest, Policy, Timestamp, limits};

/// What the fold takes from a contest: its policy, its hours and how many choices it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    policy: Policy,
    opens_at: Timestamp,
    /// First moment after the hours; `opens_at` while the contest has no hours.
    ends_at: Timestamp,
    choices: u16,
}

/// A ballot for a choice, or by a channel, that its contest cannot have: the batch is damaged or
/// belongs to another definition. Nothing may be counted before somebody has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ballot for choice number {choice} by channel number {channel}, which cannot be")]
pub struct UnknownChoice {
    /// The ballot's choice number.
    pub choice: u16,
    /// The ballot's channel number.
    pub channel: u8,
}

impl Rules {
    /// The rules of a contest.
    pub fn new(contest: &Contest) -> Self {
        let opens_at = contest.hours.opens_at.unwrap_or_default();
        // No contest lasts longer than this (`HOURS_MAX`); one without an end must stop somewhere,
        // as 48 bits hold the time.
        let last = opens_at.plus(limits::HOURS_MAX);
        let ends_at = match (contest.hours.opens_at, contest.hours.closes_at) {
            (None, _) => opens_at,
            (_, None) => last,
            (_, Some(closes_at)) => closes_at.min(last),
        };
        let choices = contest.choices.len() as u16;
        Self { policy: contest.policy, opens_at, ends_at, choices }
    }

    pub(super) fn choices(&self) -> u16 {
        self.choices
    }

    /// The entry of a ballot; `None` if it is late.
    pub(super) fn entry(&self, ballot: &Ballot) -> Result<Option<Entry>, UnknownChoice> {
        let (choice, channel) = (ballot.choice.0, ballot.channel.0);
        if choice >= self.choices || usize::from(channel) > limits::CHANNELS_MAX {
            return Err(UnknownChoice { choice, channel });
        }
        if ballot.recorded_at < self.opens_at || ballot.recorded_at >= self.ends_at {
            return Ok(None);
        }
        let micros = ballot.recorded_at.as_micros() - self.opens_at.as_micros();
        let row = (micros as u64) << 16 | u64::from(choice) << 6 | u64::from(channel);
        let voter = halves(ballot.voter.as_bytes());
        let id = halves(ballot.id.as_bytes());
        Ok(Some(Entry([voter[0], voter[1], id[0], id[1], row])))
    }

    /// Leaves of one voter's entries those that win, in their order. One entry always wins.
    pub(super) fn keep_winners(&self, entries: &mut Vec<Entry>) {
        entries.sort_unstable();
        // Of the rows of one ballot id the first is kept: the earliest.
        entries.dedup_by(|next, first| next.id() == first.id());
        match self.policy {
            Policy::One => keep_first(entries, 1),
            Policy::UpTo(k) => keep_first(entries, usize::from(k)),
            Policy::Latest => drop(entries.drain(..entries.len().saturating_sub(1))),
            Policy::Unlimited => {}
        }
    }
}

/// Keeps the `k` smallest by (`recorded_at`, ballot id), still in the order of their ballot ids.
fn keep_first(entries: &mut Vec<Entry>, k: usize) {
    if entries.len() > k {
        entries.select_nth_unstable_by(k, Entry::cmp_recorded);
        entries.truncate(k);
        entries.sort_unstable();
    }
}

/// A ballot inside the hours: voter (2 words), ballot id (2 words), and one word of
/// microseconds since the opening (48 bits), choice (10 bits) and channel (6 bits).
///
/// The derived order is the order of a fold's state: voter, ballot id, then the earlier row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry([u64; 5]);

impl Entry {
    pub(super) const ZERO: Self = Self([0; 5]);

    /// The voter's first 64 bits: a keyed hash, so evenly spread.
    pub(super) fn prefix(&self) -> u64 {
        self.0[0]
    }

    pub(super) fn voter(&self) -> [u64; 2] {
        [self.0[0], self.0[1]]
    }

    pub(super) fn choice(&self) -> usize {
        (self.0[4] >> 6 & 0x3ff) as usize
    }

    pub(super) fn channel(&self) -> usize {
        (self.0[4] & 0x3f) as usize
    }

    fn id(&self) -> [u64; 2] {
        [self.0[2], self.0[3]]
    }

    fn cmp_recorded(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| (entry.0[4] >> 16, entry.id());
        key(self).cmp(&key(other))
    }
}

/// Two words that compare as the 16 bytes do.
fn halves(bytes: &[u8; 16]) -> [u64; 2] {
    let bits = u128::from_be_bytes(*bytes);
    [(bits >> 64) as u64, bits as u64]
}
