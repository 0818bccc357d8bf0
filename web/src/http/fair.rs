//! A connection's socket that lets others have their turn, and does not read for ever what asks nothing.
//!
//! Tokio lets a task read 128 times in a row, which for a flood of small frames (PING, SETTINGS) is a
//! tenth of a second of a worker's time before anybody else's ballot.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::coop,
};

use super::idle::Activity;

/// What a connection reads for one of the 128 units of a task's turn: 32 KiB in all.
const UNIT_BYTES: usize = 256;

/// A socket whose reads are paid for by the byte.
#[derive(Debug)]
pub(crate) struct Fair {
    stream: TcpStream,
    activity: Activity,
}

impl Fair {
    pub(crate) fn new(stream: TcpStream, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl AsyncRead for Fair {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        if self.activity.received(bytes).is_err() {
            return Poll::Ready(Err(io::Error::other("much was sent, and nothing asked for")));
        }
        for _ in 0..bytes / UNIT_BYTES {
            // What was read is handed on all the same; the next read waits for the next turn.
            let Poll::Ready(unit) = coop::poll_proceed(context) else { break };
            unit.made_progress();
        }
        read
    }
}

impl AsyncWrite for Fair {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::http::idle::UNASKED_BYTES_MAX;

    #[tokio::test]
    async fn what_asks_nothing_is_read_so_far_and_no_further() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let flood = tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            while stream.write_all(&[0; 16_384]).await.is_ok() {}
        });
        let activity = Activity::default();
        let (stream, _) = listener.accept().await.unwrap();
        let mut fair = Fair::new(stream, activity.clone());
        let mut buffer = vec![0; 16_384];
        let mut read = 0;
        // As long as something is asked for it goes on.
        while read < 2 * UNASKED_BYTES_MAX {
            read += fair.read(&mut buffer).await.unwrap();
            activity.note();
        }
        let mut unasked = 0;
        while let Ok(bytes) = fair.read(&mut buffer).await {
            unasked += bytes;
        }
        assert!(unasked <= UNASKED_BYTES_MAX && unasked + buffer.len() > UNASKED_BYTES_MAX);
        drop(fair);
        flood.await.unwrap();
    }
}
