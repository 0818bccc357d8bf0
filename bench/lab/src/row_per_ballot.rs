//! One row a ballot, under a suffix that is calculated from the ballot id: a retry finds its row.

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use scylla::{client::session::Session, statement::prepared::PreparedStatement};
use uuid::Uuid;

use crate::{
    cast::{CHOICES, CONTEST, Cast, SHARDS},
    cluster::{self, Cluster},
    partitions::Partitions,
};

pub struct RowPerBallot {
    session: Session,
    put: PreparedStatement,
    read: PreparedStatement,
    pub partitions: Partitions,
}

impl RowPerBallot {
    pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS ballots (contest text, suffix smallint, \
        ballot_id uuid, voter uuid, choice smallint, recorded_at bigint, \
        PRIMARY KEY ((contest, suffix), ballot_id))";

    pub async fn open(cluster: &Cluster) -> Result<Self> {
        let session = cluster.connect().await?;
        let put = "INSERT INTO ballots (contest, suffix, ballot_id, voter, choice, recorded_at) \
                   VALUES (?, ?, ?, ?, ?, ?)";
        let put = cluster::idempotent(&session, put).await?;
        let read = "SELECT choice FROM ballots WHERE contest = ? AND suffix = ?";
        let read = cluster::idempotent(&session, read).await?;
        Ok(Self { session, put, read, partitions: Partitions::default() })
    }

    pub async fn record(&self, cast: &Cast) -> Result<()> {
        let suffix = suffix(cast.ballot_id);
        self.partitions.note(cast.recorded_at, u32::from(suffix));
        let row = (
            CONTEST,
            suffix as i16,
            cast.ballot_id,
            cast.device,
            cast.choice as i16,
            cast.recorded_at.as_micros(),
        );
        self.session.execute_unpaged(&self.put, row).await.context("putting a ballot")?;
        Ok(())
    }

    pub async fn counted(&self) -> Result<Vec<u64>> {
        let mut votes = vec![0; CHOICES];
        for suffix in 0..SHARDS as i16 {
            let rows = self.session.execute_iter(self.read.clone(), (CONTEST, suffix)).await?;
            let mut rows = rows.rows_stream::<(i16,)>()?;
            while let Some((choice,)) = rows.try_next().await? {
                *votes.get_mut(choice as usize).context("a choice that is none")? += 1;
            }
        }
        Ok(votes)
    }
}

/// From the random end of the ballot id: the same for every try, alike for all suffixes.
pub fn suffix(ballot_id: Uuid) -> u16 {
    (ballot_id.as_u128() % u128::from(SHARDS)) as u16
}
