//! One connection: TLS or not, HTTP/1.1 or h2, until it ends, does nothing for too long, or the server
//! ends.

use std::{
    convert::Infallible, future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use bytes::Bytes;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{interval, timeout},
};

use super::{
    client::Client,
    entrance::Entrance,
    fair::Fair,
    idle::{Activity, Followed, Over, Patience, TICK},
    places::Places,
    proxy_header,
};

/// A balancer writes its PROXY header at once.
const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A TLS handshake that takes longer is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a whole request head for this long an HTTP/1.1 connection is closed, idle ones too.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// What was sent is acknowledged by then, else the kernel ends the connection: a phone that has gone
/// without a word, or a client that has shut its window.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// What a connection that is told to go may take to finish what it has begun.
const FAREWELL: Duration = Duration::from_secs(5);
/// The same for one that is busy, and only old.
const FAREWELL_OLD: Duration = Duration::from_secs(60);
/// What one HTTP/1.1 connection may hold of what it has read.
const READ_BUFFER_BYTES_MAX: usize = 64 * 1_024;

/// Requests that an h2 connection has at once: a page asks for a dozen files.
const STREAMS_MAX: u32 = 64;
/// Requests taken back before they were looked at ("rapid reset", CVE-2023-44487): more end the
/// connection. A page that is left takes its dozen back.
const RESETS_WAITING_MAX: usize = 32;
/// Streams that we had to reset for the client's mistakes.
const RESETS_FOR_MISTAKES_MAX: usize = 64;
/// A request's header, unpacked; CONTINUATION frames past it end the connection.
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1_024;
/// What a client may send of one body before it is read, and of all: a gateway's 8 MiB come through as
/// they are read.
const STREAM_WINDOW_BYTES: u32 = 256 * 1_024;
const CONNECTION_WINDOW_BYTES: u32 = 1_024 * 1_024;
/// What is kept of a reply that the client does not take.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1_024;
/// A PING is answered by then, else the client has gone.
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// What answers the requests of one worker thread.
pub(crate) trait Answers: Clone + Send + Sync + 'static {
    /// A reply's body.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Unpin
        + Send
        + 'static;

    /// Called once on the worker's runtime, before its first connection.
    fn start(&self);

    /// Answers one request.
    fn answer(
        &self,
        client: Client,
        request: Request<Followed<Incoming>>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// The server is to end: replies that would go on for ever end now.
    fn end(&self);
}

/// What serving one connection needs.
pub(crate) struct Connection<A> {
    pub(crate) answers: A,
    pub(crate) entrance: Arc<Entrance>,
    pub(crate) places: Places,
    pub(crate) stopped: watch::Receiver<bool>,
}

impl<A: Answers> Connection<A> {
    /// Serves it to its end.
    pub(crate) async fn serve(
        self,
        stream: std::net::TcpStream,
        peer: SocketAddr,
    ) -> Result<(), String> {
        let mut stream = TcpStream::from_std(stream).map_err(|error| error.to_string())?;
        // A reply is one small write: waiting for more would only delay it.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        end_when_unacknowledged(&stream);
        let mut client = Client {
            peer: peer.ip(),
            is_behind_proxy: false,
            is_secure: self.entrance.tls.is_some(),
            audience: self.entrance.audience,
        };
        let mut place = None;
        if self.entrance.expects_proxy_header(peer.ip()) {
            let header = timeout(PROXY_HEADER_TIMEOUT, proxy_header::read(&mut stream)).await;
            let named = header.map_err(|_| "the PROXY header took too long")??;
            client.is_behind_proxy = true;
            if let Some(named) = named {
                client.peer = named.ip();
                // Of the balancer's own connections none was counted when it was accepted.
                place = self.places.take(named.ip());
                if place.is_none() {
                    return Err("its network has as many connections as it may".into());
                }
            }
        }
        let ended = self.serve_client(stream, client).await;
        drop(place);
        ended
    }

    async fn serve_client(self, stream: TcpStream, client: Client) -> Result<(), String> {
        let activity = Activity::default();
        let stream = Fair::new(stream, activity.clone());
        let Some(tls) = &self.entrance.tls else {
            return self.serve_http1(stream, client, activity).await;
        };
        let handshake = timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)).await;
        let handshake = handshake.map_err(|_| "the TLS handshake took too long")?;
        let stream = handshake.map_err(|error| error.to_string())?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.serve_http2(stream, client, activity).await
        } else {
            self.serve_http1(stream, client, activity).await
        }
    }

    async fn serve_http1<S>(
        self,
        stream: S,
        client: Client,
        activity: Activity,
    ) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let answers = self.answers;
        let service = service_fn(|request| answered(&answers, client, &activity, request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(READ_BUFFER_BYTES_MAX)
            // Replies are small: copying head and body together costs less than two vectors do.
            .writev(false)
            .serve_connection(TokioIo::new(stream), service);
        until_over(connection, self.stopped, Patience::with(activity.clone())).await
    }

    async fn serve_http2<S>(
        self,
        stream: S,
        client: Client,
        activity: Activity,
    ) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let answers = self.answers;
        let noted = activity.clone();
        let service = service_fn(move |request| {
            let (answers, activity) = (answers.clone(), activity.clone());
            async move { answered(&answers, client, &activity, request).await }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(HEADER_TIMEOUT)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(STREAMS_MAX)
            .max_pending_accept_reset_streams(RESETS_WAITING_MAX)
            .max_local_error_reset_streams(RESETS_FOR_MISTAKES_MAX)
            .max_header_list_size(HEADER_LIST_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        until_over(connection, self.stopped, Patience::with(noted)).await
    }
}

async fn answered<A: Answers>(
    answers: &A,
    client: Client,
    activity: &Activity,
    request: Request<Incoming>,
) -> Result<Response<Followed<A::Body>>, Infallible> {
    activity.note();
    let request = request.map(|body| Followed::new(body, activity.clone()));
    let response = answers.answer(client, request).await;
    Ok(response.map(|body| Followed::new(body, activity.clone())))
}

/// Serves a connection until nothing happens on it or it is old; when the server is to end, until its
/// request under way is answered.
async fn until_over<C>(
    connection: C,
    mut stopped: watch::Receiver<bool>,
    mut patience: Patience,
) -> Result<(), String>
where
    C: GracefulConnection,
    C::Error: std::fmt::Display,
{
    let mut connection = pin!(connection);
    let mut ticks = interval(TICK);
    // The first one comes at once.
    ticks.reset();
    let over = loop {
        tokio::select! {
            biased;
            served = connection.as_mut() => return served.map_err(|error| error.to_string()),
            () = ended(&mut stopped) => break None,
            _ = ticks.tick() => {
                if let Some(over) = patience.tick() {
                    break Some(over);
                }
            }
        }
    };
    connection.as_mut().graceful_shutdown();
    let within = match over {
        // The server cuts off what does not end in time.
        None => return connection.await.map_err(|error| error.to_string()),
        Some(Over::Mute) => return Err("no request came".into()),
        Some(Over::Idle) => FAREWELL,
        Some(Over::Old) => FAREWELL_OLD,
    };
    match timeout(within, connection).await {
        Ok(served) => served.map_err(|error| error.to_string()),
        Err(_) => Err("cut off: the client does not read what it is sent".into()),
    }
}

/// Not every system can; there the connection is ended by its silence.
fn end_when_unacknowledged(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    {
        let millis = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, millis);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

/// Resolves when the server is to end.
pub(crate) async fn ended(stopped: &mut watch::Receiver<bool>) {
    // The guard that `wait_for` returns must not live across an await.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
