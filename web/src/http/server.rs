//! Connections: accepted in one place, handed round to worker threads, served by hyper.
//!
//! Each worker is one thread with a runtime of its own, so a ballot is read, gathered, committed
//! and answered without changing threads. The hot route is answered here; all others by the
//! router.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming, SizeHint},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use intake::Gatherer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tower::ServiceExt;

use super::{
    cast,
    client::Client,
    cors,
    page_cache::PageCache,
    problem::{Problem, ProblemKind},
    router,
    tls::Tls,
};
use crate::{app::App, metrics::Reason, supervise::supervised};

/// A connection that has sent no whole request head for this long is closed, idle ones too.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// A TLS handshake that takes longer is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// What one HTTP/1.1 connection may hold of what it has read.
const READ_BUFFER_BYTES_MAX: usize = 64 * 1_024;
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

/// What one worker thread has.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) app: Arc<App>,
    pub(crate) gatherer: Arc<Gatherer>,
    pub(crate) pages: PageCache,
}

pub(crate) type SharedWorker = Arc<Worker>;

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
    /// Starts the workers, and accepting on the present runtime.
    pub fn start(
        app: &Arc<App>,
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        settings: &ServerSettings,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (stop_accepting, accepting) = watch::channel(false);
        let mut workers = Vec::new();
        let mut senders = Vec::new();
        for n in 0..settings.threads.max(1) {
            let (sender, receiver) = mpsc::channel(HANDED_OVER_MAX);
            senders.push(sender);
            let gatherer = Gatherer::new(Arc::clone(&app.intake));
            let worker =
                Arc::new(Worker { app: Arc::clone(app), gatherer, pages: PageCache::default() });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (tls, stopped) = (tls.clone(), stopped.clone());
            let thread = thread::Builder::new().name(format!("worker-{n}"));
            workers.push(
                thread.spawn(move || runtime.block_on(work(worker, receiver, tls, stopped)))?,
            );
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

/// One worker's life.
async fn work(
    worker: SharedWorker,
    mut accepted: mpsc::Receiver<Accepted>,
    tls: Option<Arc<Tls>>,
    mut stopped: watch::Receiver<bool>,
) {
    let gatherer = Arc::clone(&worker.gatherer);
    tokio::spawn(async move { supervised("gatherer", || Arc::clone(&gatherer).run()).await });
    let router = router(Arc::clone(&worker));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = ended(&mut stopped) => break,
            connection = accepted.recv() => {
                let Some(connection) = connection else { break };
                let serving = Serving {
                    worker: Arc::clone(&worker),
                    router: router.clone(),
                    stopped: stopped.clone(),
                };
                connections.spawn(serving.serve(connection, tls.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    worker.app.streams.end();
    let goodbye = async { while connections.join_next().await.is_some() {} };
    if timeout(GOODBYE, goodbye).await.is_err() {
        tracing::warn!("connections were cut that did not end in time");
    }
}

/// What serving one connection needs.
struct Serving {
    worker: SharedWorker,
    router: Router,
    stopped: watch::Receiver<bool>,
}

impl Serving {
    async fn serve(self, accepted: Accepted, tls: Option<Arc<Tls>>) {
        let Accepted { stream, peer, permit } = accepted;
        let gauge = self.worker.app.metrics.connections.clone();
        gauge.inc();
        if let Err(error) = self.serve_stream(stream, peer, tls).await {
            // Of no interest to an operator: phones lose their network all the time.
            tracing::debug!(error, "a connection ended");
        }
        gauge.dec();
        drop(permit);
    }

    async fn serve_stream(
        self,
        stream: std::net::TcpStream,
        peer: SocketAddr,
        tls: Option<Arc<Tls>>,
    ) -> Result<(), String> {
        let stream = TcpStream::from_std(stream).map_err(|error| error.to_string())?;
        // A reply is one small write: waiting for more would only delay it.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let client = Client { peer: peer.ip(), is_secure: tls.is_some() };
        let Some(tls) = tls else { return self.serve_http1(stream, client).await };
        let handshake = timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)).await;
        let handshake = handshake.map_err(|_| "the TLS handshake took too long")?;
        let stream = handshake.map_err(|error| error.to_string())?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.serve_http2(stream, client).await
        } else {
            self.serve_http1(stream, client).await
        }
    }

    async fn serve_http1<S>(self, stream: S, client: Client) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (worker, router) = (self.worker, self.router);
        let service = service_fn(|request| answer(&worker, &router, client, request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(READ_BUFFER_BYTES_MAX)
            // Replies are small: copying head and body together costs less than two vectors do.
            .writev(false)
            .serve_connection(TokioIo::new(stream), service);
        until_ended(connection, self.stopped).await
    }

    async fn serve_http2<S>(self, stream: S, client: Client) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (worker, router) = (self.worker, self.router);
        let service = service_fn(move |request| {
            let (worker, router) = (Arc::clone(&worker), router.clone());
            async move { answer(&worker, &router, client, request).await }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(HEADER_TIMEOUT)
            .max_concurrent_streams(64)
            .serve_connection(TokioIo::new(stream), service);
        until_ended(connection, self.stopped).await
    }
}

/// Serves a connection; when the server is to end, until its request under way is answered.
async fn until_ended<C>(connection: C, mut stopped: watch::Receiver<bool>) -> Result<(), String>
where
    C: GracefulConnection,
    C::Error: std::fmt::Display,
{
    let mut connection = pin!(connection);
    let served = tokio::select! {
        biased;
        served = connection.as_mut() => served,
        () = ended(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    served.map_err(|error| error.to_string())
}

/// Resolves when the server is to end.
async fn ended(stopped: &mut watch::Receiver<bool>) {
    // The guard that `wait_for` returns must not live across an await.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Answers one request.
async fn answer(
    worker: &SharedWorker,
    router: &Router,
    client: Client,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    if request.method() == Method::POST
        && worker.app.roles.intake
        && contest_of_ballots(request.uri().path()).is_some()
    {
        let (parts, body) = request.into_parts();
        let slug = contest_of_ballots(parts.uri.path()).unwrap_or_default();
        let mut response = match cast::cast(worker, slug, &parts.headers, body, client).await {
            Ok(response) => response.map(Reply::Whole),
            Err(problem) => {
                count(worker, problem.kind());
                in_one_piece(&problem)
            }
        };
        cors::allow(response.headers_mut(), &parts.headers, &worker.app.vote_addresses);
        return Ok(response);
    }
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(client);
    let response = router.clone().oneshot(request).await?;
    if let Some(kind) = response.extensions().get::<ProblemKind>() {
        count(worker, *kind);
    }
    Ok(response.map(Reply::Routed))
}

/// The contest of `/v1/contests/{contest}/ballots`.
fn contest_of_ballots(path: &str) -> Option<&str> {
    let slug = path.strip_prefix("/v1/contests/")?.strip_suffix("/ballots")?;
    (!slug.contains(['/', '%'])).then_some(slug)
}

fn count(worker: &Worker, kind: ProblemKind) {
    worker.app.metrics.refused.get_or_create(&Reason { reason: kind.name() }).inc();
}

fn in_one_piece(problem: &Problem) -> Response<Reply> {
    let mut response = Response::new(Reply::Whole(problem.body().into()));
    *response.status_mut() = problem.kind().status();
    *response.headers_mut() = problem.headers();
    response
}

/// A reply's body: in one piece from the hot route, or whatever the router made.
enum Reply {
    Whole(Bytes),
    Routed(Body),
}

impl hyper::body::Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Routed(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Routed(body) => body.size_hint(),
        }
    }
}
