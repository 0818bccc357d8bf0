//! The shuffle: rows scattered by their voter.

use super::entry::{Entry, Rules, UnknownChoice};
use crate::Ballot;

/// Regions of a fold, by the first bits of the voter: as many pieces of work as can run at once.
/// More would cost memory where the contest has many choices (each region keeps its own votes).
pub(super) const REGION_BITS: u32 = 6;
pub(super) const REGIONS: usize = 1 << REGION_BITS;

/// Rows to be absorbed, scattered by voter. Each thread of a map fills its own.
#[derive(Clone, Debug)]
pub struct Rows {
    rules: Rules,
    regions: Vec<Vec<Entry>>,
    counts: RowCounts,
}

/// What the rows pushed so far were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// All of them.
    pub recorded: u64,
    /// Those outside the hours.
    pub late: u64,
}

impl Rows {
    /// No rows yet.
    pub fn new(rules: Rules) -> Self {
        Self { rules, regions: vec![Vec::new(); REGIONS], counts: RowCounts::default() }
    }

    /// Takes in one row. A row outside the hours is only counted. (So would a void one be: a set
    /// of void ballot ids belongs to the rules and is asked here, before a ballot can win.)
    pub fn push(&mut self, ballot: &Ballot) -> Result<(), UnknownChoice> {
        let entry = self.rules.entry(ballot)?;
        self.counts.recorded += 1;
        match entry {
            Some(entry) => {
                self.regions[(entry.prefix() >> (64 - REGION_BITS)) as usize].push(entry);
            }
            None => self.counts.late += 1,
        }
        Ok(())
    }

    /// How many rows, and how many of them late.
    pub fn counts(&self) -> RowCounts {
        self.counts
    }

    /// Forgets the rows, keeps the memory for the next ones.
    pub fn clear(&mut self) {
        self.regions.iter_mut().for_each(Vec::clear);
        self.counts = RowCounts::default();
    }

    pub(super) fn rules(&self) -> Rules {
        self.rules
    }

    pub(super) fn of_region(&self, region: usize) -> &[Entry] {
        &self.regions[region]
    }
}

impl std::ops::AddAssign for RowCounts {
    fn add_assign(&mut self, more: Self) {
        self.recorded += more.recorded;
        self.late += more.late;
    }
}
