//! Reading one shard of a contest: the list of its buckets, then their partitions, some at the
//! same time, a page after the other. Memory is bounded by pages, not by what is stored.
//!
//! Of a bucket of which the caller has batches already, the ids are read first and then what is new.
//! A tally reads the buckets that are not settled again with every run, some seven times each.

use std::{
    collections::HashSet,
    ops::RangeInclusive,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use ballot::{Batch, BatchId, Bucket, Shard, Slug, limits::BATCH_BYTES_MAX};
use bytes::Bytes;
use futures_core::{Stream, stream::BoxStream};
use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::response::{
    PagingState, PagingStateResponse,
    query_result::{QueryResult, QueryRowsResult},
};
use uuid::Uuid;

use super::{
    ballots::{Ballots, ROWS_MIN, column},
    error::corrupt,
};
use crate::StoreError;

/// Partitions read at the same time: hides the way to the cluster and back.
const PARTITIONS_IN_FLIGHT: usize = 12;
/// Buckets of one page of the list; a row has a few bytes.
const BUCKETS_A_PAGE: i32 = 2_000;
/// Ids of one page; a row has a few bytes.
const IDS_A_PAGE: i32 = 2_000;
/// Batches that are asked for by their ids at once. ScyllaDB refuses more than 100 in a query.
const IDS_A_QUERY: usize = 64;
/// Rows of a page, at most: if batches suddenly grow, one page is still no more than 50 MB.
const ROWS_MAX: i32 = 128;
/// Bytes that a page is to have: enough that the way to the cluster does not count.
const PAGE_BYTES: usize = 1_000_000;

/// A page's rows, and where the next one begins, if there may be one.
type Page = (QueryRowsResult, Option<PagingState>);

/// Streams the batches of one shard whose bucket is in `buckets`, but not those in `already_read`.
pub(super) fn scan(
    ballots: Arc<Ballots>,
    contest: Slug,
    shard: Shard,
    buckets: RangeInclusive<Bucket>,
    already_read: Arc<HashSet<BatchId>>,
) -> BoxStream<'static, Result<Batch, StoreError>> {
    // Past the largest number that a column holds there is nothing.
    let Ok(first) = i64::try_from(buckets.start().0) else { return stream::empty().boxed() };
    if buckets.is_empty() {
        return stream::empty().boxed();
    }
    let last = column(*buckets.end());
    let begun = already_read.iter().map(BatchId::bucket).collect();
    let scan = Arc::new(Scan { ballots, contest, shard, already_read, begun });
    let batches = Arc::clone(&scan)
        .buckets(first, last)
        .map_ok(move |bucket| {
            let scan = Arc::clone(&scan);
            if scan.begun.contains(&bucket) {
                scan.new_batches(bucket).boxed()
            } else {
                scan.batches(bucket).boxed()
            }
        })
        .try_flatten_unordered(PARTITIONS_IN_FLIGHT);
    until_error(batches.boxed())
}

/// The stream up to its first error, at which all that is in flight is dropped.
fn until_error(
    batches: BoxStream<'static, Result<Batch, StoreError>>,
) -> BoxStream<'static, Result<Batch, StoreError>> {
    stream::unfold(Some(batches), async |batches| {
        let mut batches = batches?;
        let batch = batches.next().await?;
        let rest = batch.is_ok().then_some(batches);
        Some((batch, rest))
    })
    .boxed()
}

struct Scan {
    ballots: Arc<Ballots>,
    contest: Slug,
    shard: Shard,
    /// The batches that the caller has, and the buckets in which they are.
    already_read: Arc<HashSet<BatchId>>,
    begun: HashSet<Bucket>,
}

impl Scan {
    fn buckets(
        self: Arc<Self>,
        first: i64,
        last: i64,
    ) -> impl Stream<Item = Result<Bucket, StoreError>> + Send {
        pages(move |from| {
            let scan = Arc::clone(&self);
            async move {
                let shard = i32::from(scan.shard.0);
                let values = (scan.contest.as_str(), shard, first, last);
                let Ballots { session, scan_buckets, .. } = &*scan.ballots;
                page(scan_buckets.page(session, values, BUCKETS_A_PAGE, from).await?)
            }
        })
        .map_ok(|rows| {
            let buckets = read(&rows, |(bucket,): (i64,)| {
                u64::try_from(bucket).map(Bucket).map_err(|_| corrupt("a bucket below zero"))
            });
            stream::iter(buckets)
        })
        .try_flatten()
    }

    fn batches(
        self: Arc<Self>,
        bucket: Bucket,
    ) -> impl Stream<Item = Result<Batch, StoreError>> + Send {
        let scan = Arc::clone(&self);
        pages(move |from| {
            let scan = Arc::clone(&scan);
            async move {
                let shard = i32::from(scan.shard.0);
                let values = (scan.contest.as_str(), column(bucket), shard);
                let Ballots { session, scan: select, .. } = &*scan.ballots;
                let rows = scan.ballots.rows_a_page.load(Relaxed);
                page(select.page(session, values, rows, from).await?)
            }
        })
        .map_ok(move |rows| stream::iter(self.read_batches(bucket, &rows)))
        .try_flatten()
    }

    fn new_batches(
        self: Arc<Self>,
        bucket: Bucket,
    ) -> impl Stream<Item = Result<Batch, StoreError>> + Send {
        let (scan, fetching) = (Arc::clone(&self), Arc::clone(&self));
        pages(move |from| {
            let scan = Arc::clone(&scan);
            async move {
                let shard = i32::from(scan.shard.0);
                let values = (scan.contest.as_str(), column(bucket), shard);
                let Ballots { session, scan_ids, .. } = &*scan.ballots;
                page(scan_ids.page(session, values, IDS_A_PAGE, from).await?)
            }
        })
        .map_ok(move |rows| {
            let mut ids = read(&rows, |(id,): (Uuid,)| Ok(id));
            let is_already_read =
                |id: &Uuid| self.already_read.contains(&BatchId::from_bytes(id.into_bytes()));
            ids.retain(|id| !id.as_ref().is_ok_and(is_already_read));
            stream::iter(ids)
        })
        .try_flatten()
        .try_chunks(IDS_A_QUERY)
        // Ids that came before an error are not asked for: the scan is made again anyway.
        .map_err(|stream::TryChunksError(_, error)| error)
        .and_then(move |ids| Arc::clone(&fetching).some(bucket, ids))
        .map_ok(stream::iter)
        .try_flatten()
    }

    /// The batches that have these ids, as many queries as their size asks for.
    async fn some(
        self: Arc<Self>,
        bucket: Bucket,
        ids: Vec<Uuid>,
    ) -> Result<Vec<Result<Batch, StoreError>>, StoreError> {
        let mut batches = Vec::with_capacity(ids.len());
        let mut left = &ids[..];
        while !left.is_empty() {
            let rows = usize::try_from(self.ballots.rows_a_page.load(Relaxed)).unwrap_or(1);
            let (now, later) = left.split_at(rows.min(left.len()));
            let shard = i32::from(self.shard.0);
            let values = (self.contest.as_str(), column(bucket), shard, now);
            let Ballots { session, scan_some, .. } = &*self.ballots;
            let rows = scan_some.execute(session, values).await?;
            let rows = rows.into_rows_result().map_err(corrupt)?;
            batches.extend(self.read_batches(bucket, &rows));
            left = later;
        }
        Ok(batches)
    }

    fn read_batches(
        &self,
        bucket: Bucket,
        rows: &QueryRowsResult,
    ) -> Vec<Result<Batch, StoreError>> {
        self.learn(rows);
        read(rows, |(id, packed): (Uuid, Bytes)| {
            self.batch(bucket, BatchId::from_bytes(id.into_bytes()), packed)
        })
    }

    /// The next pages are to be of [`PAGE_BYTES`], and grow slowly: batches are large and small.
    fn learn(&self, page: &QueryRowsResult) {
        if page.rows_num() > 0 {
            let row_bytes = (page.rows_bytes_size() / page.rows_num()).max(1);
            let fitting = i32::try_from(PAGE_BYTES / row_bytes).unwrap_or(ROWS_MAX);
            let rows = &self.ballots.rows_a_page;
            let twice = rows.load(Relaxed) * 2;
            rows.store(fitting.min(twice).clamp(ROWS_MIN, ROWS_MAX), Relaxed);
        }
    }

    fn batch(&self, bucket: Bucket, id: BatchId, packed: Bytes) -> Result<Batch, StoreError> {
        if id.bucket() != bucket {
            return Err(corrupt(format!("the batch {id} lies in bucket {}", bucket.0)));
        }
        if packed.len() > BATCH_BYTES_MAX {
            let bytes = packed.len();
            return Err(corrupt(format!("the batch {id} has {bytes} bytes")));
        }
        Ok(Batch { contest: self.contest.clone(), id, shard: self.shard, packed })
    }
}

/// One page after the other, each asked for when the one before has been taken.
fn pages<F>(
    next: impl Fn(PagingState) -> F + Send,
) -> impl Stream<Item = Result<QueryRowsResult, StoreError>> + Send
where
    F: Future<Output = Result<Page, StoreError>> + Send,
{
    stream::try_unfold(Some(PagingState::start()), move |from| {
        let page = from.map(&next);
        async move {
            match page {
                Some(page) => page.await.map(Some),
                None => Ok(None),
            }
        }
    })
}

fn page((result, next): (QueryResult, PagingStateResponse)) -> Result<Page, StoreError> {
    let rows = result.into_rows_result().map_err(corrupt)?;
    Ok((rows, next.into_paging_control_flow().continue_value()))
}

/// The page's rows as what they stand for; an error is the last.
fn read<R, T>(
    page: &QueryRowsResult,
    read: impl Fn(R) -> Result<T, StoreError>,
) -> Vec<Result<T, StoreError>>
where
    R: for<'frame> scylla::deserialize::row::DeserializeRow<'frame, 'frame>,
{
    match page.rows::<R>() {
        Ok(rows) => rows.map(|row| row.map_err(corrupt).and_then(&read)).collect(),
        Err(error) => vec![Err(corrupt(error))],
    }
}
