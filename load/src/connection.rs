//! One kept-alive HTTP/1.1 connection, driven by the task that sends on it.
//!
//! The load shares its machine with what it measures, so what a request costs here is part of every
//! figure: one write, one read and one allocation, where a client library takes twice the time.

use std::{future::poll_fn, io, pin::Pin, sync::Arc, task::Poll, time::Duration};

use ballot::BallotId;
use bytes::Bytes;
use http::{
    Method,
    header::{HeaderName, HeaderValue},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    time::timeout,
};

use crate::{
    address::{Address, Stream},
    reply::{BODY_BYTES_MAX, HEAD_BYTES_MAX, Head, Length, Reply, not_http},
};

/// What is read at a time: more than most replies have, so that one read is enough.
const READ_BYTES: usize = 4 * 1024;

/// An open connection. Nothing is read or written but while a request is under way.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    /// Reused from request to request.
    buffer: Vec<u8>,
    /// Whether the other end has announced that it closes.
    closing: bool,
}

/// A request to the public or the administrators' interface.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Starts with `/v1`.
    pub(crate) path: Arc<str>,
    /// The credential and the content type, where there are any.
    pub(crate) headers: HeaderLines,
    /// The ballot that it casts, for balancers: they may send it twice.
    pub(crate) ballot_id: Option<BallotId>,
    pub(crate) body: Bytes,
}

/// Headers as they are sent.
#[derive(Clone)]
pub(crate) struct HeaderLines(Arc<[u8]>);

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoReply {
    /// Nothing was sent: the node has certainly not seen the request.
    #[error("{0}")]
    NotSent(&'static str),
    /// Unknown: the request may have arrived, and may have been carried out.
    #[error("{0}")]
    Unknown(&'static str),
}

impl FromIterator<(HeaderName, HeaderValue)> for HeaderLines {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(headers: I) -> Self {
        let mut lines = Vec::new();
        for (name, value) in headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                lines.extend_from_slice(part);
            }
        }
        Self(lines.into())
    }
}

impl std::fmt::Debug for HeaderLines {
    /// Without their values: one of them is a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeaderLines({} bytes)", self.0.len())
    }
}

impl Connection {
    /// Connects, within `patience`, to the address of the host whose `turn` it is, or the next.
    pub(crate) async fn open(
        address: &Address,
        turn: usize,
        patience: Duration,
    ) -> Result<Self, NoReply> {
        match timeout(patience, address.connect(turn)).await {
            Ok(Ok(stream)) => Ok(Self::over(stream)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err(NoReply::NotSent("connection refused"))
            }
            Ok(Err(_)) => Err(NoReply::NotSent("no connection")),
            Err(_) => Err(NoReply::NotSent("no connection in time")),
        }
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: Vec::with_capacity(READ_BYTES), closing: false }
    }

    /// Whether a request can be sent on it: not closed by the other end, as far as is known.
    pub(crate) async fn is_usable(&mut self) -> bool {
        let mut byte = [0];
        // One look at the socket: its end has arrived, or something that nobody asked for.
        let something = poll_fn(|context| {
            let mut byte = ReadBuf::new(&mut byte);
            Poll::Ready(Pin::new(&mut self.stream).poll_read(context, &mut byte).is_ready())
        });
        !self.closing && !something.await
    }

    /// Sends, and waits up to `patience` for the whole reply. After an error, or when cancelled, the
    /// connection is of no use.
    pub(crate) async fn send(
        &mut self,
        address: &Address,
        call: &Call,
        patience: Duration,
    ) -> Result<Reply, NoReply> {
        let exchange = async {
            self.write(address, call).await?;
            self.read().await.map_err(|_| NoReply::Unknown("connection lost"))
        };
        timeout(patience, exchange).await.unwrap_or(Err(NoReply::Unknown("no reply in time")))
    }

    async fn write(&mut self, address: &Address, call: &Call) -> Result<(), NoReply> {
        let Self { stream, buffer, .. } = self;
        buffer.clear();
        let length = call.body.len().to_string();
        let named = call.ballot_id.map(|id| format!("ballot-id: {id}\r\n")).unwrap_or_default();
        let parts: [&[u8]; 13] = [
            call.method.as_str().as_bytes(),
            b" ",
            address.prefix.as_bytes(),
            call.path.as_bytes(),
            b" HTTP/1.1\r\nhost: ",
            address.authority.as_bytes(),
            b"\r\n",
            &call.headers.0,
            named.as_bytes(),
            b"content-length: ",
            length.as_bytes(),
            b"\r\n\r\n",
            &call.body,
        ];
        parts.iter().for_each(|part| buffer.extend_from_slice(part));
        // The first write alone is certain: once some of it is on its way, all of it may be.
        let written = match stream.write(buffer).await {
            Ok(written) if written > 0 => written,
            _ => return Err(NoReply::NotSent("connection closed")),
        };
        let rest = async {
            stream.write_all(&buffer[written..]).await?;
            // TLS keeps what is written until it is told to go on.
            stream.flush().await
        };
        rest.await.map_err(|_| NoReply::Unknown("connection lost"))
    }

    async fn read(&mut self) -> io::Result<Reply> {
        self.buffer.clear();
        self.read_more().await?;
        let head = loop {
            match Head::parse(&self.buffer)? {
                // An interim reply: the real one follows.
                Some(head) if head.status.is_informational() => {
                    self.buffer.drain(..head.bytes);
                }
                Some(head) => break head,
                None if self.buffer.len() > HEAD_BYTES_MAX => return Err(not_http("a long head")),
                None => self.read_more().await?,
            }
        };
        self.closing = head.closes;
        let end = match head.length {
            Length::Known(length) => {
                let end = head.bytes + length;
                while self.buffer.len() < end {
                    self.read_more().await?;
                }
                end
            }
            Length::Chunked => self.join_chunks(head.bytes).await?,
            Length::UntilClosed => {
                self.closing = true;
                while self.read_some().await? > 0 {}
                self.buffer.len()
            }
        };
        let mut body = Bytes::copy_from_slice(&self.buffer[..end]);
        let head_bytes = body.split_to(head.bytes);
        Ok(Reply { status: head.status, head: head_bytes, body })
    }

    /// Puts the chunks from `begin` on together, in their place; says where they end.
    async fn join_chunks(&mut self, begin: usize) -> io::Result<usize> {
        let (mut end, mut at) = (begin, begin);
        loop {
            let (line, length) = loop {
                match httparse::parse_chunk_size(&self.buffer[at..]) {
                    Ok(httparse::Status::Complete(parsed)) => break parsed,
                    Ok(httparse::Status::Partial) => self.read_more().await?,
                    Err(_) => return Err(not_http("no size of a chunk")),
                }
            };
            at += line;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > BODY_BYTES_MAX {
                return Err(not_http("a long chunk"));
            }
            // The line's end after it, too; after the last chunk there is nothing else.
            while self.buffer.len() < at + length + 2 {
                self.read_more().await?;
            }
            if length == 0 {
                return Ok(end);
            }
            self.buffer.copy_within(at..at + length, end);
            end += length;
            at += length + 2;
        }
    }

    async fn read_more(&mut self) -> io::Result<()> {
        match self.read_some().await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// How many bytes came; 0 is the end.
    async fn read_some(&mut self) -> io::Result<usize> {
        if self.buffer.len() > HEAD_BYTES_MAX + BODY_BYTES_MAX {
            return Err(not_http("a long reply"));
        }
        self.buffer.reserve(READ_BYTES);
        self.stream.read_buf(&mut self.buffer).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What is read of these bytes, which come in parts of that size and end with the connection
    /// if they say so; and whether it may be used again.
    async fn read(bytes: &[u8], part: usize) -> io::Result<(Reply, bool)> {
        let (here, mut there) = duplex(1024 * 1024);
        let mut connection = Connection::over(Box::new(here));
        let ends = bytes.starts_with(b"HTTP/1.0") || bytes.ends_with(b"cut");
        let write = async {
            for part in bytes.chunks(part) {
                there.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            (!ends).then_some(there)
        };
        let (reply, _there) = tokio::join!(connection.read(), write);
        let usable = connection.is_usable().await;
        Ok((reply?, usable))
    }

    #[tokio::test]
    async fn reads_bodies_of_every_kind_in_parts_of_every_size() {
        let known =
            b"HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nDate: Mon, 23 Nov 2026 20:00:02 GMT\r\n\
            content-length: 5\r\n\r\nhello";
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
            2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\n\r\n";
        let interim = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n\
            HTTP/1.1 201 Created\r\nContent-Length:5\r\nConnection: close\r\n\r\nhello";
        let ended = b"HTTP/1.0 200 OK\r\n\r\nhello";
        for part in 1..80 {
            let (reply, usable) = read(known, part).await.unwrap();
            assert_eq!(
                (&reply.body[..], reply.status.as_u16(), usable),
                (&b"hello"[..], 503, true)
            );
            assert_eq!(reply.retry_after(), Some(Duration::from_secs(2)));
            assert_eq!(reply.date().unwrap().to_string(), "2026-11-23T20:00:02Z");
            let (reply, usable) = read(chunked, part).await.unwrap();
            assert_eq!((&reply.body[..], usable), (&b"hello"[..], true));
            assert_eq!((reply.retry_after(), reply.date()), (None, None));
            let (reply, usable) = read(interim, part).await.unwrap();
            assert_eq!(
                (&reply.body[..], reply.status.as_u16(), usable),
                (&b"hello"[..], 201, false)
            );
            let (reply, usable) = read(ended, part).await.unwrap();
            assert_eq!((&reply.body[..], usable), (&b"hello"[..], false));
        }
        let empty = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert!(read(empty, 99).await.unwrap().0.body.is_empty());
    }

    #[tokio::test]
    async fn what_is_no_reply_is_an_error() {
        for bad in [
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ncut",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffff\r\n",
            "SSH-2.0-OpenSSH\r\n\r\n",
            "cut",
        ] {
            assert!(read(bad.as_bytes(), 7).await.is_err(), "{bad}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(2 * HEAD_BYTES_MAX));
        assert!(read(endless.as_bytes(), 4_096).await.is_err());
    }

    #[tokio::test]
    async fn what_nobody_asked_for_ends_a_connection() {
        let (here, mut there) = duplex(8);
        let mut connection = Connection::over(Box::new(here));
        assert!(connection.is_usable().await);
        there.write_all(b"x").await.unwrap();
        assert!(!connection.is_usable().await);
    }
}
