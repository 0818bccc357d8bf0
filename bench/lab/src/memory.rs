//! Each server counts in its own memory, and writes its totals down once a second.
//!
//! The row is the server's own and says the total, not what was added, so that the write itself may
//! be repeated. It is the way of a vote that has no protection: a process that dies takes up to a
//! second with it, and nobody remembers which ballots were counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use scylla::{client::session::Session, statement::prepared::PreparedStatement};
use uuid::Uuid;

use crate::{
    cast::{CHOICES, CONTEST, Cast},
    cluster::{self, Cluster},
};

const FLUSH: Duration = Duration::from_secs(1);

pub struct Memory(Arc<Inner>);

struct Inner {
    votes: [AtomicU64; CHOICES],
    session: Session,
    write: PreparedStatement,
    read: PreparedStatement,
    /// New with every start: a restarted server does not overwrite what it said before.
    server: Uuid,
}

impl Memory {
    pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS totals (contest text, server uuid, \
        choice smallint, votes bigint, PRIMARY KEY ((contest), server, choice))";

    pub async fn open(cluster: &Cluster) -> Result<Self> {
        let session = cluster.connect().await?;
        let write = "INSERT INTO totals (contest, server, choice, votes) VALUES (?, ?, ?, ?)";
        let write = cluster::idempotent(&session, write).await?;
        let read = "SELECT choice, votes FROM totals WHERE contest = ?";
        let read = cluster::idempotent(&session, read).await?;
        let votes = std::array::from_fn(|_| AtomicU64::new(0));
        let inner = Arc::new(Inner { votes, session, write, read, server: Uuid::new_v4() });
        tokio::spawn(Arc::clone(&inner).flush_for_ever());
        Ok(Self(inner))
    }

    pub fn record(&self, cast: &Cast) -> Result<()> {
        self.0.votes[usize::from(cast.choice)].fetch_add(1, Relaxed);
        Ok(())
    }

    pub async fn flush(&self) -> Result<()> {
        self.0.flush().await
    }

    /// Waits until every server that lives has written its totals, then adds them up.
    pub async fn counted(&self) -> Result<Vec<u64>> {
        tokio::time::sleep(FLUSH * 2).await;
        let Inner { session, read, .. } = &*self.0;
        let rows = session.execute_iter(read.clone(), (CONTEST,)).await?;
        let mut rows = rows.rows_stream::<(i16, i64)>()?;
        let mut votes = vec![0; CHOICES];
        while let Some((choice, total)) = rows.try_next().await? {
            *votes.get_mut(choice as usize).context("a choice that is none")? += total as u64;
        }
        Ok(votes)
    }
}

impl Inner {
    async fn flush(&self) -> Result<()> {
        let writes = self.votes.iter().zip(0_i16..).map(|(votes, choice)| {
            let values = (CONTEST, self.server, choice, votes.load(Relaxed) as i64);
            self.session.execute_unpaged(&self.write, values)
        });
        futures_util::future::try_join_all(writes).await?;
        Ok(())
    }

    async fn flush_for_ever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(FLUSH).await;
            // The next one says the same and more.
            if let Err(error) = self.flush().await {
                eprintln!("the totals could not be written: {error:#}");
            }
        }
    }
}
