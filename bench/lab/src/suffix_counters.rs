//! Counters with a random suffix: a series has many, a vote adds to one of them, a count adds all.

use anyhow::{Context, Result};
use scylla::{client::session::Session, statement::prepared::PreparedStatement, value::Counter};
use tokio::sync::Semaphore;

use crate::{
    cast::{CHOICES, CONTEST, Cast, SHARDS},
    cluster::{self, Cluster, INCREMENTS_MAX},
    partitions::Partitions,
};

pub struct SuffixCounters {
    session: Session,
    add: PreparedStatement,
    read: PreparedStatement,
    under_way: Semaphore,
    pub partitions: Partitions,
}

impl SuffixCounters {
    pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS counters (contest text, choice smallint, \
        suffix smallint, votes counter, PRIMARY KEY ((contest, choice, suffix)))";

    pub async fn open(cluster: &Cluster) -> Result<Self> {
        let session = cluster.connect().await?;
        // Not idempotent: the driver must not send an increment again whose outcome is unknown.
        let add = "UPDATE counters SET votes = votes + 1 \
                   WHERE contest = ? AND choice = ? AND suffix = ?";
        let add = session.prepare(add).await?;
        let read = "SELECT votes FROM counters WHERE contest = ? AND choice = ? AND suffix = ?";
        let read = cluster::idempotent(&session, read).await?;
        let under_way = Semaphore::new(INCREMENTS_MAX);
        Ok(Self { session, add, read, under_way, partitions: Partitions::default() })
    }

    pub async fn record(&self, cast: &Cast) -> Result<()> {
        let suffix = fastrand::u16(..SHARDS);
        let partition = u32::from(cast.choice) * u32::from(SHARDS) + u32::from(suffix);
        self.partitions.note(cast.recorded_at, partition);
        let _permit = self.under_way.acquire().await?;
        self.session
            .execute_unpaged(&self.add, (CONTEST, cast.choice as i16, suffix as i16))
            .await
            .context("adding one")?;
        Ok(())
    }

    pub async fn counted(&self) -> Result<Vec<u64>> {
        let mut counted = Vec::with_capacity(CHOICES);
        for choice in 0..CHOICES as i16 {
            let mut votes = 0;
            for suffix in 0..SHARDS as i16 {
                let key = (CONTEST, choice, suffix);
                let reply = self.session.execute_unpaged(&self.read, key).await?;
                let row = reply.into_rows_result()?.maybe_first_row::<(Counter,)>()?;
                votes += row.map_or(0, |(votes,)| votes.0 as u64);
            }
            counted.push(votes);
        }
        Ok(counted)
    }
}
