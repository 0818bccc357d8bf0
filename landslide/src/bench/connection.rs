//! One kept-alive HTTP/1.1 connection, driven by the task that sends on it.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::address::{Address, Stream};

/// An open connection. Nothing is read or written but while a request is under way.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    wire: http1::Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>,
}

/// A request to the public or the administrators' interface.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Starts with `/v1`.
    pub(super) path: String,
    /// The credential and the content type, where there are any.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A whole reply.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    /// How long the server asks to wait, where it says so in seconds.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
        value.trim().parse().ok().map(Duration::from_secs)
    }
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoReply {
    /// Nothing was sent: the node has certainly not seen the request.
    #[error("{0}")]
    NotSent(&'static str),
    /// Unknown: the request may have arrived, and may have been carried out.
    #[error("{0}")]
    Unknown(&'static str),
}

impl Connection {
    /// Connects, within `patience`, to the address of the host whose `turn` it is, or the next.
    pub(super) async fn open(
        address: &Address,
        turn: usize,
        patience: Duration,
    ) -> Result<Self, NoReply> {
        let stream = match timeout(patience, address.connect(turn)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                return Err(NoReply::NotSent("connection refused"));
            }
            Ok(Err(_)) => return Err(NoReply::NotSent("no connection")),
            Err(_) => return Err(NoReply::NotSent("no connection in time")),
        };
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, wire) = handshake.map_err(|_| NoReply::NotSent("no connection"))?;
        let mut connection = Self { sender, wire };
        // The first look also makes it ready.
        match connection.is_usable().await {
            true => Ok(connection),
            false => Err(NoReply::NotSent("connection closed")),
        }
    }

    /// Whether a request can be sent on it: not closed by the other end, as far as is known.
    pub(super) async fn is_usable(&mut self) -> bool {
        let mut wire = Pin::new(&mut self.wire);
        // One look at the socket, so that a close that has arrived meanwhile is noticed.
        let ended = poll_fn(|context| Poll::Ready(wire.as_mut().poll(context).is_ready())).await;
        !ended && self.sender.is_ready()
    }

    /// Sends, and waits up to `patience` for the whole reply. After an error the connection is of
    /// no use.
    pub(super) async fn send(
        &mut self,
        address: &Address,
        call: &Call,
        patience: Duration,
    ) -> Result<Reply, NoReply> {
        let request = request(address, call)?;
        let sender = &mut self.sender;
        let mut reply = pin!(async {
            let reply = sender.send_request(request).await.map_err(no_reply)?;
            let (head, body) = reply.into_parts();
            let body = body.collect().await.map_err(no_reply)?.to_bytes();
            Ok(Reply { status: head.status, headers: head.headers, body })
        });
        let mut wire = Pin::new(&mut self.wire);
        let mut open = true;
        let whole = poll_fn(|context| {
            if let Poll::Ready(reply) = reply.as_mut().poll(context) {
                return Poll::Ready(reply);
            }
            if open && wire.as_mut().poll(context).is_ready() {
                open = false;
            }
            // What the wire has just brought; it does not wake its own task for it.
            reply.as_mut().poll(context)
        });
        timeout(patience, whole).await.unwrap_or(Err(NoReply::Unknown("no reply in time")))
    }
}

fn request(address: &Address, call: &Call) -> Result<Request<Full<Bytes>>, NoReply> {
    let mut request = Request::new(Full::new(call.body.clone()));
    let path = format!("{}{}", address.prefix, call.path);
    let host = header::HeaderValue::try_from(address.authority.as_str());
    let (Ok(path), Ok(host)) = (path.parse(), host) else {
        return Err(NoReply::NotSent("not a URL"));
    };
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = path;
    *request.headers_mut() = call.headers.clone();
    request.headers_mut().insert(header::HOST, host);
    Ok(request)
}

fn no_reply(error: hyper::Error) -> NoReply {
    if error.is_canceled() {
        // hyper's word for a request that it had not begun to write when the connection ended.
        NoReply::NotSent("connection closed")
    } else {
        NoReply::Unknown("connection lost")
    }
}
