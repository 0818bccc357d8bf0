//! The fold: from ballots to counts.
//!
//! A join-semilattice: the order in which rows come, how they are grouped and how often they are
//! repeated change nothing, and equal sets of rows give equal folds, bit by bit. Why it is laid
//! out like this: `docs/decisions/0003-fold-state-and-ties.md`.
//!
//! ```text
//! Ballot --Rows::push--> Entry, scattered to 64 regions by its voter   (map and shuffle)
//! Rows --Fold::work--> one Work a region, each of which may run on a thread of its own (reduce)
//! ```
//!
//! A row is one ballot in one batch. [`RowCounts`] counts rows, so it is right only for whoever
//! absorbs every batch once; the [`Fold`] itself does not mind a batch absorbed twice.

use crate::{Ballot, Contest};

mod entry;
use entry::Entry;
pub use entry::{Rules, UnknownChoice};

mod votes;
pub use votes::Votes;

mod rows;
use rows::REGIONS;
pub use rows::{RowCounts, Rows};

mod region;
use region::Region;
pub use region::Scratch;

mod sort;

#[cfg(test)]
mod tests;

/// For each voter, the ballots that win under the contest's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    rules: Rules,
    regions: Vec<Region>,
}

impl Fold {
    /// A fold of no ballots.
    pub fn new(contest: &Contest) -> Self {
        let rules = Rules::new(contest);
        Self { rules, regions: (0..REGIONS).map(|_| Region::new(rules)).collect() }
    }

    /// What it takes from the contest. A fold of other rules is another fold: start from nothing.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Absorbs ballots, on this thread. After an error the fold is as it was.
    pub fn absorb(&mut self, ballots: &[Ballot]) -> Result<RowCounts, UnknownChoice> {
        let mut rows = Rows::new(self.rules);
        for ballot in ballots {
            rows.push(ballot)?;
        }
        self.absorb_rows(&[&rows]);
        Ok(rows.counts())
    }

    /// Absorbs rows, on this thread.
    pub fn absorb_rows(&mut self, rows: &[&Rows]) {
        let mut scratch = Scratch::default();
        for work in self.work(rows) {
            work.run(&mut scratch);
        }
    }

    /// The pieces of work that absorb the rows. They are independent; run every one.
    #[must_use = "rows are absorbed only when every piece of work has run"]
    pub fn work<'a>(&'a mut self, rows: &[&'a Rows]) -> Vec<Work<'a>> {
        debug_assert!(rows.iter().all(|rows| rows.rules() == self.rules));
        let regions = self.regions.iter_mut().enumerate();
        regions
            .map(|(n, region)| Work {
                region,
                rows: rows.iter().map(|rows| rows.of_region(n)).collect(),
            })
            .collect()
    }

    /// Absorbs all that another fold of the same contest has absorbed.
    pub fn merge(&mut self, other: &Self) {
        debug_assert_eq!(self.rules, other.rules);
        let mut scratch = Scratch::default();
        for (region, other) in self.regions.iter_mut().zip(&other.regions) {
            region.absorb(other.partitions(), &mut scratch);
        }
    }

    /// The counted ballots.
    pub fn votes(&self) -> Votes {
        let mut sum = Votes::none(self.rules);
        for region in &self.regions {
            let votes = region.votes();
            sum.choices.iter_mut().zip(&votes.choices).for_each(|(sum, n)| *sum += n);
            sum.channels.iter_mut().zip(&votes.channels).for_each(|(sum, n)| *sum += n);
        }
        sum
    }

    /// Bytes of memory it holds, unused capacity included, an allocator's own not.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.regions.iter().map(Region::memory_bytes).sum::<usize>()
    }
}

/// One region's share of absorbing rows.
#[must_use = "rows are absorbed only when every piece of work has run"]
pub struct Work<'a> {
    region: &'a mut Region,
    rows: Vec<&'a [Entry]>,
}

impl Work<'_> {
    /// Absorbs the rows. A thread keeps its scratch memory from one piece to the next.
    pub fn run(self, scratch: &mut Scratch) {
        self.region.absorb(self.rows.into_iter(), scratch);
    }
}
