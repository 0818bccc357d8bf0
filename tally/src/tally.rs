//! When to count: the schedule, the visits under way, and what happens when something goes wrong.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use ballot::{NodeClock, Slug};
use futures_core::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, future::join_all, stream::FuturesUnordered};
use store::{BallotStore, ControlStore};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{
    Contests, CountError, Hooks, RunOutcome, RunReport, TallySettings,
    gate::Gate,
    runtime::{lower_priority, runtime},
    stop::Stop,
    time::TallyTime,
    worker::{Shared, Visit, Worker},
};

/// Waits after a round that panicked outside any contest, doubling from the first to the last.
const BACK_OFF_MIN: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// Rounds are so far apart at least; a schedule has whole seconds. A clock that stands still a moment
/// before the next round, because it was set back, must not make them follow each other at once.
const ROUND_PAUSE_MIN: Duration = Duration::from_millis(500);

/// Visits that may begin at once: after a restart all contests of many years are looked at.
const VISITS_AT_ONCE: usize = 64;

/// A visit that lasts longer lets another begin: it counts for long, or waits for the store.
const VISIT_LONG: Duration = Duration::from_millis(500);

/// For so long a tally that ends waits for a store that does not answer.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A tally worker, for all contests.
///
/// Every contest is visited by itself: one that takes long, fails, panics or waits for the store
/// holds up no other.
pub struct Tally {
    shared: Arc<Shared>,
    /// Of the contests that are not visited now.
    workers: BTreeMap<Slug, Worker>,
    /// The contests that are.
    visited: BTreeSet<Slug>,
    visits: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// Contests whose count is final.
    finished: BTreeSet<Slug>,
}

/// A visit that is over.
struct Ended {
    worker: Worker,
    is_finished: bool,
}

impl Tally {
    /// A tally that does nothing yet.
    pub fn new(
        ballots: Arc<dyn BallotStore>,
        control: Arc<dyn ControlStore>,
        contests: Arc<dyn Contests>,
        clock: Arc<NodeClock>,
        settings: TallySettings,
        hooks: Hooks,
    ) -> Self {
        let gate = Gate::new(Arc::clone(&clock));
        let time = Arc::new(TallyTime::new(clock, settings.clock_skew));
        let stop = Stop::new();
        let slots = Semaphore::new(VISITS_AT_ONCE);
        let shared =
            Shared { ballots, control, contests, time, settings, hooks, gate, slots, stop };
        Self {
            shared: Arc::new(shared),
            workers: BTreeMap::new(),
            visited: BTreeSet::new(),
            visits: FuturesUnordered::new(),
            finished: BTreeSet::new(),
        }
    }

    /// Runs on the schedule, on a thread of its own, until it is stopped.
    pub fn spawn(self) -> std::io::Result<TallyHandle> {
        let niceness = self.shared.settings.niceness;
        let runtime = runtime(Some(niceness))?;
        let stop = Stop::new();
        let mut stopped = stop.listen();
        let thread = std::thread::Builder::new().name("tally".into()).spawn(move || {
            lower_priority(niceness);
            let gate = Arc::clone(&self.shared.gate);
            runtime.block_on(self.run(async move { stopped.asked().await }));
            if gate.is_idle() {
                runtime.shutdown_background();
            } else {
                // A thread that waits for the store would panic without it.
                std::mem::forget(runtime);
            }
        })?;
        Ok(TallyHandle { stop, thread: Some(thread) })
    }

    /// Runs on the schedule until `stop` resolves; then gives up what it is counting, and its leases.
    /// Needs a tokio runtime with time. With one thread in its settings it spawns nothing.
    ///
    /// Dropped instead, it has crashed: its leases end by themselves.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut back_off = Duration::ZERO;
        let mut round = pin!(sleep(self.wait()));
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = &mut round => {
                    back_off = match catch_unwind(AssertUnwindSafe(|| self.begin_round())) {
                        Ok(()) => Duration::ZERO,
                        Err(panic) => {
                            report_panic(None, &*panic);
                            (back_off * 2).clamp(BACK_OFF_MIN, BACK_OFF_MAX)
                        }
                    };
                    round.set(sleep(self.wait().max(back_off)));
                }
                Some(ended) = self.visits.next() => self.end_visit(ended),
            }
        }
        self.shared.stop.ask();
        if timeout(STOP_PATIENCE, self.end()).await.is_err() {
            tracing::warn!("the tally ends without an answer of the store: its leases run out");
        }
    }

    /// One round, whatever the schedule says: visits every contest that there is something to do for,
    /// and waits for all of these visits.
    pub async fn run_once(&mut self) {
        self.begin_round();
        while let Some(ended) = self.visits.next().await {
            self.end_visit(ended);
        }
    }

    fn wait(&self) -> Duration {
        self.shared.settings.schedule.wait(self.shared.time.now()).max(ROUND_PAUSE_MIN)
    }

    /// Begins to visit whatever is not being visited.
    fn begin_round(&mut self) {
        let names: BTreeSet<_> = match self.shared.contests.names() {
            Ok(names) => names.into_iter().collect(),
            Err(error) => {
                tracing::warn!(%error, "the tally counts nothing for now; it tries again");
                return;
            }
        };
        self.workers.retain(|contest, _| names.contains(contest));
        for contest in names {
            if self.finished.contains(&contest) || self.visited.contains(&contest) {
                continue;
            }
            let worker = self
                .workers
                .remove(&contest)
                .unwrap_or_else(|| Worker::new(self.shared.clone(), contest.clone()));
            if worker.is_due() {
                self.visits.push(visit(self.shared.clone(), worker).boxed());
                self.visited.insert(contest);
            } else {
                self.workers.insert(contest, worker);
            }
        }
    }

    fn end_visit(&mut self, Ended { worker, is_finished }: Ended) {
        let contest = worker.contest().clone();
        self.visited.remove(&contest);
        if is_finished {
            self.finished.insert(contest);
        } else {
            self.workers.insert(contest, worker);
        }
    }

    /// The visits under way have been asked to stop.
    async fn end(&mut self) {
        while let Some(ended) = self.visits.next().await {
            self.end_visit(ended);
        }
        join_all(self.workers.values().map(Worker::release)).await;
        // Threads that still count end between two batches.
        self.shared.gate.idle().await;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        // Threads may still be counting for it.
        self.shared.stop.ask();
    }
}

/// One visit. Nothing that goes wrong in it goes further.
async fn visit(shared: Arc<Shared>, mut worker: Worker) -> Ended {
    let (started_at, started) = (shared.time.now(), shared.time.moment());
    let mut stop = shared.stop.listen();
    let outcome = tokio::select! {
        biased;
        () = stop.asked() => Ok(Err(CountError::Stopped)),
        outcome = AssertUnwindSafe(visit_in_turn(&shared, &mut worker)).catch_unwind() => outcome,
    };
    let contest = worker.contest().clone();
    let mut is_finished = false;
    let outcome = match outcome {
        Ok(Ok(visit)) => {
            worker.succeeded();
            match visit {
                Visit::Nothing => None,
                Visit::NotHeld => Some(RunOutcome::NotHeld),
                Visit::Published(counts) => Some(RunOutcome::Published(counts)),
                Visit::Finished(counts) => {
                    worker.release().await;
                    is_finished = true;
                    Some(RunOutcome::Published(counts))
                }
            }
        }
        Ok(Err(CountError::Stopped)) => None,
        Ok(Err(error)) => {
            worker.failed(Some(&error)).await;
            report_failure(&contest, &error);
            Some(RunOutcome::Failed(error.to_string()))
        }
        Err(panic) => {
            worker.failed(None).await;
            let message = report_panic(Some(&contest), &*panic);
            Some(RunOutcome::Failed(format!("panicked: {message}")))
        }
    };
    if let Some(outcome) = outcome {
        let took = shared.time.moment().since(started);
        let report = RunReport { contest, started_at, took, outcome };
        let on_run = || (shared.hooks.on_run)(&report);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(on_run)) {
            report_panic(Some(&report.contest), &*panic);
        }
    }
    Ended { worker, is_finished }
}

async fn visit_in_turn(shared: &Shared, worker: &mut Worker) -> Result<Visit, CountError> {
    let slot = shared.slots.acquire().await;
    let mut visit = pin!(worker.visit());
    if let Ok(outcome) = timeout(VISIT_LONG, &mut visit).await {
        return outcome;
    }
    drop(slot);
    visit.await
}

fn report_failure(contest: &Slug, error: &CountError) {
    match error {
        CountError::LeaseLost => tracing::info!(%contest, "another worker counts the contest now"),
        CountError::Changed => tracing::info!(%contest, %error),
        CountError::Store(store::StoreError::Unavailable(_)) => {
            tracing::warn!(%contest, %error, "the count waits for the store");
        }
        _ => tracing::error!(%contest, %error, "the contest cannot be counted; its counts stay"),
    }
}

fn report_panic<'a>(contest: Option<&Slug>, panic: &'a (dyn Any + Send)) -> &'a str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let message = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    let contest = contest.map(tracing::field::display);
    tracing::error!(contest, message, "the tally panicked; it starts over");
    message
}

/// A running tally. Dropping it asks the tally to stop without waiting for it.
pub struct TallyHandle {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl TallyHandle {
    /// Stops the tally and waits for it: a count that has begun is given up between two batches.
    pub fn stop(mut self) {
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            // Its panics were caught and logged where they happened.
            let _ = thread.join();
        }
    }
}
