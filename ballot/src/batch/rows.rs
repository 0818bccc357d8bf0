//! The ballots of a packed batch, one after the other, without an allocation.

use super::{
    format::CorruptBatch,
    integers::{Integers, Packed},
    layout::{Columns, RANDOM_HIGH_BITS},
};
use crate::{Ballot, BallotId, ChannelNumber, ChoiceNumber, Timestamp, Voter};

/// The ballots of a checked batch, in the order they were packed; made by [`super::Batch::rows`]
/// or [`super::Batch::rows_deriving`].
pub struct Rows<'a, D = fn(BallotId) -> Voter> {
    created_ms: i64,
    id_time: Integers<'a>,
    random_low: std::slice::Iter<'a, [u8; 8]>,
    random_high: Packed<'a>,
    recorded_at: Integers<'a>,
    choice: Integers<'a>,
    channel: Integers<'a>,
    voters: Voters<'a, D>,
}

enum Voters<'a, D> {
    Stored(std::slice::Iter<'a, [u8; 16]>),
    Derived(D),
}

impl<'a> Rows<'a> {
    pub(super) fn stored(columns: Columns<'a>) -> Result<Self, CorruptBatch> {
        let voters = columns.voters.ok_or(CorruptBatch("the voters are not stored"))?;
        Ok(Self::new(columns, Voters::Stored(voters.iter())))
    }
}

impl<'a, D: Fn(BallotId) -> Voter> Rows<'a, D> {
    pub(super) fn deriving(columns: Columns<'a>, derive: D) -> Self {
        let voters = match columns.voters {
            Some(voters) => Voters::Stored(voters.iter()),
            None => Voters::Derived(derive),
        };
        Self::new(columns, voters)
    }

    fn new(columns: Columns<'a>, voters: Voters<'a, D>) -> Self {
        Self {
            created_ms: columns.created_ms,
            id_time: columns.id_time,
            random_low: columns.random_low.iter(),
            random_high: Packed::new(columns.random_high, RANDOM_HIGH_BITS),
            recorded_at: columns.recorded_at,
            choice: columns.choice,
            channel: columns.channel,
            voters,
        }
    }
}

impl<D: Fn(BallotId) -> Voter> Iterator for Rows<'_, D> {
    type Item = Ballot;

    #[inline]
    fn next(&mut self) -> Option<Ballot> {
        let low = u64::from_le_bytes(*self.random_low.next()?);
        let millis = self.created_ms.wrapping_add(self.id_time.next());
        let id = BallotId::from_parts(millis as u64, self.random_high.next() as u16, low);
        let voter = match &mut self.voters {
            Voters::Stored(voters) => Voter::from_bytes(*voters.next()?),
            Voters::Derived(derive) => derive(id),
        };
        let recorded_us = (self.created_ms * 1_000).wrapping_add(self.recorded_at.next());
        Some(Ballot {
            id,
            voter,
            choice: ChoiceNumber(self.choice.next() as u16),
            channel: ChannelNumber(self.channel.next() as u8),
            recorded_at: Timestamp::from_micros(recorded_us),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.random_low.size_hint()
    }
}

impl<D: Fn(BallotId) -> Voter> ExactSizeIterator for Rows<'_, D> {}
