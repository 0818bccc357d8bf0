//! The crowd: threads, each with its own runtime and its share of the connections.

use std::{sync::Arc, thread, time::Instant};

use anyhow::{Context, anyhow};
use tokio::sync::{mpsc, watch};

use crate::{
    client::send_until_over,
    lane::{Lane, Stage},
    ledger::Ledger,
    offer::{Offer, Pace, Run},
};

/// Ballots that an open loop keeps waiting for a retry, at most, over all threads: about 100 MB.
/// Past that, new votes are late.
const OPEN_LOOP_BALLOTS_MAX: u64 = 200_000;

/// A crowd that votes.
pub struct Crowd {
    run: Arc<Run>,
    stage: watch::Sender<Stage>,
    threads: Vec<thread::JoinHandle<anyhow::Result<()>>>,
    /// Ends when the last thread has.
    over: mpsc::Receiver<()>,
}

impl Crowd {
    /// Starts sending.
    pub fn start(mut offer: Offer) -> anyhow::Result<Self> {
        offer.threads = offer.threads.clamp(1, offer.connections.max(1));
        offer.votes_max = offer.votes_max.into_iter().chain(offer.source.len()).min();
        let ledger = Arc::new(Ledger::new(offer.source.choices.len(), offer.threads as usize));
        let run = Arc::new(Run { offer, ledger, started: Instant::now() });
        let (stage, stage_seen) = watch::channel(Stage::Sending);
        let (running, over) = mpsc::channel(1);
        let threads = (0..run.offer.threads)
            .map(|number| {
                let lane = ThreadShare::of_thread(&run, number, stage_seen.clone());
                let running = running.clone();
                let body = move || {
                    let _running = running;
                    lane.run()
                };
                thread::Builder::new().name(format!("bench-{number}")).spawn(body)
            })
            .collect::<Result<_, _>>()
            .context("no threads")?;
        Ok(Self { run, stage, threads, over })
    }

    /// The counters.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.run.ledger
    }

    /// When it started.
    pub fn started(&self) -> Instant {
        self.run.started
    }

    /// Sends no new ballots from now on.
    pub fn finish(&self) {
        self.stage.send_if_modified(|stage| {
            let sending = *stage == Stage::Sending;
            if sending {
                *stage = Stage::Finishing;
            }
            sending
        });
    }

    /// Gives up every ballot whose end is not known.
    pub fn abandon(&self) {
        self.stage.send_replace(Stage::Abandoned);
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
struct ThreadShare {
    run: Arc<Run>,
    number: u32,
    connections: u32,
    stage: watch::Receiver<Stage>,
}

impl ThreadShare {
    fn of_thread(run: &Arc<Run>, number: u32, stage: watch::Receiver<Stage>) -> Self {
        let Offer { connections, threads, .. } = run.offer;
        let connections = connections / threads + u32::from(number < connections % threads);
        Self { run: Arc::clone(run), number, connections, stage }
    }

    fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .context("no runtime")?;
        let offer = &self.run.offer;
        let open_max = match offer.pace {
            Pace::Closed(_) => u64::from(self.connections),
            Pace::Open(_) => {
                let ballots = OPEN_LOOP_BALLOTS_MAX / u64::from(offer.threads);
                ballots / offer.source.ballots_per_request()
            }
        };
        let lane = Lane::new(self.run, self.number, open_max, self.stage);
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
