//! One region of a fold: the entries of the voters that share their first bits.

use std::cmp::Ordering;

use super::{
    entry::{Entry, Rules},
    rows::REGION_BITS,
    sort::sort_rows,
    votes::Votes,
};

/// Entries of a partition, on average, at most: 2.5 KB, so that one more row moves little
/// memory. Fewer would make the partitions themselves (24 bytes each) count.
const PARTITION_ENTRIES_MAX: usize = 64;
/// Rows into one partition up to which each is inserted where it belongs; more are merged in one
/// pass, which rewrites the partition.
const INSERT_ROWS_MAX: usize = 4;
/// A partition that is full grows by this part of its entries, at least by one. Small, as it is
/// all slack: 40 bytes an entry and 48 bytes a voter leave a fifth for it and the allocator.
const GROWTH_PART: usize = 16;

/// The winners among the rows absorbed, by voter, then ballot id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    rules: Rules,
    /// 2 to the power of `bits`, by the voter's bits after the region's. As many as the number
    /// of entries asks for, which never shrinks: so they too are the same for the same rows.
    partitions: Vec<Vec<Entry>>,
    bits: u32,
    entries: usize,
    /// The sum over the entries, kept along.
    votes: Votes,
}

/// Memory that one thread needs while it absorbs.
#[derive(Default)]
pub struct Scratch {
    rows: Vec<Entry>,
    starts: Vec<u32>,
    voter: Vec<Entry>,
    merged: Vec<Entry>,
}

impl Region {
    pub(super) fn new(rules: Rules) -> Self {
        let partitions = vec![Vec::new()];
        Self { rules, partitions, bits: 0, entries: 0, votes: Votes::none(rules) }
    }

    pub(super) fn votes(&self) -> &Votes {
        &self.votes
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = &[Entry]> + Clone {
        self.partitions.iter().map(Vec::as_slice)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let entries: usize = self.partitions.iter().map(Vec::capacity).sum();
        let votes = self.votes.choices.capacity() + self.votes.channels.capacity();
        size_of::<Self>()
            + self.partitions.capacity() * size_of::<Vec<Entry>>()
            + entries * size_of::<Entry>()
            + votes * size_of::<u64>()
    }

    pub(super) fn absorb<'a>(
        &mut self,
        chunks: impl Iterator<Item = &'a [Entry]> + Clone,
        scratch: &mut Scratch,
    ) {
        let Scratch { rows, starts, voter, merged } = scratch;
        sort_rows(chunks, rows, starts);
        self.keep_winners_of_rows(rows, voter);
        if rows.len() > self.entries {
            // At least so many entries there will be: cut before they are copied.
            self.split(rows.len());
        }
        let mut rest = rows.as_slice();
        while let Some(first) = rest.first() {
            let partition = self.partition_of(first);
            let end = rest.partition_point(|row| self.partition_of(row) <= partition);
            let (rows, next) = rest.split_at(end);
            rest = next;
            let mut absorb = Absorb { rules: self.rules, votes: &mut self.votes, voter };
            let entries = &mut self.partitions[partition];
            let before = entries.len();
            if rows.len() <= INSERT_ROWS_MAX {
                absorb.insert(entries, rows);
            } else {
                absorb.merge(entries, rows, merged);
            }
            self.entries += entries.len() - before;
        }
        self.split(self.entries);
    }

    /// What does not win among the rows alone does not win at all.
    fn keep_winners_of_rows(&self, rows: &mut Vec<Entry>, voter: &mut Vec<Entry>) {
        let (mut kept, mut next) = (0, 0);
        while next < rows.len() {
            let same = of_first_voter(&rows[next..]);
            if same == 1 {
                rows[kept] = rows[next];
                kept += 1;
            } else {
                voter.clear();
                voter.extend_from_slice(&rows[next..next + same]);
                self.rules.keep_winners(voter);
                rows[kept..kept + voter.len()].copy_from_slice(voter);
                kept += voter.len();
            }
            next += same;
        }
        rows.truncate(kept);
    }

    fn partition_of(&self, entry: &Entry) -> usize {
        // In two steps, as a shift by 64 overflows where `bits` is 0.
        ((entry.prefix() << REGION_BITS) >> 1 >> (63 - self.bits)) as usize
    }

    /// Cuts every partition where so many entries ask for more of them.
    fn split(&mut self, entries: usize) {
        let asked = entries.div_ceil(PARTITION_ENTRIES_MAX).max(1);
        let bits = asked.next_power_of_two().ilog2();
        if bits <= self.bits {
            return;
        }
        let pieces = 1 << (bits - self.bits);
        self.bits = bits;
        let mut partitions = Vec::with_capacity(1 << bits);
        for old in std::mem::take(&mut self.partitions) {
            let mut rest = old.as_slice();
            for _ in 0..pieces {
                let piece = partitions.len();
                let end = rest.partition_point(|entry| self.partition_of(entry) <= piece);
                let (entries, next) = rest.split_at(end);
                partitions.push(entries.to_vec());
                rest = next;
            }
        }
        self.partitions = partitions;
    }
}

/// Absorbing rows into a partition: sorted ones, which have won among themselves.
struct Absorb<'a> {
    rules: Rules,
    votes: &'a mut Votes,
    /// Scratch: the entries and rows of one voter.
    voter: &'a mut Vec<Entry>,
}

impl Absorb<'_> {
    /// Puts each voter's winners where they belong.
    fn insert(&mut self, entries: &mut Vec<Entry>, rows: &[Entry]) {
        for rows in rows.chunk_by(|a, b| a.voter() == b.voter()) {
            let voter = rows[0].voter();
            let start = entries.partition_point(|entry| entry.voter() < voter);
            let old = entries[start..].iter().take_while(|entry| entry.voter() == voter).count();
            let end = start + old;
            self.winners(&entries[start..end], rows);
            if self.voter.len() == old {
                entries[start..end].copy_from_slice(self.voter);
                continue;
            }
            let more = self.voter.len() - old;
            if entries.capacity() - entries.len() < more {
                entries.reserve_exact(more.max(entries.len() / GROWTH_PART));
            }
            entries.splice(start..end, self.voter.drain(..));
        }
    }

    /// Rewrites the partition in one pass over its entries and the rows.
    fn merge(&mut self, entries: &mut Vec<Entry>, rows: &[Entry], merged: &mut Vec<Entry>) {
        if entries.is_empty() {
            rows.iter().for_each(|row| self.votes.add(row));
            *entries = rows.to_vec();
            return;
        }
        merged.clear();
        let (mut old, mut new) = (entries.as_slice(), rows);
        while let ([entry, old_tail @ ..], [row, new_tail @ ..]) = (old, new) {
            match entry.voter().cmp(&row.voter()) {
                Ordering::Less => {
                    merged.push(*entry);
                    old = old_tail;
                }
                Ordering::Greater => {
                    // All rows of this voter come this way, and have won among themselves.
                    self.votes.add(row);
                    merged.push(*row);
                    new = new_tail;
                }
                Ordering::Equal => {
                    let (had, old_tail) = old.split_at(of_first_voter(old));
                    let (came, new_tail) = new.split_at(of_first_voter(new));
                    self.winners(had, came);
                    merged.extend_from_slice(self.voter);
                    (old, new) = (old_tail, new_tail);
                }
            }
        }
        merged.extend_from_slice(old);
        new.iter().for_each(|row| self.votes.add(row));
        merged.extend_from_slice(new);
        if merged.len() == entries.len() {
            entries.copy_from_slice(merged);
        } else {
            *entries = merged.as_slice().to_vec();
        }
    }

    /// Leaves in `self.voter` those that win of one voter's entries and new rows, and corrects
    /// the votes.
    fn winners(&mut self, old: &[Entry], rows: &[Entry]) {
        self.voter.clear();
        self.voter.extend_from_slice(old);
        self.voter.extend_from_slice(rows);
        if !old.is_empty() {
            self.rules.keep_winners(self.voter);
        }
        old.iter().for_each(|entry| self.votes.subtract(entry));
        self.voter.iter().for_each(|entry| self.votes.add(entry));
    }
}

/// How many entries at the front are the first one's voter's.
fn of_first_voter(entries: &[Entry]) -> usize {
    let same = |entry: &&Entry| entry.voter() == entries[0].voter();
    entries.iter().take_while(same).count()
}
