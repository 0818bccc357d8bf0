//! Connections: accepted in one place, handed round to worker threads.
//!
//! Each worker is one thread with a runtime of its own, so a ballot is read, gathered, committed
//! and answered without changing threads. What answers is handed in, one for each worker.

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    connection::{Answers, Connection, ended},
    tls::Tls,
};

/// Connections on their way to a worker; more wait in the kernel's backlog.
const HANDED_OVER_MAX: usize = 1_024;
/// The last replies must be out by then.
const GOODBYE: Duration = Duration::from_secs(5);

/// How a node serves.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Worker threads.
    pub threads: usize,
    /// Open connections; more wait in the kernel's backlog.
    pub connections_max: usize,
}

/// A connection on its way to a worker.
struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    stop_accepting: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    acceptor: tokio::task::JoinHandle<()>,
    workers: Vec<thread::JoinHandle<()>>,
}

impl Server {
    /// Starts the workers, each with what `answers` makes, and accepting on the present runtime.
    pub(crate) fn start<A: Answers>(
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        settings: &ServerSettings,
        open: &Gauge,
        mut answers: impl FnMut() -> A,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (stop_accepting, accepting) = watch::channel(false);
        let mut workers = Vec::new();
        let mut senders = Vec::new();
        for n in 0..settings.threads.max(1) {
            let (sender, receiver) = mpsc::channel(HANDED_OVER_MAX);
            senders.push(sender);
            let (tls, stopped) = (tls.clone(), stopped.clone());
            let serving = Serving { answers: answers(), tls, stopped, open: open.clone() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let thread = thread::Builder::new().name(format!("worker-{n}"));
            workers.push(thread.spawn(move || runtime.block_on(serving.work(receiver)))?);
        }
        let connections = Arc::new(Semaphore::new(settings.connections_max));
        let acceptor = tokio::spawn(accept(listener, senders, connections, accepting));
        Ok(Self { stop_accepting, stop, acceptor, workers })
    }

    /// Takes no more connections, answers the requests that are being served, and ends.
    pub async fn stop(self) {
        self.stop_accepting.send_replace(true);
        let _ = self.acceptor.await;
        self.stop.send_replace(true);
        let workers = self.workers;
        let joined = tokio::task::spawn_blocking(move || {
            for worker in workers {
                if worker.join().is_err() {
                    tracing::error!("a worker ended by a panic");
                }
            }
        });
        let _ = joined.await;
    }
}

/// Accepts, and hands connections round, so that every worker has as many.
async fn accept(
    listener: TcpListener,
    workers: Vec<mpsc::Sender<Accepted>>,
    connections: Arc<Semaphore>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut next = 0;
    loop {
        let accepted = tokio::select! {
            () = ended(&mut stopped) => return,
            accepted = accept_one(&listener, &connections) => accepted,
        };
        match accepted {
            Ok(accepted) => {
                let worker = &workers[next % workers.len()];
                next = next.wrapping_add(1);
                if worker.send(accepted).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely: connections end, and it goes on.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn accept_one(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> std::io::Result<Accepted> {
    let permit = Arc::clone(connections).acquire_owned().await;
    let permit = permit.expect("the semaphore is never closed");
    let (stream, peer) = listener.accept().await?;
    Ok(Accepted { stream: stream.into_std()?, peer, permit })
}

/// What one worker serves its connections with.
struct Serving<A> {
    answers: A,
    tls: Option<Arc<Tls>>,
    stopped: watch::Receiver<bool>,
    /// How many connections are open.
    open: Gauge,
}

impl<A: Answers> Serving<A> {
    /// The worker's life.
    async fn work(mut self, mut accepted: mpsc::Receiver<Accepted>) {
        self.answers.start();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = ended(&mut self.stopped) => break,
                connection = accepted.recv() => {
                    let Some(connection) = connection else { break };
                    connections.spawn(self.serve(connection));
                }
                Some(_) = connections.join_next() => {}
            }
        }
        self.answers.end();
        let goodbye = async { while connections.join_next().await.is_some() {} };
        if timeout(GOODBYE, goodbye).await.is_err() {
            tracing::warn!("connections were cut that did not end in time");
        }
    }

    fn serve(&self, accepted: Accepted) -> impl Future<Output = ()> + Send + use<A> {
        let Accepted { stream, peer, permit } = accepted;
        let (answers, tls) = (self.answers.clone(), self.tls.clone());
        let connection = Connection { answers, tls, stopped: self.stopped.clone() };
        let open = self.open.clone();
        async move {
            open.inc();
            if let Err(error) = connection.serve(stream, peer).await {
                // Of no interest to an operator: phones lose their network all the time.
                tracing::debug!(error, "a connection ended");
            }
            open.dec();
            drop(permit);
        }
    }
}
