//! One worker's part in one contest: what is to be done for it now.

use std::{collections::HashSet, ops::RangeInclusive, sync::Arc, time::Duration};

use ballot::{
    BatchId, Bucket, Counts, CountsStatus, Moment, Phase, Slug, Timestamp, fold::Fold,
    timing::COMMIT_DEADLINE,
};
use store::{BallotStore, ControlStore, Read, StoreError};
use tokio::sync::Semaphore;

use crate::{
    Contests, CountError, Hooks, TallyContest, TallySettings, batch_set,
    gate::Gate,
    lease::{Grant, Lease, Pulse},
    map::{self, LAST_BUCKET, Source},
    progress::Progress,
    publish::{Claim, CountsRow},
    row,
    stop::Stop,
    time::TallyTime,
};

/// Waits after failures, doubling from the first to the last.
const BACK_OFF_MIN: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// What all workers of a tally share.
pub(crate) struct Shared {
    pub(crate) ballots: Arc<dyn BallotStore>,
    pub(crate) control: Arc<dyn ControlStore>,
    pub(crate) contests: Arc<dyn Contests>,
    pub(crate) time: Arc<TallyTime>,
    pub(crate) settings: TallySettings,
    pub(crate) hooks: Hooks,
    pub(crate) gate: Arc<Gate>,
    /// For visits that begin.
    pub(crate) slots: Semaphore,
    pub(crate) stop: Stop,
}

/// What came of a visit.
pub(crate) enum Visit {
    /// There is nothing to count, or not yet.
    Nothing,
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
    /// Whether the contest has opened: a draft has no lease.
    has_opened: bool,
    lease: Lease,
    row: Option<CountsRow>,
    progress: Option<Progress>,
    /// When this worker last counted along without the lease.
    counted_along_at: Option<Moment>,
    failures: u32,
    retry_at: Moment,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, contest: Slug) -> Self {
        let (control, time) = (shared.control.clone(), shared.time.clone());
        let lease = Lease::new(control, time, &contest, &shared.settings);
        Self {
            shared,
            contest,
            has_opened: false,
            lease,
            row: None,
            progress: None,
            counted_along_at: None,
            failures: 0,
            retry_at: Moment::default(),
        }
    }

    pub(crate) fn contest(&self) -> &Slug {
        &self.contest
    }

    /// Whether the last failure is long enough ago.
    pub(crate) fn is_due(&self) -> bool {
        self.shared.time.moment() >= self.retry_at
    }

    /// Counts what is new, or all of it once the close is over, and publishes.
    pub(crate) async fn visit(&mut self) -> Result<Visit, CountError> {
        let row = match self.hold().await? {
            Held::Row(row) => row,
            Held::Finished(counts) => {
                // Perhaps written by this worker, and the reply was lost.
                let counts = Arc::new(counts);
                (self.shared.hooks.on_publish)(&counts);
                return Ok(Visit::Finished(counts));
            }
            Held::Elsewhere => {
                self.count_along().await?;
                return Ok(Visit::NotHeld);
            }
            Held::Nothing => return Ok(Visit::Nothing),
        };
        let started = self.shared.time.begin_scan();
        // What is acknowledged before the scan was taken in by this definition, or an older one.
        let contest = match self.definition().await {
            Ok(Some(contest)) => contest,
            none => {
                self.row = Some(row);
                return none.map(|_| Visit::Nothing).map_err(CountError::from);
            }
        };
        let through = self.counted_through(started).max(row.counted_through());
        let is_final = final_due(&contest, started, self.shared.settings.clock_skew);
        let pulse = Arc::new(Pulse::default());
        let counts = if is_final {
            // The recount needs the memory.
            self.progress = None;
            let counting = self.count_final(&contest, through, &pulse);
            self.lease.keep_during(&pulse, counting).await??
        } else {
            let progress = self.progress.take();
            let advancing = self.advance(&contest, started, progress, &pulse);
            let (progress, result) = self.lease.keep_during(&pulse, advancing).await?;
            let progress = self.progress.insert(progress);
            result?;
            row::provisional(&contest, progress.fold(), progress.rows(), through)
        };
        match row.write(counts).await {
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
    pub(crate) async fn failed(&mut self, error: Option<&CountError>) {
        if matches!(error, None | Some(CountError::LeaseLost)) {
            self.lease.doubt().await;
            self.row = None;
        }
        if error.is_none_or(|error| !matches!(error, CountError::Store(_))) {
            self.progress = None;
        }
        if matches!(error, Some(CountError::Changed)) {
            return;
        }
        let back_off = BACK_OFF_MIN.saturating_mul(1 << self.failures.min(10)).min(BACK_OFF_MAX);
        self.failures += 1;
        self.retry_at = self.shared.time.moment().plus(back_off);
    }

    /// Lets another worker take the contest over at once.
    pub(crate) async fn release(&self) {
        self.lease.release().await;
    }

    /// The contest's lease and counts row. The row is taken out of the worker, and put back only
    /// when a write has succeeded: after any other end it must be claimed again.
    async fn hold(&mut self) -> Result<Held, StoreError> {
        let control = self.shared.control.clone();
        if self.row.is_none()
            && let Some(counts) =
                crate::load_counts(control.as_ref(), &self.contest, Read::Quorum).await?
            && counts.status >= CountsStatus::Final
        {
            return Ok(Held::Finished(counts));
        }
        if !self.has_opened {
            let contest = self.definition().await?;
            let phase = contest.map(|contest| contest.contest.hours.phase(self.shared.time.now()));
            if matches!(phase, None | Some(Phase::Draft)) {
                return Ok(Held::Nothing);
            }
            self.has_opened = true;
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
        match CountsRow::claim(control, &self.contest).await {
            Ok(Claim::Claimed(row)) => Ok(Held::Row(row)),
            Ok(Claim::Finished(counts)) => Ok(Held::Finished(counts)),
            // Two claimed at once; the other one has it.
            Err(StoreError::Conflict) => {
                self.lease.doubt().await;
                Ok(Held::Elsewhere)
            }
            Err(error) => Err(error),
        }
    }

    async fn definition(&self) -> Result<Option<TallyContest>, StoreError> {
        self.shared.contests.read(&self.contest).await
    }

    /// Counts without the lease, and publishes nothing.
    async fn count_along(&mut self) -> Result<(), CountError> {
        let Some(every) = self.shared.settings.standby else {
            self.progress = None;
            return Ok(());
        };
        let now = self.shared.time.moment();
        if self.counted_along_at.is_some_and(|at| now.since(at) < every) {
            return Ok(());
        }
        self.counted_along_at = Some(now);
        let started = self.shared.time.begin_scan();
        if let Some(contest) = self.definition().await? {
            let (progress, pulse) = (self.progress.take(), Arc::default());
            let (progress, result) = self.advance(&contest, started, progress, &pulse).await;
            self.progress = Some(progress);
            result?;
        }
        Ok(())
    }

    /// Absorbs what is new of the contest as it is now into what was counted of it.
    async fn advance(
        &self,
        contest: &TallyContest,
        started: Timestamp,
        counted: Option<Progress>,
        pulse: &Arc<Pulse>,
    ) -> (Progress, Result<(), CountError>) {
        let kept = counted.filter(|progress| progress.is_of(&contest.contest));
        let progress = kept.unwrap_or_else(|| Progress::new(&contest.contest));
        let source = Source {
            is_long: progress.is_new(),
            ..self.source(contest, progress.buckets(), progress.known(), pulse)
        };
        let (mut progress, result) = progress.count(source).await;
        if result.is_ok() {
            progress.leave_buckets(started, self.shared.settings.clock_skew);
        }
        (progress, result)
    }

    /// Counts everything again.
    async fn count_final(
        &self,
        contest: &TallyContest,
        through: Timestamp,
        pulse: &Arc<Pulse>,
    ) -> Result<Counts, CountError> {
        let all = Bucket(0)..=LAST_BUCKET;
        let source = self.source(contest, all, Arc::default(), pulse);
        let counted = map::count_from_nothing(source, Fold::new(&contest.contest), |_| ()).await?;
        let set = batch_set::name(&counted.batches);
        // The set is stored before the row that names it.
        let control = &*self.shared.control;
        batch_set::save(control, &self.contest, &set, &counted.batches, pulse).await?;
        // Once it is written it is for good: only what the contest still is, and will be.
        self.shared.contests.seal(&self.contest).await?;
        let contest = match self.definition().await? {
            Some(now) if now.counts_like(contest) => now,
            _ => return Err(CountError::Changed),
        };
        let counts = row::provisional(&contest, &counted.fold, counted.rows, through);
        Ok(Counts { status: CountsStatus::Final, batch_set: Some(set), ..counts })
    }

    fn counted_through(&self, started: Timestamp) -> Timestamp {
        self.shared.time.counted_through(started).floor_to_millis()
    }

    fn source(
        &self,
        contest: &TallyContest,
        buckets: RangeInclusive<Bucket>,
        known: Arc<HashSet<BatchId>>,
        pulse: &Arc<Pulse>,
    ) -> Source {
        let settings = &self.shared.settings;
        let new = Arc::clone(&known);
        Source {
            ballots: self.shared.ballots.clone(),
            contest: self.contest.clone(),
            shards: contest.contest.shards,
            buckets,
            known,
            wanted: Box::new(move |id| !new.contains(id)),
            threads: settings.threads.get(),
            chunk_rows: settings.chunk_rows,
            pulse: Arc::clone(pulse),
            gate: Some(self.shared.gate.clone()),
            is_long: true,
            stop: self.shared.stop.listen(),
        }
    }
}

enum Held {
    Row(CountsRow),
    Finished(Counts),
    Elsewhere,
    Nothing,
}

/// Whether every ballot that was or will be acknowledged for the contest is durable.
fn final_due(contest: &TallyContest, now: Timestamp, clock_skew: Duration) -> bool {
    let closes_at = contest.contest.hours.closes_at;
    closes_at.is_some_and(|closes_at| now >= closes_at.plus(COMMIT_DEADLINE).plus(clock_skew))
}
