//! Packing: from ballots to the bytes of a batch.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    format::{CHANNEL_NUMBERS, CHOICE_NUMBERS, RECORDED_AT_MAX},
    integers,
    layout::{ENTRY_BYTES, HEADER_BYTES, MAGIC, RANDOM_HIGH_BITS, Tag, VERSION},
};
use crate::{Ballot, BatchId, Slug, Timestamp, limits};

/// Whether the voters stand in the batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Voters {
    Stored,
    Derived,
}

/// The bytes; panics as [`super::Batch::pack`] says.
pub(super) fn pack(contest: &Slug, id: BatchId, ballots: &[Ballot], voters: Voters) -> Bytes {
    let rows = ballots.len();
    assert!((1..=limits::BATCH_BALLOTS_MAX).contains(&rows), "{rows} ballots in a batch");
    let column_count = if voters == Voters::Stored { 6 } else { 5 };
    let mut out = Vec::with_capacity(256 + 48 * rows);
    write_header(contest, id, rows as u16, column_count, &mut out);
    let mut columns = Columns { entry_at: out.len(), out };
    columns.out.resize(columns.entry_at + ENTRY_BYTES * usize::from(column_count), 0);

    let created = id.created_at();
    let numbers = |number: fn(&Ballot) -> i64| ballots.iter().map(number).collect::<Vec<_>>();
    let mut times = numbers(|ballot| ballot.id.time().as_millis());
    times.iter_mut().for_each(|time| *time -= created.as_millis());
    columns.push(Tag::ID_TIME, |out| integers::write(&times, out));
    columns.push(Tag::ID_RANDOM, |out| write_random(ballots, out));
    let mut times = numbers(|ballot| inside(ballot.recorded_at).as_micros());
    times.iter_mut().for_each(|time| *time -= created.as_micros());
    columns.push(Tag::RECORDED_AT, |out| integers::write(&times, out));
    let choices = numbers(|ballot| i64::from(ballot.choice.0));
    assert!(choices.iter().all(|choice| *choice < CHOICE_NUMBERS as i64), "a choice number");
    columns.push(Tag::CHOICE, |out| integers::write_small(&choices, out));
    let channels = numbers(|ballot| i64::from(ballot.channel.0));
    assert!(channels.iter().all(|channel| *channel < CHANNEL_NUMBERS as i64), "a channel number");
    columns.push(Tag::CHANNEL, |out| integers::write_small(&channels, out));
    if voters == Voters::Stored {
        columns.push(Tag::VOTER, |out| {
            ballots.iter().for_each(|ballot| out.extend_from_slice(ballot.voter.as_bytes()));
            0
        });
    }

    let mut out = columns.out;
    let checksum = xxh3_64(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    debug_assert!(out.len() <= limits::BATCH_BYTES_MAX);
    out.into()
}

fn write_header(contest: &Slug, id: BatchId, rows: u16, columns: u8, out: &mut Vec<u8>) {
    let slug = contest.as_str().as_bytes();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, 0, slug.len() as u8, columns]);
    out.extend_from_slice(&rows.to_le_bytes());
    out.extend_from_slice(id.as_bytes());
    debug_assert_eq!(out.len(), HEADER_BYTES);
    out.extend_from_slice(slug);
}

/// The columns after each other, and the directory before them that is filled in as they come.
struct Columns {
    out: Vec<u8>,
    entry_at: usize,
}

impl Columns {
    /// Appends a column; `write` returns its encoding byte.
    fn push(&mut self, tag: u8, write: impl FnOnce(&mut Vec<u8>) -> u8) {
        let from = self.out.len();
        let encoding = write(&mut self.out);
        let length = (self.out.len() - from) as u32;
        let entry = &mut self.out[self.entry_at..self.entry_at + ENTRY_BYTES];
        entry[..2].copy_from_slice(&[tag, encoding]);
        entry[2..].copy_from_slice(&length.to_le_bytes());
        self.entry_at += ENTRY_BYTES;
    }
}

fn write_random(ballots: &[Ballot], out: &mut Vec<u8>) -> u8 {
    let parts = || ballots.iter().map(|ballot| ballot.id.random_parts());
    parts().for_each(|(_, low)| out.extend_from_slice(&low.to_le_bytes()));
    integers::push_packed(parts().map(|(high, _)| u64::from(high)), RANDOM_HIGH_BITS, out);
    0
}

fn inside(recorded_at: Timestamp) -> Timestamp {
    recorded_at.clamp(Timestamp::from_micros(0), RECORDED_AT_MAX)
}
