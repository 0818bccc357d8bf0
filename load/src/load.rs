//! The load: threads, each with its own runtime and its share of the connections.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use tokio::sync::{mpsc, watch};

use super::{
    address::Address,
    ballots::Source,
    client::{Requests, send_until_over},
    lane::Lane,
    ledger::Ledger,
    profile::Profile,
    retry::RetryPolicy,
};

/// Ballots that an open loop keeps waiting for a retry, at most, over all threads: about 100 MB.
/// Past that, new votes are late.
const OPEN_LOOP_BALLOTS_MAX: u64 = 200_000;

/// What to send, where and when.
#[derive(Clone)]
pub struct Plan {
    /// The nodes; the next one is used when one fails.
    pub addresses: Arc<[Address]>,
    /// How ballots become requests.
    pub requests: Requests,
    /// What ballots.
    pub source: Source,
    /// When.
    pub pace: Pace,
    /// Stop after so many ballots.
    pub votes_max: Option<u64>,
    /// Connections over all threads.
    pub connections: u32,
    /// Threads, each with its share of the connections.
    pub threads: u32,
    /// Share of ballots sent twice.
    pub duplicates: f64,
    /// Share of requests cut off.
    pub cut: f64,
    /// How a client retries.
    pub retry: RetryPolicy,
    /// How long to wait for a reply.
    pub timeout: Duration,
}

/// When ballots are sent.
#[derive(Clone, Debug)]
pub enum Pace {
    /// Each connection's next one after the last one's reply, for so long.
    Closed(Option<Duration>),
    /// When they are due, whatever the server does.
    Open(Profile),
}

/// What a load is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Sending.
    Sending,
    /// No new ballots; those begun get their replies and retries.
    Finishing,
    /// No retries either.
    Abandoned,
}

/// All that the threads of a load have in common.
pub(crate) struct Common {
    pub(crate) plan: Plan,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) started: Instant,
}

/// A load under way.
pub struct Load {
    common: Arc<Common>,
    phase: watch::Sender<Phase>,
    threads: Vec<thread::JoinHandle<anyhow::Result<()>>>,
    /// Ends when the last thread has.
    over: mpsc::Receiver<()>,
}

impl Load {
    /// Starts sending.
    pub fn start(mut plan: Plan) -> anyhow::Result<Self> {
        plan.threads = plan.threads.clamp(1, plan.connections.max(1));
        plan.votes_max = plan.votes_max.into_iter().chain(plan.source.len()).min();
        let ledger = Arc::new(Ledger::new(plan.source.choices.len(), plan.threads as usize));
        let common = Arc::new(Common { plan, ledger, started: Instant::now() });
        let (phase, phase_seen) = watch::channel(Phase::Sending);
        let (running, over) = mpsc::channel(1);
        let threads = (0..common.plan.threads)
            .map(|number| {
                let lane = LaneOptions::of_thread(&common, number, phase_seen.clone());
                let running = running.clone();
                let body = move || {
                    let _running = running;
                    lane.run()
                };
                thread::Builder::new().name(format!("bench-{number}")).spawn(body)
            })
            .collect::<Result<_, _>>()
            .context("no threads")?;
        Ok(Self { common, phase, threads, over })
    }

    /// The counters.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.common.ledger
    }

    /// When it started.
    pub fn started(&self) -> Instant {
        self.common.started
    }

    /// Sends no new ballots from now on.
    pub fn finish(&self) {
        self.phase.send_if_modified(|phase| {
            let sending = *phase == Phase::Sending;
            if sending {
                *phase = Phase::Finishing;
            }
            sending
        });
    }

    /// Gives up every ballot whose end is not known.
    pub fn abandon(&self) {
        self.phase.send_replace(Phase::Abandoned);
    }

    /// Waits until the end of every ballot is known. May be cancelled and called again.
    pub async fn over(&mut self) {
        // Nothing is ever sent on it; the last sender's end is the message.
        let _ = self.over.recv().await;
    }

    /// Takes the threads' errors, once it is over.
    pub fn join(self) -> anyhow::Result<()> {
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("a sending thread panicked"))??;
        }
        Ok(())
    }
}

/// One thread's share.
struct LaneOptions {
    common: Arc<Common>,
    number: u32,
    connections: u32,
    phase: watch::Receiver<Phase>,
}

impl LaneOptions {
    fn of_thread(common: &Arc<Common>, number: u32, phase: watch::Receiver<Phase>) -> Self {
        let Plan { connections, threads, .. } = common.plan;
        let connections = connections / threads + u32::from(number < connections % threads);
        Self { common: Arc::clone(common), number, connections, phase }
    }

    fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .context("no runtime")?;
        let plan = &self.common.plan;
        let open_max = match plan.pace {
            Pace::Closed(_) => u64::from(self.connections),
            Pace::Open(_) => {
                let ballots = OPEN_LOOP_BALLOTS_MAX / u64::from(plan.threads);
                ballots / plan.source.ballots_per_request()
            }
        };
        let lane = Lane::new(self.common, self.number, open_max, self.phase);
        runtime.block_on(async {
            let lane = std::rc::Rc::new(lane);
            let clients: Vec<_> = (0..self.connections)
                .map(|number| {
                    let lane = std::rc::Rc::clone(&lane);
                    tokio::task::spawn_local(async move { send_until_over(&lane, number).await })
                })
                .collect();
            for client in clients {
                client.await.map_err(|_| anyhow!("a connection's task panicked"))?;
            }
            Ok(())
        })
    }
}

impl Common {
    /// The ballots of request `n`, from the first up to but not including the end; `None` past
    /// the last.
    pub(crate) fn ballots_of(&self, n: u64) -> Option<(u64, u64)> {
        let each = self.plan.source.ballots_per_request();
        let first = n.checked_mul(each)?;
        let end = (first + each).min(self.plan.votes_max.unwrap_or(u64::MAX));
        (first < end).then_some((first, end))
    }

    /// When request `n` is due; `None` when there is none.
    pub(crate) fn due(&self, n: u64, now: Instant) -> Option<Instant> {
        let (first, _) = self.ballots_of(n)?;
        match &self.plan.pace {
            Pace::Closed(duration) => {
                let over = duration.is_some_and(|duration| now >= self.started + duration);
                (!over).then_some(now)
            }
            Pace::Open(profile) => Some(self.started + profile.due(first)?),
        }
    }

    /// Notes that all ballots with these choices are begun.
    pub(crate) fn note_begun(&self, ballots: usize) {
        self.ledger.begun.fetch_add(ballots as u64, Relaxed);
    }
}
