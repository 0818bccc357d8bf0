//! The five designs, chosen by name.

use std::str::FromStr;

use anyhow::{Error, Result, bail};

use crate::{
    batches::Batches, cast::Cast, cluster::Cluster, counter_row::CounterRow, memory::Memory,
    partitions::Partitions, row_per_ballot::RowPerBallot, suffix_counters::SuffixCounters,
};

/// Which design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Memory,
    CounterRow,
    SuffixCounters,
    RowPerBallot,
    Batches,
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "memory" => Self::Memory,
            "counter-row" => Self::CounterRow,
            "suffix-counters" => Self::SuffixCounters,
            "row-per-ballot" => Self::RowPerBallot,
            "batches" => Self::Batches,
            _ => bail!("{name:?} is no design"),
        })
    }
}

impl Kind {
    pub async fn make_schema(self, cluster: &Cluster) -> Result<()> {
        match self {
            Self::Memory => cluster.make_keyspace(Memory::TABLE).await,
            Self::CounterRow => cluster.make_keyspace(CounterRow::TABLE).await,
            Self::SuffixCounters => cluster.make_keyspace(SuffixCounters::TABLE).await,
            Self::RowPerBallot => cluster.make_keyspace(RowPerBallot::TABLE).await,
            Self::Batches => Batches::make_schema(cluster).await,
        }
    }

    pub async fn open(self, cluster: &Cluster) -> Result<Design> {
        Ok(match self {
            Self::Memory => Design::Memory(Memory::open(cluster).await?),
            Self::CounterRow => Design::CounterRow(CounterRow::open(cluster).await?),
            Self::SuffixCounters => Design::SuffixCounters(SuffixCounters::open(cluster).await?),
            Self::RowPerBallot => Design::RowPerBallot(RowPerBallot::open(cluster).await?),
            Self::Batches => Design::Batches(Batches::open(cluster).await?),
        })
    }
}

/// A design at work.
pub enum Design {
    Memory(Memory),
    CounterRow(CounterRow),
    SuffixCounters(SuffixCounters),
    RowPerBallot(RowPerBallot),
    Batches(Batches),
}

impl Design {
    /// Records one ballot. On return it may be acknowledged; on an error its client sends it again.
    pub async fn record(&self, cast: &Cast) -> Result<()> {
        match self {
            Self::Memory(design) => design.record(cast),
            Self::CounterRow(design) => design.record(cast).await,
            Self::SuffixCounters(design) => design.record(cast).await,
            Self::RowPerBallot(design) => design.record(cast).await,
            Self::Batches(design) => design.record(cast).await,
        }
    }

    /// What the design says the votes are, by choice; all that was acknowledged is looked at.
    pub async fn counted(&self) -> Result<Vec<u64>> {
        match self {
            Self::Memory(design) => design.counted().await,
            Self::CounterRow(design) => design.counted().await,
            Self::SuffixCounters(design) => design.counted().await,
            Self::RowPerBallot(design) => design.counted().await,
            Self::Batches(design) => design.counted().await,
        }
    }

    /// The writes on the way of a vote.
    pub fn partitions(&self) -> Option<&Partitions> {
        match self {
            Self::Memory(_) => None,
            Self::CounterRow(design) => Some(&design.partitions),
            Self::SuffixCounters(design) => Some(&design.partitions),
            Self::RowPerBallot(design) => Some(&design.partitions),
            Self::Batches(design) => Some(design.partitions()),
        }
    }

    /// Called once no more votes come.
    pub async fn stop(&self) -> Result<()> {
        match self {
            Self::Memory(design) => design.flush().await,
            _ => Ok(()),
        }
    }
}
