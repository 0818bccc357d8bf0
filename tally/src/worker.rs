//! One worker's part in one contest: what is to be done for it now.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ballot::{BatchId, Counts, CountsStatus, Phase, Slug, Timestamp, timing::COMMIT_DEADLINE};
use futures_core::future::BoxFuture;
use store::{BallotStore, ControlStore, StoreError};

use crate::{
    Hooks, TallyContest, TallySettings, batch_set,
    lease::{Grant, Lease},
    map::{self, CountError, LAST_BUCKET, Pulse, Source},
    progress::Progress,
    publish::{Claim, CountsRow},
    row,
};

/// Waits after failures, doubling from the first to the last.
const BACK_OFF_MIN: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// What all workers of a tally share.
pub(crate) struct Shared {
    pub(crate) ballots: Arc<dyn BallotStore>,
    pub(crate) control: Arc<dyn ControlStore>,
    pub(crate) settings: TallySettings,
    pub(crate) hooks: Hooks,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        (self.hooks.clock)()
    }
}

/// What came of a visit.
pub(crate) enum Visit {
    /// A row was published, and there will be more.
    Published(Arc<Counts>),
    /// The final row was published, now or before. The worker is not needed any more.
    Finished(Arc<Counts>),
    /// Somebody else counts this contest.
    NotHeld,
}

/// What a worker knows of one contest. All of it may be lost: it is read again.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    contest: Slug,
    lease: Lease,
    row: Option<CountsRow>,
    progress: Option<Progress>,
    /// When this worker last counted along without the lease.
    counted_along_at: Timestamp,
    failures: u32,
    retry_at: Timestamp,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, contest: Slug) -> Self {
        let (control, clock) = (shared.control.clone(), shared.hooks.clock.clone());
        let lease = Lease::new(control, clock, &contest, &shared.settings);
        let retry_at = Timestamp::default();
        Self {
            shared,
            contest,
            lease,
            row: None,
            progress: None,
            counted_along_at: Timestamp::default(),
            failures: 0,
            retry_at,
        }
    }

    /// Whether there is anything to count, and the last failure is long enough ago.
    pub(crate) fn is_due(&self, contest: &TallyContest) -> bool {
        let now = self.shared.now();
        contest.contest.hours.phase(now) != Phase::Draft && now >= self.retry_at
    }

    /// Counts what is new, or all of it once the close is over, and publishes.
    pub(crate) fn visit(&mut self, contest: &TallyContest) -> Result<Visit, CountError> {
        let runtime = self.shared.runtime.clone();
        let row = match runtime.block_on(self.hold())? {
            Held::Row(row) => row,
            Held::Finished(counts) => {
                // Perhaps written by this worker, and the reply was lost.
                let counts = Arc::new(counts);
                (self.shared.hooks.on_publish)(&counts);
                return Ok(Visit::Finished(counts));
            }
            Held::Elsewhere => {
                self.count_along(contest)?;
                return Ok(Visit::NotHeld);
            }
        };
        let started = self.shared.now();
        let is_final = final_due(contest, started, self.shared.settings.clock_skew);
        let counts = if is_final {
            self.count_final(contest, started)?
        } else {
            self.count_new(contest, started)?
        };
        match runtime.block_on(row.write(counts)) {
            Ok((row, counts)) => {
                self.row = Some(row);
                let counts = Arc::new(counts);
                (self.shared.hooks.on_publish)(&counts);
                Ok(if is_final { Visit::Finished(counts) } else { Visit::Published(counts) })
            }
            Err(StoreError::Conflict) => Err(CountError::LeaseLost),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes that a visit went well.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Notes that a visit failed; after a panic nothing that is known can be trusted.
    pub(crate) fn failed(&mut self, error: Option<&CountError>) {
        let lost = matches!(error, None | Some(CountError::LeaseLost));
        if lost {
            self.lease.doubt();
            self.row = None;
        }
        if error.is_none_or(|error| !matches!(error, CountError::Store(_))) {
            self.progress = None;
        }
        let back_off = BACK_OFF_MIN.saturating_mul(1 << self.failures.min(10)).min(BACK_OFF_MAX);
        self.failures += 1;
        self.retry_at = self.shared.now().plus(back_off);
    }

    /// Lets another worker take the contest over at once.
    pub(crate) fn release(&mut self) {
        let runtime = self.shared.runtime.clone();
        runtime.block_on(self.lease.release());
    }

    /// The contest's lease and counts row. The row is taken out of the worker, and put back only
    /// when a write has succeeded: after any other end it must be claimed again.
    async fn hold(&mut self) -> Result<Held, StoreError> {
        let control = &self.shared.control;
        if self.row.is_none()
            && let Some(counts) = crate::peek_counts(control.as_ref(), &self.contest).await?
            && counts.status >= CountsStatus::Final
        {
            return Ok(Held::Finished(counts));
        }
        match self.lease.acquire().await? {
            Grant::Kept => {}
            // What was counted before stays right: the fold is a union, and the buckets that were
            // open then are read again, however long ago that was.
            Grant::New => self.row = None,
            Grant::Refused => {
                self.row = None;
                return Ok(Held::Elsewhere);
            }
        }
        if let Some(row) = self.row.take() {
            return Ok(Held::Row(row));
        }
        match CountsRow::claim(control.clone(), &self.contest).await {
            Ok(Claim::Claimed(row)) => Ok(Held::Row(row)),
            Ok(Claim::Finished(counts)) => Ok(Held::Finished(counts)),
            // Two claimed at once; the other one has it.
            Err(StoreError::Conflict) => {
                self.lease.doubt();
                Ok(Held::Elsewhere)
            }
            Err(error) => Err(error),
        }
    }

    fn count_new(
        &mut self,
        contest: &TallyContest,
        started: Timestamp,
    ) -> Result<Counts, CountError> {
        let mut progress = self.take_progress(contest);
        let pulse = HoldingPulse::new(&self.shared.stop, &mut self.lease);
        let result = advance(&self.shared, contest, &mut progress, started, &pulse);
        let through = self.counted_through(started);
        let counts = row::provisional(contest, progress.fold(), progress.rows(), through);
        self.progress = Some(progress);
        result.map(|()| counts)
    }

    /// Counts without the lease, and publishes nothing.
    fn count_along(&mut self, contest: &TallyContest) -> Result<(), CountError> {
        let started = self.shared.now();
        let Some(every) = self.shared.settings.standby else {
            self.progress = None;
            return Ok(());
        };
        if started.since(self.counted_along_at) < every {
            return Ok(());
        }
        self.counted_along_at = started;
        let mut progress = self.take_progress(contest);
        let pulse = StandbyPulse { stop: &self.shared.stop };
        let result = advance(&self.shared, contest, &mut progress, started, &pulse);
        self.progress = Some(progress);
        result
    }

    /// What was counted of the contest as it is now.
    fn take_progress(&mut self, contest: &TallyContest) -> Progress {
        let kept = self.progress.take().filter(|progress| progress.is_of(&contest.contest));
        kept.unwrap_or_else(|| Progress::new(&contest.contest))
    }

    fn count_final(
        &mut self,
        contest: &TallyContest,
        started: Timestamp,
    ) -> Result<Counts, CountError> {
        // The recount needs the memory.
        self.progress = None;
        let pulse = HoldingPulse::new(&self.shared.stop, &mut self.lease);
        let all = ballot::Bucket(0)..=LAST_BUCKET;
        let source = source(&self.shared, contest, all, Arc::default(), &pulse);
        let counted = map::count_from_nothing(&source, &contest.contest, &|_| true, &|_| ())?;
        let set = batch_set::name(&counted.batches);
        // The set is stored before the row that names it.
        let save =
            batch_set::save(&*self.shared.control, &self.contest, &set, &counted.batches, &pulse);
        self.shared.runtime.block_on(save)?;
        let through = self.counted_through(started);
        let counts = row::provisional(contest, &counted.fold, counted.rows, through);
        Ok(Counts { status: CountsStatus::Final, batch_set: Some(set), ..counts })
    }

    /// What was acknowledged before the scan began was durable before it, by a clock that is at
    /// most the skew ahead of this one.
    fn counted_through(&self, started: Timestamp) -> Timestamp {
        started.minus(self.shared.settings.clock_skew).floor_to_millis()
    }
}

enum Held {
    Row(CountsRow),
    Finished(Counts),
    Elsewhere,
}

/// Whether every ballot that was or will be acknowledged for the contest is durable.
fn final_due(contest: &TallyContest, now: Timestamp, clock_skew: Duration) -> bool {
    let closes_at = contest.contest.hours.closes_at;
    closes_at.is_some_and(|closes_at| now >= closes_at.plus(COMMIT_DEADLINE).plus(clock_skew))
}

/// Absorbs what is new.
fn advance(
    shared: &Shared,
    contest: &TallyContest,
    progress: &mut Progress,
    started: Timestamp,
    pulse: &dyn Pulse,
) -> Result<(), CountError> {
    let source = source(shared, contest, progress.buckets(), progress.known(), pulse);
    progress.count(&source)?;
    progress.leave_buckets(started, shared.settings.clock_skew);
    Ok(())
}

fn source<'a>(
    shared: &'a Shared,
    contest: &'a TallyContest,
    buckets: std::ops::RangeInclusive<ballot::Bucket>,
    known: Arc<HashSet<BatchId>>,
    pulse: &'a dyn Pulse,
) -> Source<'a> {
    Source {
        ballots: &*shared.ballots,
        runtime: &shared.runtime,
        contest: &contest.slug,
        shards: contest.contest.shards,
        buckets,
        known,
        threads: shared.settings.threads.get(),
        chunk_rows: shared.settings.chunk_rows,
        pulse,
    }
}

/// Ends a count without the lease when the tally is asked to stop.
struct StandbyPulse<'a> {
    stop: &'a AtomicBool,
}

impl Pulse for StandbyPulse<'_> {
    fn beat(&self) -> BoxFuture<'_, Result<(), CountError>> {
        let stopped = self.stop.load(Ordering::Relaxed);
        Box::pin(async move { if stopped { Err(CountError::Stopped) } else { Ok(()) } })
    }
}

/// Renews the lease during a long count, and ends the count when the lease is lost or the tally
/// is asked to stop.
struct HoldingPulse<'a> {
    stop: &'a AtomicBool,
    lease: tokio::sync::Mutex<&'a mut Lease>,
}

impl<'a> HoldingPulse<'a> {
    fn new(stop: &'a AtomicBool, lease: &'a mut Lease) -> Self {
        Self { stop, lease: tokio::sync::Mutex::new(lease) }
    }
}

impl Pulse for HoldingPulse<'_> {
    fn beat(&self) -> BoxFuture<'_, Result<(), CountError>> {
        Box::pin(async {
            if self.stop.load(Ordering::Relaxed) {
                return Err(CountError::Stopped);
            }
            // Where another thread renews it just now, this one need not.
            let Ok(mut lease) = self.lease.try_lock() else { return Ok(()) };
            match lease.acquire().await? {
                Grant::Kept => Ok(()),
                Grant::New | Grant::Refused => Err(CountError::LeaseLost),
            }
        })
    }
}
