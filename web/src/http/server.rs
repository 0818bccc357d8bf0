//! Connections: accepted in one place, handed round to worker threads.
//!
//! Each worker is one thread with a runtime of its own, so a ballot is read, gathered, committed
//! and answered without changing threads. What answers is handed in, one for each worker.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread,
    time::Duration,
};

use ipnet::IpNet;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    connection::{Answers, Connection, ended},
    entrance::{Entrance, Listening},
    places::{Place, Places},
    proxies::is_in,
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
    /// Open connections of one network (/24 of IPv4, /56 of IPv6); more are closed at once.
    pub connections_per_network_max: usize,
    /// Networks whose connections are others': those of proxies are not counted.
    pub uncounted: Vec<IpNet>,
    /// Whether connections from the loopback are counted.
    pub count_loopback: bool,
}

/// What an operator sees of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauges {
    /// Open connections.
    pub(crate) open: Gauge,
    /// Connections closed at once, because their network had too many.
    pub(crate) refused: Counter,
}

/// A connection on its way to a worker.
struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
    place: Option<Place>,
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
        listening: Listening,
        settings: &ServerSettings,
        gauges: &Gauges,
        mut answers: impl FnMut() -> A,
    ) -> std::io::Result<Self> {
        let Listening { listener, entrance } = listening;
        let entrance = Arc::new(entrance);
        let places = Places::new(settings.connections_per_network_max);
        let (stop, stopped) = watch::channel(false);
        let (stop_accepting, accepting) = watch::channel(false);
        let mut workers = Vec::new();
        let mut senders = Vec::new();
        for n in 0..settings.threads.max(1) {
            let (sender, receiver) = mpsc::channel(HANDED_OVER_MAX);
            senders.push(sender);
            let serving = Serving {
                answers: answers(),
                entrance: Arc::clone(&entrance),
                places: places.clone(),
                stopped: stopped.clone(),
                gauges: gauges.clone(),
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let thread = thread::Builder::new().name(format!("worker-{n}"));
            workers.push(thread.spawn(move || runtime.block_on(serving.work(receiver)))?);
        }
        let door = Door {
            listener,
            entrance,
            connections: Arc::new(Semaphore::new(settings.connections_max)),
            places,
            uncounted: settings.uncounted.clone(),
            count_loopback: settings.count_loopback,
            refused: gauges.refused.clone(),
        };
        let acceptor = tokio::spawn(door.accept(senders, accepting));
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

/// What lets connections in.
struct Door {
    listener: TcpListener,
    entrance: Arc<Entrance>,
    connections: Arc<Semaphore>,
    places: Places,
    uncounted: Vec<IpNet>,
    count_loopback: bool,
    refused: Counter,
}

impl Door {
    /// Accepts, and hands connections round, so that every worker has as many.
    async fn accept(
        self,
        workers: Vec<mpsc::Sender<Accepted>>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut next = 0;
        loop {
            let accepted = tokio::select! {
                () = ended(&mut stopped) => return,
                accepted = self.accept_one() => accepted,
            };
            match accepted {
                Ok(Some(accepted)) => {
                    let worker = &workers[next % workers.len()];
                    next = next.wrapping_add(1);
                    if worker.send(accepted).await.is_err() {
                        return;
                    }
                }
                Ok(None) => {
                    self.refused.inc();
                }
                Err(error) => {
                    // Out of file descriptors, most likely: connections end, and it goes on.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// The next connection; `None` if it was closed at once, its network having too many.
    async fn accept_one(&self) -> std::io::Result<Option<Accepted>> {
        let permit = Arc::clone(&self.connections).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let (stream, peer) = self.listener.accept().await?;
        let place = if self.is_counted(peer.ip()) {
            let Some(place) = self.places.take(peer.ip()) else { return Ok(None) };
            Some(place)
        } else {
            None
        };
        Ok(Some(Accepted { stream: stream.into_std()?, peer, permit, place }))
    }

    /// Not those of proxies: whom they connect is said in each connection, or in each request.
    fn is_counted(&self, peer: IpAddr) -> bool {
        let is_loopback = peer.to_canonical().is_loopback();
        (self.count_loopback || !is_loopback)
            && !is_in(peer, &self.uncounted)
            && !self.entrance.expects_proxy_header(peer)
    }
}

/// What one worker serves its connections with.
struct Serving<A> {
    answers: A,
    entrance: Arc<Entrance>,
    places: Places,
    stopped: watch::Receiver<bool>,
    gauges: Gauges,
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
        let Accepted { stream, peer, permit, place } = accepted;
        let connection = Connection {
            answers: self.answers.clone(),
            entrance: Arc::clone(&self.entrance),
            places: self.places.clone(),
            stopped: self.stopped.clone(),
        };
        let open = self.gauges.open.clone();
        async move {
            open.inc();
            if let Err(error) = connection.serve(stream, peer).await {
                // Of no interest to an operator: phones lose their network all the time.
                tracing::debug!(error, "a connection ended");
            }
            open.dec();
            drop((permit, place));
        }
    }
}
