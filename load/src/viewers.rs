//! Viewers of the results beside the voters: streams that are open while ballots are sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use ballot::Slug;
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::timeout,
};

use crate::address::{Address, Stream};

/// Streams that are being opened at the same moment.
const OPENING_MAX: usize = 128;
/// How long one may take to open.
const OPENING_PATIENCE: Duration = Duration::from_secs(30);
/// What begins an event with results.
const EVENT: &[u8] = b"event: counts\n";

/// Open streams, until they are asked how it was.
pub(crate) struct Viewers {
    seen: Arc<StreamCounters>,
    stop: watch::Sender<bool>,
    thread: thread::JoinHandle<()>,
}

/// Of all viewers together.
#[derive(Debug, Default)]
struct StreamCounters {
    open: AtomicU64,
    ended: AtomicU64,
    events: AtomicU64,
    bytes: AtomicU64,
}

/// How it was.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Streams {
    /// Open before the first ballot was sent.
    pub(crate) opened: u64,
    /// Ended by the other side before the last ballot was answered.
    pub(crate) ended: u64,
    /// Results that came, over all streams.
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl Viewers {
    /// Opens that many streams, over all addresses; returns when all are open.
    pub(crate) async fn open(
        addresses: Arc<[Address]>,
        contest: Slug,
        count: u32,
    ) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let seen = Arc::new(StreamCounters::default());
        let (opened, mut openings) = mpsc::channel(OPENING_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let crowd = Audience { addresses, contest, seen: Arc::clone(&seen), opened, stopped };
        // A thread of their own: what they read must not wait for ballots, nor these for them.
        let thread = thread::Builder::new().name("viewers".into());
        let thread = thread.spawn(move || runtime.block_on(crowd.watch(count)))?;
        for _ in 0..count {
            openings.recv().await.context("a stream was not opened")??;
        }
        Ok(Self { seen, stop, thread })
    }

    /// Ends them.
    pub(crate) fn finish(self) -> Streams {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        let seen = &self.seen;
        let streams = Streams {
            opened: load(&seen.open),
            ended: load(&seen.ended),
            events: load(&seen.events),
            bytes: load(&seen.bytes),
        };
        self.stop.send_replace(true);
        // It has nothing to say that is not counted already.
        let _ = self.thread.join();
        streams
    }
}

/// What the viewers share.
#[derive(Clone)]
struct Audience {
    addresses: Arc<[Address]>,
    contest: Slug,
    seen: Arc<StreamCounters>,
    opened: mpsc::Sender<anyhow::Result<()>>,
    stopped: watch::Receiver<bool>,
}

impl Audience {
    async fn watch(mut self, count: u32) {
        let places = Arc::new(Semaphore::new(OPENING_MAX));
        let mut viewers = JoinSet::new();
        for n in 0..count as usize {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
            let crowd = self.clone();
            viewers.spawn(async move {
                let address = &crowd.addresses[n % crowd.addresses.len()];
                let opening = timeout(OPENING_PATIENCE, open(address, n, &crowd.contest)).await;
                let stream = opening.context("not in time").flatten();
                drop(place);
                match stream {
                    Ok(stream) => {
                        crowd.seen.open.fetch_add(1, Relaxed);
                        let _ = crowd.opened.send(Ok(())).await;
                        crowd.seen.read(stream).await;
                    }
                    Err(error) => {
                        let _ = crowd.opened.send(Err(error)).await;
                    }
                }
            });
        }
        let _ = self.stopped.wait_for(|stopped| *stopped).await;
        viewers.shutdown().await;
    }
}

/// Opens a stream and reads its head.
async fn open(address: &Address, turn: usize, contest: &Slug) -> anyhow::Result<Box<dyn Stream>> {
    let mut stream = address.connect(turn).await?;
    let (prefix, authority) = (&address.prefix, &address.authority);
    let request = format!(
        "GET {prefix}/v1/contests/{contest}/results/stream HTTP/1.1\r\nHost: {authority}\r\n\
         Accept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < 8_192, "its head has no end");
        let Ok(byte) = stream.read_u8().await else { bail!("it ended at once") };
        head.push(byte);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    ensure!(line.starts_with("HTTP/1.1 200"), "{line}");
    Ok(stream)
}

impl StreamCounters {
    async fn read(&self, mut stream: Box<dyn Stream>) {
        let mut buffer = vec![0; 4_096];
        // Bytes at the buffer's start that are left from before: an event may begin in them.
        let mut kept = 0;
        while let Ok(n @ 1..) = stream.read(&mut buffer[kept..]).await {
            let end = kept + n;
            let events = buffer[..end].windows(EVENT.len()).filter(|bytes| *bytes == EVENT);
            self.events.fetch_add(events.count() as u64, Relaxed);
            self.bytes.fetch_add(n as u64, Relaxed);
            kept = end.min(EVENT.len() - 1);
            buffer.copy_within(end - kept..end, 0);
        }
        self.ended.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_event_is_counted_once_however_it_arrives() {
        let event = b"event: counts\ndata: {}\n\n:\n\n";
        for piece in 1..=event.len() {
            let (ours, mut theirs) = tokio::io::duplex(64);
            let sent = async move {
                for bytes in event.repeat(3).chunks(piece) {
                    theirs.write_all(bytes).await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            let seen = StreamCounters::default();
            tokio::join!(seen.read(Box::new(ours)), sent);
            assert_eq!(seen.events.load(Relaxed), 3, "in pieces of {piece}");
            assert_eq!(seen.bytes.load(Relaxed), 3 * event.len() as u64);
        }
    }
}
