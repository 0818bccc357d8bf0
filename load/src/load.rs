//! The load: threads, each with its own runtime and its share of the connections.

use std::{sync::Arc, thread, time::Instant};

use anyhow::{Context, anyhow};
use tokio::sync::{mpsc, watch};

use crate::{
    client::send_until_over,
    lane::{Lane, Phase},
    ledger::Ledger,
    offer::{Common, Pace, Plan},
};

/// Ballots that an open loop keeps waiting for a retry, at most, over all threads: about 100 MB.
/// Past that, new votes are late.
const OPEN_LOOP_BALLOTS_MAX: u64 = 200_000;

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
