//! When to count: the schedule, the threads, and what happens when something goes wrong.

use std::{
    any::Any,
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use ballot::Slug;
use store::{BallotStore, ControlStore};
use tokio::runtime::Runtime;

use crate::{
    Contests, Hooks, RunOutcome, RunReport, TallyContest, TallySettings,
    map::{self, CountError},
    worker::{Shared, Visit, Worker},
};

/// Waits after a run that panicked outside any contest, doubling from the first to the last.
const BACK_OFF_MIN: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// A tally worker, for all contests.
pub struct Tally {
    shared: Arc<Shared>,
    contests: Arc<dyn Contests>,
    workers: HashMap<Slug, Worker>,
    /// Contests whose count is final.
    finished: HashSet<Slug>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Tally {
    /// A tally that does nothing yet. Fails where no thread can be started.
    pub fn new(
        ballots: Arc<dyn BallotStore>,
        control: Arc<dyn ControlStore>,
        contests: Arc<dyn Contests>,
        settings: TallySettings,
        hooks: Hooks,
    ) -> std::io::Result<Self> {
        let runtime = map::runtime()?;
        let (handle, stop) = (runtime.handle().clone(), Arc::new(AtomicBool::new(false)));
        let shared = Arc::new(Shared { ballots, control, settings, hooks, runtime: handle, stop });
        let (workers, finished) = (HashMap::new(), HashSet::new());
        Ok(Self { shared, contests, workers, finished, runtime: Some(runtime) })
    }

    /// Runs on the schedule, on a thread of its own, until it is stopped.
    pub fn spawn(self) -> std::io::Result<TallyHandle> {
        let stop = self.shared.stop.clone();
        let thread = std::thread::Builder::new().name("tally".into());
        let thread = Some(thread.spawn(move || self.run())?);
        Ok(TallyHandle { stop, thread })
    }

    /// One run: visits every contest that there is something to do for. Blocks; not to be called
    /// from async code. A contest that fails, or even panics, does not disturb the others.
    pub fn run_once(&mut self) {
        let contests = match self.shared.runtime.block_on(self.contests.list()) {
            Ok(contests) => contests,
            Err(error) => {
                tracing::warn!(%error, "the tally cannot list the contests; it tries again");
                return;
            }
        };
        let listed: HashSet<&Slug> = contests.iter().map(|contest| &contest.slug).collect();
        self.workers.retain(|contest, _| listed.contains(contest));
        for contest in &contests {
            if self.shared.stop.load(Ordering::Relaxed) {
                return;
            }
            if !self.finished.contains(&contest.slug) {
                self.visit(contest);
            }
        }
    }

    fn visit(&mut self, contest: &TallyContest) {
        let slug = &contest.slug;
        let worker = self
            .workers
            .entry(slug.clone())
            .or_insert_with(|| Worker::new(self.shared.clone(), slug.clone()));
        if !worker.is_due(contest) {
            return;
        }
        let (started_at, started) = (self.shared.now(), Instant::now());
        let outcome = match catch_unwind(AssertUnwindSafe(|| worker.visit(contest))) {
            Ok(Ok(visit)) => {
                worker.succeeded();
                match visit {
                    Visit::NotHeld => RunOutcome::NotHeld,
                    Visit::Published(counts) => RunOutcome::Published(counts),
                    Visit::Finished(counts) => {
                        worker.release();
                        self.workers.remove(slug);
                        self.finished.insert(slug.clone());
                        RunOutcome::Published(counts)
                    }
                }
            }
            Ok(Err(CountError::Stopped)) => return,
            Ok(Err(error)) => {
                worker.failed(Some(&error));
                report_failure(slug, &error);
                RunOutcome::Failed(error.to_string())
            }
            Err(panic) => {
                worker.failed(None);
                let message = panic_message(&*panic);
                tracing::error!(contest = %slug, message, "the tally panicked; it starts over");
                RunOutcome::Failed(format!("panicked: {message}"))
            }
        };
        let took = started.elapsed();
        let report = RunReport { contest: slug.clone(), started_at, took, outcome };
        (self.shared.hooks.on_run)(&report);
    }

    fn run(mut self) {
        self.lower_priority();
        let mut back_off = Duration::ZERO;
        loop {
            let wait = self.shared.settings.schedule.wait(self.shared.now());
            if self.stopped_within(wait.max(back_off)) {
                break;
            }
            match catch_unwind(AssertUnwindSafe(|| self.run_once())) {
                Ok(()) => back_off = Duration::ZERO,
                Err(panic) => {
                    let message = panic_message(&*panic);
                    tracing::error!(message, "the tally panicked; it starts over");
                    self.workers.clear();
                    back_off = (back_off * 2).clamp(BACK_OFF_MIN, BACK_OFF_MAX);
                }
            }
        }
        self.workers.values_mut().for_each(Worker::release);
    }

    /// Waits; whether it was asked to stop meanwhile.
    fn stopped_within(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            if self.shared.stop.load(Ordering::Acquire) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // A wake-up without a reason is harmless, a missed one is not possible: `stop` sets
            // the flag before it unparks.
            std::thread::park_timeout(left);
        }
    }

    /// Voting comes first. Linux only; threads started from here inherit it.
    fn lower_priority(&self) {
        #[cfg(target_os = "linux")]
        if let Err(error) =
            rustix::process::setpriority_process(None, self.shared.settings.niceness)
        {
            tracing::debug!(%error, "the tally runs with the priority of everything else");
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A plain drop would wait for its thread, which async code must not do.
            runtime.shutdown_background();
        }
    }
}

fn report_failure(contest: &Slug, error: &CountError) {
    match error {
        CountError::LeaseLost => tracing::info!(%contest, "another worker counts the contest now"),
        CountError::Store(store::StoreError::Unavailable(_)) => {
            tracing::warn!(%contest, %error, "the count waits for the store");
        }
        _ => tracing::error!(%contest, %error, "the contest cannot be counted; its counts stay"),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// A running tally. Dropping it asks the tally to stop without waiting for it.
pub struct TallyHandle {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TallyHandle {
    /// Stops the tally and waits for it: a count that has begun is given up between two batches.
    pub fn stop(mut self) {
        self.ask();
        if let Some(thread) = self.thread.take() {
            // Its panics were caught and logged where they happened.
            let _ = thread.join();
        }
    }

    fn ask(&self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for TallyHandle {
    fn drop(&mut self) {
        self.ask();
    }
}
