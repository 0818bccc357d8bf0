//! Map, shuffle and reduce: the batches of a contest into a fold, on all cores.
//!
//! Each thread takes shard after shard, reads its batches and scatters their rows. When enough
//! rows are read, all threads turn to absorbing them, region by region, and go on reading where
//! they were. So memory is bounded, and nothing is locked on the way of a row.
//!
//! With one thread there is none but the caller's: nothing is spawned and nothing blocks, so that
//! who runs many nodes in one thread can run this.

use std::{
    collections::HashSet,
    iter::Peekable,
    ops::{Range, RangeInclusive},
    sync::Arc,
    time::Duration,
};

use ballot::{
    Batch, BatchId, Bucket, CorruptBatch, Shard, Slug,
    fold::{Fold, RowCounts, Rows, Scratch},
};
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use parking_lot::Mutex;
use store::{BallotStore, StoreError};
use tokio::{runtime::Handle, task::coop::consume_budget, time::timeout};

use crate::{
    CountError,
    gate::{Gate, Turn},
    lease::Pulse,
    stop::Stopped,
};

/// Fewer rows than this are absorbed by one thread: starting more takes longer.
const PARALLEL_ROWS_MIN: u64 = 10_000;

/// A store that takes longer for a batch is waited for by letting others count.
const STALL: Duration = Duration::from_millis(50);

/// The last bucket that a batch id, with its 48 bits of milliseconds, can be of.
pub(crate) const LAST_BUCKET: Bucket =
    Bucket((1 << 48) / ballot::timing::BUCKET.as_millis() as u64);

/// Which batches to read, and with what.
pub(crate) struct Source {
    pub(crate) ballots: Arc<dyn BallotStore>,
    pub(crate) contest: Slug,
    pub(crate) shards: u16,
    pub(crate) buckets: RangeInclusive<Bucket>,
    /// Batches that need not be read.
    pub(crate) known: Arc<HashSet<BatchId>>,
    /// Which of the others are counted.
    pub(crate) wanted: Box<dyn Fn(&BatchId) -> bool + Send + Sync>,
    pub(crate) threads: usize,
    pub(crate) chunk_rows: usize,
    pub(crate) pulse: Arc<Pulse>,
    /// Who gives the turns, if there are others who count.
    pub(crate) gate: Option<Arc<Gate>>,
    /// Whether it will take many turns.
    pub(crate) is_long: bool,
    pub(crate) stop: Stopped,
}

/// Counts what the source has into the fold. After each chunk `absorbed` hears which batches it
/// was, and how many rows. After an error the fold has what `absorbed` has heard.
pub(crate) async fn count(
    source: Source,
    fold: Fold,
    mut absorbed: impl FnMut(Vec<BatchId>, RowCounts),
) -> (Fold, Result<(), CountError>) {
    let mut count = Count::new(source, fold);
    loop {
        count.take_turn().await;
        let result;
        (count, result) = count.chunk().await;
        if let Err(error) = result {
            return (count.fold, Err(error));
        }
        count.clear(&mut absorbed);
        if count.is_done() {
            return (count.fold, Ok(()));
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

/// Counts from nothing; `progress` hears of the rows so far.
pub(crate) async fn count_from_nothing(
    source: Source,
    nothing: Fold,
    progress: impl Fn(u64),
) -> Result<Counted, CountError> {
    let (mut rows, mut batches) = (RowCounts::default(), Vec::new());
    let (fold, result) = count(source, nothing, |ids, counts| {
        batches.extend(ids);
        rows += counts;
        progress(rows.recorded);
    })
    .await;
    result?;
    batches.sort_unstable();
    Ok(Counted { fold, rows, batches })
}

/// A count on its way. It owns what it works with: a thread may have it for a while.
struct Count {
    source: Source,
    fold: Fold,
    /// Shards that nobody has begun.
    shards: Mutex<Peekable<Range<u16>>>,
    /// One a thread.
    mappers: Vec<Mapper>,
    turn: Option<Turn>,
    is_long: bool,
}

impl Count {
    fn new(source: Source, fold: Fold) -> Self {
        let threads = source.threads.clamp(1, usize::from(source.shards.max(1)));
        let mappers = (0..threads).map(|_| Mapper::new(&fold)).collect();
        let shards = Mutex::new((0..source.shards).peekable());
        let is_long = source.is_long;
        Self { source, fold, shards, mappers, turn: None, is_long }
    }

    /// Goes on, or lets others count first if they want to.
    async fn take_turn(&mut self) {
        let Some(gate) = &self.source.gate else { return };
        if let Some(turn) = &mut self.turn
            && !turn.is_wanted()
        {
            turn.extend();
            return;
        }
        if self.turn.take().is_some() {
            // Whoever has the turn has the memory.
            self.is_long = true;
            self.mappers.iter_mut().for_each(|mapper| mapper.rows = Rows::new(self.fold.rules()));
        }
        self.turn = Some(gate.turn(self.is_long, &self.source.pulse).await);
    }

    /// Reads until there are enough rows, or the turn is over, and absorbs them.
    async fn chunk(mut self) -> (Self, Result<(), CountError>) {
        if self.source.threads == 1 {
            let result = match self.mappers.first_mut() {
                Some(mapper) => {
                    let rows_max = self.source.chunk_rows.max(1) as u64;
                    mapper.map(&self.source, self.turn.as_ref(), &self.shards, rows_max).await
                }
                None => Ok(()),
            };
            if result.is_ok() {
                reduce(&mut self.fold, &self.mappers, 1);
            }
            return (self, result);
        }
        let runtime = Handle::current();
        let chunk = tokio::task::spawn_blocking(move || {
            let result = self.map_on_all(&runtime);
            if result.is_ok() {
                reduce(&mut self.fold, &self.mappers, self.source.threads);
            }
            (self, result)
        });
        match chunk.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(chunk) => chunk,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime ends, and with it whoever waits here.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    /// The map, one thread a mapper. A panic in one is a panic here.
    fn map_on_all(&mut self, runtime: &Handle) -> Result<(), CountError> {
        let (source, turn, shards) = (&self.source, self.turn.as_ref(), &self.shards);
        let rows_max = (source.chunk_rows / self.mappers.len()).max(1) as u64;
        let [first, rest @ ..] = self.mappers.as_mut_slice() else { return Ok(()) };
        // The store's futures may block here: these threads are for that.
        let map =
            |mapper: &mut Mapper| runtime.block_on(mapper.map(source, turn, shards, rows_max));
        std::thread::scope(|scope| {
            let map = &map;
            let others: Vec<_> =
                rest.iter_mut().map(|mapper| scope.spawn(move || map(mapper))).collect();
            let mut result = map(first);
            for thread in others {
                match thread.join() {
                    Ok(other) => result = result.and(other),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            result
        })
    }

    fn clear(&mut self, absorbed: &mut impl FnMut(Vec<BatchId>, RowCounts)) {
        for mapper in &mut self.mappers {
            absorbed(std::mem::take(&mut mapper.batches), mapper.rows.counts());
            mapper.rows.clear();
        }
    }

    fn is_done(&self) -> bool {
        self.mappers.iter().all(|mapper| mapper.stream.is_none())
            && self.shards.lock().peek().is_none()
    }
}

/// One thread's part of the map.
struct Mapper {
    rows: Rows,
    batches: Vec<BatchId>,
    /// The shard being read, kept from chunk to chunk.
    stream: Option<(Shard, BatchStream)>,
}

type BatchStream = BoxStream<'static, Result<Batch, StoreError>>;

impl Mapper {
    fn new(fold: &Fold) -> Self {
        Self { rows: Rows::new(fold.rules()), batches: Vec::new(), stream: None }
    }

    /// Reads until there are enough rows, the turn is over or no shard is left.
    async fn map(
        &mut self,
        source: &Source,
        turn: Option<&Turn>,
        shards: &Mutex<Peekable<Range<u16>>>,
        rows_max: u64,
    ) -> Result<(), CountError> {
        while self.rows.counts().recorded < rows_max && !turn.is_some_and(Turn::is_over) {
            let Some((shard, stream)) = &mut self.stream else {
                let Some(shard) = shards.lock().next().map(Shard) else { break };
                let Source { ballots, contest, buckets, known, .. } = source;
                let stream = ballots.scan_except(contest, shard, buckets.clone(), known);
                self.stream = Some((shard, stream));
                continue;
            };
            // Where all is one thread, the others must come to say that they wait.
            consume_budget().await;
            let Some(next) = next_batch(stream, source, turn).await? else { break };
            source.pulse.beat();
            let Some(batch) = next.transpose()? else {
                self.stream = None;
                continue;
            };
            if batch.contest != source.contest || batch.id.shard(source.shards) != *shard {
                let error = CorruptBatch("it does not belong to the shard it was found in");
                return Err(CountError::Batch { batch: batch.id, error });
            }
            if (source.wanted)(&batch.id) {
                self.read(&batch)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, batch: &Batch) -> Result<(), CountError> {
        let id = batch.id;
        let ballots = batch.rows().map_err(|error| CountError::Batch { batch: id, error })?;
        for ballot in ballots {
            self.rows.push(&ballot).map_err(|error| CountError::Ballot { batch: id, error })?;
        }
        self.batches.push(id);
        Ok(())
    }
}

/// What the stream gives next; `None` if it takes long and the turn is better given to others.
async fn next_batch(
    stream: &mut BatchStream,
    source: &Source,
    turn: Option<&Turn>,
) -> Result<Option<Option<Result<Batch, StoreError>>>, CountError> {
    loop {
        if source.stop.is_asked() {
            return Err(CountError::Stopped);
        }
        if let Ok(next) = timeout(STALL, stream.next()).await {
            return Ok(Some(next));
        }
        if turn.is_some_and(Turn::is_wanted) {
            return Ok(None);
        }
    }
}

fn reduce(fold: &mut Fold, mappers: &[Mapper], threads: usize) {
    let rows: Vec<_> = mappers.iter().map(|mapper| &mapper.rows).collect();
    if threads == 1
        || rows.iter().map(|rows| rows.counts().recorded).sum::<u64>() < PARALLEL_ROWS_MIN
    {
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
