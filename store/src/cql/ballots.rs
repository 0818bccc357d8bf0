//! Ballots: a partition for each shard of a bucket, and a partition for each shard that lists its
//! buckets, so that a scan goes past empty stretches without a look.

use std::{
    sync::{Arc, atomic::AtomicI32},
    time::Duration,
};

use ballot::{Batch, Bucket, Shard, Slug};
use scylla::{client::session::Session, statement::Consistency::Quorum};
use uuid::Uuid;

use super::{coordinators::Coordinators, remembered::Remembered, session::Request};
use crate::{ConnectError, StoreError, check_batch};

/// Longest time for a put: a few tries, at different nodes, fit the intake's commit deadline.
const PUT_TIMEOUT: Duration = Duration::from_secs(1);
/// Rows of the first page of a partition: batches of the largest size still fit memory.
pub(super) const ROWS_MIN: i32 = 4;
/// Longest time for a page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(4);

/// The requests of a [`crate::BallotStore`].
pub(super) struct Ballots {
    pub(super) session: Arc<Session>,
    put: Request,
    put_bucket: Request,
    pub(super) scan: Request,
    pub(super) scan_ids: Request,
    pub(super) scan_some: Request,
    pub(super) scan_buckets: Request,
    /// Buckets that are listed durably, as far as we remember.
    listed: Remembered<(Slug, Shard, Bucket)>,
    /// Rows to ask for in the next page of batches, from the size of those before.
    pub(super) rows_a_page: AtomicI32,
}

impl Ballots {
    pub(super) async fn prepare(
        session: &Arc<Session>,
        keyspace: &str,
    ) -> Result<Self, ConnectError> {
        let puts = Coordinators::new();
        let put =
            async |cql: String| Request::prepare(session, cql, Quorum, PUT_TIMEOUT, &puts).await;
        // Apart from the puts: a node that is slow at reading is not thereby slow at writing.
        let scans = Coordinators::new();
        let read =
            async |cql: String| Request::prepare(session, cql, Quorum, PAGE_TIMEOUT, &scans).await;
        Ok(Self {
            session: Arc::clone(session),
            put: put(format!(
                "INSERT INTO \"{keyspace}\".ballots (contest, bucket, shard, batch_id, packed) \
                 VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
            ))
            .await?,
            put_bucket: put(format!(
                "INSERT INTO \"{keyspace}\".buckets (contest, shard, bucket) VALUES (?, ?, ?) \
                 USING TIMESTAMP ?"
            ))
            .await?,
            scan: read(format!(
                "SELECT batch_id, packed FROM \"{keyspace}\".ballots \
                 WHERE contest = ? AND bucket = ? AND shard = ?"
            ))
            .await?,
            // No value is read from the tables for this.
            scan_ids: read(format!(
                "SELECT batch_id FROM \"{keyspace}\".ballots \
                 WHERE contest = ? AND bucket = ? AND shard = ?"
            ))
            .await?,
            scan_some: read(format!(
                "SELECT batch_id, packed FROM \"{keyspace}\".ballots \
                 WHERE contest = ? AND bucket = ? AND shard = ? AND batch_id IN ?"
            ))
            .await?,
            scan_buckets: read(format!(
                "SELECT bucket FROM \"{keyspace}\".buckets \
                 WHERE contest = ? AND shard = ? AND bucket >= ? AND bucket <= ?"
            ))
            .await?,
            listed: Remembered::default(),
            rows_a_page: AtomicI32::new(ROWS_MIN),
        })
    }

    pub(super) async fn put(&self, batch: Batch) -> Result<(), StoreError> {
        check_batch(&batch)?;
        let Batch { contest, id, shard, packed } = batch;
        let bucket = id.bucket();
        // The time of the write is the batch's own: a put that is repeated, or that a node
        // delivers late, writes the very same cell. A time window of files is one of voting.
        let written_at = id.created_at().as_micros();
        let batch_id = Uuid::from_bytes(*id.as_bytes());
        let number = column(bucket);
        let values = (contest.as_str(), number, i32::from(shard.0), batch_id, packed, written_at);
        let put = self.put.execute(&self.session, values);
        // Durable is a batch that a scan finds: both writes, or no acknowledgement.
        let listed = (contest.clone(), shard, bucket);
        if self.listed.has(&listed) {
            put.await?;
        } else {
            let values = (contest.as_str(), i32::from(shard.0), number, bucket.start().as_micros());
            let list = self.put_bucket.execute(&self.session, values);
            futures_util::future::try_join(put, list).await?;
            self.listed.add(listed);
        }
        Ok(())
    }
}

/// The bucket as a column holds it. No batch id has a time past what fits.
pub(super) fn column(bucket: Bucket) -> i64 {
    i64::try_from(bucket.0).unwrap_or(i64::MAX)
}
