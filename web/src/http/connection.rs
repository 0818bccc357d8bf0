//! One connection: TLS or not, HTTP/1.1 or h2, until it ends or the server does.

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
    time::timeout,
};

use super::{client::Client, tls::Tls};

/// A connection that has sent no whole request head for this long is closed, idle ones too.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// A TLS handshake that takes longer is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// What one HTTP/1.1 connection may hold of what it has read.
const READ_BUFFER_BYTES_MAX: usize = 64 * 1_024;

/// What answers the requests of one worker thread.
pub(crate) trait Answers: Clone + Send + Sync + 'static {
    /// A reply's body.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + 'static;

    /// Called once on the worker's runtime, before its first connection.
    fn start(&self);

    /// Answers one request.
    fn answer(
        &self,
        client: Client,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// The server is to end: replies that would go on for ever end now.
    fn end(&self);
}

/// What serving one connection needs.
pub(crate) struct Connection<A> {
    pub(crate) answers: A,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) stopped: watch::Receiver<bool>,
}

impl<A: Answers> Connection<A> {
    /// Serves it to its end.
    pub(crate) async fn serve(
        self,
        stream: std::net::TcpStream,
        peer: SocketAddr,
    ) -> Result<(), String> {
        let stream = TcpStream::from_std(stream).map_err(|error| error.to_string())?;
        // A reply is one small write: waiting for more would only delay it.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let client = Client { peer: peer.ip(), is_secure: self.tls.is_some() };
        let Some(tls) = &self.tls else { return self.serve_http1(stream, client).await };
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
        let answers = self.answers;
        let service = service_fn(|request| answered(&answers, client, request));
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
        let answers = self.answers;
        let service = service_fn(move |request| {
            let answers = answers.clone();
            async move { answered(&answers, client, request).await }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(HEADER_TIMEOUT)
            .max_concurrent_streams(64)
            .serve_connection(TokioIo::new(stream), service);
        until_ended(connection, self.stopped).await
    }
}

async fn answered<A: Answers>(
    answers: &A,
    client: Client,
    request: Request<Incoming>,
) -> Result<Response<A::Body>, Infallible> {
    Ok(answers.answer(client, request).await)
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
pub(crate) async fn ended(stopped: &mut watch::Receiver<bool>) {
    // The guard that `wait_for` returns must not live across an await.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
