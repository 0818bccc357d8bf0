//! One counter a series: `UPDATE .. SET votes = votes + 1`.

use anyhow::{Context, Result};
use scylla::{client::session::Session, statement::prepared::PreparedStatement, value::Counter};
use tokio::sync::Semaphore;

use crate::{
    cast::{CHOICES, CONTEST, Cast},
    cluster::{self, Cluster, INCREMENTS_MAX},
    partitions::Partitions,
};

pub struct CounterRow {
    session: Session,
    add: PreparedStatement,
    read: PreparedStatement,
    under_way: Semaphore,
    pub partitions: Partitions,
}

impl CounterRow {
    pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS counters (contest text, choice smallint, \
        votes counter, PRIMARY KEY ((contest, choice)))";

    pub async fn open(cluster: &Cluster) -> Result<Self> {
        let session = cluster.connect().await?;
        // Not idempotent: the driver must not send an increment again whose outcome is unknown.
        let add = "UPDATE counters SET votes = votes + 1 WHERE contest = ? AND choice = ?";
        let add = session.prepare(add).await?;
        let read = "SELECT votes FROM counters WHERE contest = ? AND choice = ?";
        let read = cluster::idempotent(&session, read).await?;
        let under_way = Semaphore::new(INCREMENTS_MAX);
        Ok(Self { session, add, read, under_way, partitions: Partitions::default() })
    }

    pub async fn record(&self, cast: &Cast) -> Result<()> {
        self.partitions.note(cast.recorded_at, u32::from(cast.choice));
        let _permit = self.under_way.acquire().await?;
        self.session
            .execute_unpaged(&self.add, (CONTEST, cast.choice as i16))
            .await
            .context("adding one")?;
        Ok(())
    }

    pub async fn counted(&self) -> Result<Vec<u64>> {
        let mut votes = Vec::with_capacity(CHOICES);
        for choice in 0..CHOICES as i16 {
            let reply = self.session.execute_unpaged(&self.read, (CONTEST, choice)).await?;
            let row = reply.into_rows_result()?.maybe_first_row::<(Counter,)>()?;
            votes.push(row.map_or(0, |(votes,)| votes.0 as u64));
        }
        Ok(votes)
    }
}
