//! Where the votes go. One ballot a voter, the first counts; a retry changes nothing.

use anyhow::Result;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use jiff::Timestamp;
use redis::AsyncCommands;
use tokio_postgres::NoTls;
use uuid::Uuid;

/// Connections to PostgreSQL, unless `BENCH_POSTGRES_CONNECTIONS` says. On two cores 16 were faster
/// than 8, 32 or 64.
const POSTGRES_CONNECTIONS: usize = 16;
/// The key of Redis and the contest of PostgreSQL that are counted after a run.
const CONTEST: &str = "tv-series";

pub enum Store {
    /// Nowhere: what the HTTP stack alone does.
    Null,
    /// A hash of voter to ballot; `appendfsync always` is the server's setting. One command a vote,
    /// and the choices are counted later: the fastest that keeps one ballot a voter.
    Redis(redis::aio::MultiplexedConnection),
    /// A row a voter; `synchronous_commit = on` is the server's setting.
    Postgres(Pool),
}

impl Store {
    pub async fn redis(url: &str) -> Result<Self> {
        let client = redis::Client::open(url)?;
        Ok(Self::Redis(client.get_multiplexed_async_connection().await?))
    }

    pub async fn postgres(config: &str) -> Result<Self> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config.parse()?, NoTls, recycling);
        let connections = match std::env::var("BENCH_POSTGRES_CONNECTIONS") {
            Ok(text) => text.parse()?,
            Err(_) => POSTGRES_CONNECTIONS,
        };
        let pool = Pool::builder(manager).max_size(connections).build()?;
        let table = "create table if not exists ballots (contest text, voter uuid, ballot_id uuid \
            not null, choice smallint not null, recorded_at timestamptz not null, \
            primary key (contest, voter))";
        pool.get().await?.batch_execute(table).await?;
        Ok(Self::Postgres(pool))
    }

    /// On return the ballot is as durable as the engine makes it.
    pub async fn record(
        &self,
        contest: &str,
        voter: Uuid,
        ballot_id: Uuid,
        choice: i16,
        recorded_at: Timestamp,
    ) -> Result<()> {
        match self {
            Self::Null => {}
            Self::Redis(connection) => {
                let mut ballot = [0; 26];
                ballot[..16].copy_from_slice(ballot_id.as_bytes());
                ballot[16..18].copy_from_slice(&choice.to_le_bytes());
                ballot[18..].copy_from_slice(&recorded_at.as_microsecond().to_le_bytes());
                let mut connection = connection.clone();
                let _: bool =
                    connection.hset_nx(contest, &voter.as_bytes()[..], &ballot[..]).await?;
            }
            Self::Postgres(pool) => {
                let client = pool.get().await?;
                let insert =
                    "insert into ballots values ($1, $2, $3, $4, $5) on conflict do nothing";
                let insert = client.prepare_cached(insert).await?;
                let row: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                    [&contest, &voter, &ballot_id, &choice, &recorded_at];
                client.execute(&insert, &row).await?;
            }
        }
        Ok(())
    }

    /// How many ballots are stored; 0 where none are.
    pub async fn counted(&self) -> Result<u64> {
        match self {
            Self::Null => Ok(0),
            Self::Redis(connection) => Ok(connection.clone().hlen(CONTEST).await?),
            Self::Postgres(pool) => {
                let client = pool.get().await?;
                let row = client
                    .query_one("select count(*) from ballots where contest = $1", &[&CONTEST])
                    .await?;
                Ok(row.get::<_, i64>(0) as u64)
            }
        }
    }
}
