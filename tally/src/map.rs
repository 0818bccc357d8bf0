//! Map, shuffle and reduce: the batches of a contest into a fold, on all cores.
//!
//! Each thread takes shard after shard, reads its batches and scatters their rows. When enough
//! rows are read, all threads turn to absorbing them, region by region, and go on reading where
//! they were. So memory is bounded, and nothing is locked on the way of a row.

use std::{
    collections::HashSet,
    iter::Peekable,
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use ballot::{
    Batch, BatchId, Bucket, Contest, CorruptBatch, Shard, Slug,
    fold::{Fold, RowCounts, Rows, Scratch, UnknownChoice},
};
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::StreamExt;
use parking_lot::Mutex;
use store::{BallotStore, StoreError};

use crate::planted;

/// Fewer rows than this are absorbed by one thread: starting more takes longer.
const PARALLEL_ROWS_MIN: u64 = 10_000;

/// Why ballots could not be counted. None of them is skipped: a count is of all or is not made.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The store did not give the ballots.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store gave is not a batch. Stop, and page someone.
    #[error("batch {batch}: {error}")]
    Batch {
        /// Which batch.
        batch: BatchId,
        /// What is wrong with it.
        error: CorruptBatch,
    },
    /// A ballot that the contest cannot have. Stop, and page someone.
    #[error("batch {batch}: {error}")]
    Ballot {
        /// In which batch.
        batch: BatchId,
        /// What is wrong with it.
        error: UnknownChoice,
    },
    /// Another worker counts the contest now.
    #[error("another worker has taken the contest over")]
    LeaseLost,
    /// It was asked to stop.
    #[error("stopped before the count was done")]
    Stopped,
    /// The operating system refuses a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Which batches to read, and with what.
pub(crate) struct Source<'a> {
    pub(crate) ballots: &'a dyn BallotStore,
    pub(crate) runtime: &'a tokio::runtime::Handle,
    pub(crate) contest: &'a Slug,
    pub(crate) shards: u16,
    pub(crate) buckets: RangeInclusive<Bucket>,
    /// Batches that need not be read.
    pub(crate) known: Arc<HashSet<BatchId>>,
    pub(crate) threads: usize,
    pub(crate) chunk_rows: usize,
    pub(crate) pulse: &'a dyn Pulse,
}

/// Is asked between batches, on every thread.
pub(crate) trait Pulse: Sync {
    /// Does what is to be done from time to time, and says whether to go on.
    fn beat(&self) -> BoxFuture<'_, Result<(), CountError>>;
}

/// The last bucket that a batch id, with its 48 bits of milliseconds, can be of.
pub(crate) const LAST_BUCKET: Bucket =
    Bucket((1 << 48) / ballot::timing::BUCKET.as_millis() as u64);

/// Counts into `fold` the batches that are `wanted`. After each chunk `absorbed` hears which
/// batches those were, and how many rows. After an error the fold has what `absorbed` has heard.
pub(crate) fn count(
    source: &Source<'_>,
    fold: &mut Fold,
    wanted: &(dyn Fn(&BatchId) -> bool + Sync),
    absorbed: &mut dyn FnMut(Vec<BatchId>, RowCounts),
) -> Result<(), CountError> {
    let shards = Mutex::new((0..source.shards).peekable());
    let threads = source.threads.clamp(1, usize::from(source.shards.max(1)));
    let mut mappers: Vec<_> = (0..threads).map(|_| Mapper::new(fold)).collect();
    let rows_max = (source.chunk_rows / threads).max(1) as u64;
    loop {
        on_all(&mut mappers, |mapper| mapper.map(source, &shards, wanted, rows_max))?;
        reduce(fold, &mappers, source.threads);
        for mapper in &mut mappers {
            absorbed(std::mem::take(&mut mapper.batches), mapper.rows.counts());
            mapper.rows.clear();
        }
        let done = mappers.iter().all(|mapper| mapper.stream.is_none());
        if done && shards.lock().peek().is_none() {
            return Ok(());
        }
    }
}

/// A count from nothing.
pub(crate) struct Counted {
    pub(crate) fold: Fold,
    pub(crate) rows: RowCounts,
    /// What was counted, ascending.
    pub(crate) batches: Vec<BatchId>,
}

/// Counts from nothing the batches that are `wanted`; `progress` hears of the rows so far.
pub(crate) fn count_from_nothing(
    source: &Source<'_>,
    contest: &Contest,
    wanted: &(dyn Fn(&BatchId) -> bool + Sync),
    progress: &dyn Fn(u64),
) -> Result<Counted, CountError> {
    let mut fold = Fold::new(contest);
    let (mut rows, mut batches) = (RowCounts::default(), Vec::new());
    count(source, &mut fold, wanted, &mut |ids, counts| {
        batches.extend(ids);
        rows += counts;
        progress(rows.recorded);
    })?;
    batches.sort_unstable();
    Ok(Counted { fold, rows, batches })
}

/// The runtime that the stores' futures need. Its one thread drives timers and connections; the
/// threads of a count poll the scans themselves.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("tally-io")
        .enable_all()
        .build()
}

/// Runs on every item at once, one thread each. A panic in one is a panic here.
fn on_all<T: Send>(
    items: &mut [T],
    run: impl Fn(&mut T) -> Result<(), CountError> + Sync,
) -> Result<(), CountError> {
    let [first, rest @ ..] = items else { return Ok(()) };
    std::thread::scope(|scope| {
        let run = &run;
        let others: Vec<_> = rest.iter_mut().map(|item| scope.spawn(move || run(item))).collect();
        let mut result = run(first);
        for thread in others {
            match thread.join() {
                Ok(other) => result = result.and(other),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        result
    })
}

/// One thread's part of the map.
struct Mapper {
    rows: Rows,
    batches: Vec<BatchId>,
    /// The shard being read, kept from chunk to chunk.
    stream: Option<(Shard, BoxStream<'static, Result<Batch, StoreError>>)>,
}

impl Mapper {
    fn new(fold: &Fold) -> Self {
        Self { rows: Rows::new(fold.rules()), batches: Vec::new(), stream: None }
    }

    /// Reads until there are enough rows, or no shard is left.
    fn map(
        &mut self,
        source: &Source<'_>,
        shards: &Mutex<Peekable<Range<u16>>>,
        wanted: &(dyn Fn(&BatchId) -> bool + Sync),
        rows_max: u64,
    ) -> Result<(), CountError> {
        // The store's futures may block here: this thread is for that.
        source.runtime.block_on(async {
            while self.rows.counts().recorded < rows_max {
                let Some((shard, stream)) = &mut self.stream else {
                    let Some(shard) = shards.lock().next().map(Shard) else { break };
                    let Source { ballots, contest, buckets, known, .. } = source;
                    let stream = ballots.scan_except(contest, shard, buckets.clone(), known);
                    self.stream = Some((shard, stream));
                    continue;
                };
                source.pulse.beat().await?;
                let Some(batch) = stream.next().await.transpose()? else {
                    self.stream = None;
                    continue;
                };
                if batch.contest != *source.contest || batch.id.shard(source.shards) != *shard {
                    let error = CorruptBatch("it does not belong to the shard it was found in");
                    return Err(CountError::Batch { batch: batch.id, error });
                }
                if wanted(&batch.id) {
                    self.read(&batch)?;
                }
            }
            Ok(())
        })
    }

    fn read(&mut self, batch: &Batch) -> Result<(), CountError> {
        let id = batch.id;
        let ballots = batch.rows().map_err(|error| CountError::Batch { batch: id, error })?;
        for ballot in ballots {
            let ballot = planted::spoil(batch, ballot);
            self.rows.push(&ballot).map_err(|error| CountError::Ballot { batch: id, error })?;
        }
        self.batches.push(id);
        Ok(())
    }
}

fn reduce(fold: &mut Fold, mappers: &[Mapper], threads: usize) {
    let rows: Vec<_> = mappers.iter().map(|mapper| &mapper.rows).collect();
    if rows.iter().map(|rows| rows.counts().recorded).sum::<u64>() < PARALLEL_ROWS_MIN {
        return fold.absorb_rows(&rows);
    }
    let work = Mutex::new(fold.work(&rows).into_iter());
    let absorb = || {
        let mut scratch = Scratch::default();
        loop {
            // A guard in the condition of a `while let` would live as long as its body.
            let Some(piece) = work.lock().next() else { break };
            piece.run(&mut scratch);
        }
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(absorb)));
        absorb();
    });
}
