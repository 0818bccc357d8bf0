//! Results for many viewers: one look at the counts and one encoding an update, however many watch.
//!
//! Every viewer is sent the same bytes. Only the latest are kept, so a slow viewer skips updates and
//! holds nothing. Viewers stand in lanes that are told one after the other: five thousand that woke
//! at once would stand before the ballots for that long.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ballot::{Counts, CountsStatus, NodeClock, Slug, Timestamp};
use bytes::{BufMut, Bytes, BytesMut};
use contests::{Contests, LiveContest};
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{counts_rows::CountsRows, metrics::Metrics, public_results};

/// How often a watched contest's counts are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A stream's comment when there is nothing to say, so that proxies keep it, and so that a viewer
/// who has gone without a word is noticed.
const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");
/// Looks without a change until the heartbeat: 15 s.
const LOOKS_QUIET_MAX: u32 = 30;
/// How many groups the viewers of a contest are told in.
const LANES: usize = 16;
/// Between two groups: what a group's writes may take, so that ballots come in between.
const LANE_PAUSE: Duration = Duration::from_millis(30);
/// Events a second that the viewers of a contest cost at most: some 2 % of a processor. Where more
/// watch, counts come less often, up to the longest pause; a change of their status comes at once.
const EVENTS_PER_SECOND: usize = 1_000;
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The contests that are being watched, and their results as they are sent.
#[derive(Debug)]
pub(crate) struct Streams {
    contests: Arc<Contests>,
    rows: Arc<CountsRows>,
    clock: Arc<NodeClock>,
    metrics: Arc<Metrics>,
    watched: Mutex<HashMap<Slug, Arc<Board>>>,
    encoded: Mutex<HashMap<Slug, Arc<Encoded>>>,
    places: Arc<Semaphore>,
}

/// Results written once, for everybody who asks or watches.
#[derive(Debug)]
pub(crate) struct Encoded {
    of: Edition,
    event: Bytes,
    json: Bytes,
}

/// Which counts, with which titles: what a change of them changes.
type Edition = (CountsStatus, u64, Timestamp, String);

/// What the viewers of one contest look at.
#[derive(Debug)]
struct Board {
    lanes: [watch::Sender<Update>; LANES],
    next_lane: AtomicUsize,
}

/// The latest results; a heartbeat sends the same ones again, which nobody is told twice.
#[derive(Clone, Debug, Default)]
struct Update {
    event: Bytes,
    /// How many there were, this one included; 0 before the first.
    number: u64,
}

/// One viewer's end of a stream.
#[derive(Debug)]
pub(crate) struct Viewer {
    updates: watch::Receiver<Update>,
    seen: u64,
    _place: Place,
}

/// One of the places that a node has for viewers.
#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
    open: Gauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

impl Viewer {
    /// What to send next; `None` when results are no longer shown or the node is ending.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        // Also where it was told while it was still sending.
        let mut is_told = self.updates.has_changed().ok()?;
        loop {
            {
                let latest = self.updates.borrow_and_update();
                if latest.number != self.seen {
                    self.seen = latest.number;
                    return Some(latest.event.clone());
                }
            }
            if is_told {
                return Some(HEARTBEAT);
            }
            self.updates.changed().await.ok()?;
            is_told = true;
        }
    }
}

impl Encoded {
    fn new(counts: &Counts, of: Edition) -> Self {
        const BEFORE: &[u8] = b"event: counts\ndata: ";
        const AFTER: &[u8] = b"\n\n";
        let json = public_results::json(counts, &of.3);
        let mut event = BytesMut::with_capacity(BEFORE.len() + json.len() + AFTER.len());
        event.put_slice(BEFORE);
        event.put_slice(&json);
        event.put_slice(AFTER);
        let event = event.freeze();
        let json = event.slice(BEFORE.len()..event.len() - AFTER.len());
        Self { of, event, json }
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Bytes {
        self.json.clone()
    }
}

fn edition(counts: &Counts, live: &LiveContest) -> Edition {
    (counts.status, counts.generation, counts.counted_through, live.titles_mark.clone())
}

impl Streams {
    /// Serves at most `streams_max` viewers at a time.
    pub(crate) fn new(
        contests: Arc<Contests>,
        rows: Arc<CountsRows>,
        clock: Arc<NodeClock>,
        metrics: Arc<Metrics>,
        streams_max: usize,
    ) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(streams_max.min(Semaphore::MAX_PERMITS)));
        let (watched, encoded) = Default::default();
        Arc::new(Self { contests, rows, clock, metrics, watched, encoded, places })
    }

    /// The results as they are sent, encoded if nobody has asked for these yet.
    pub(crate) fn encoded(&self, counts: Arc<Counts>, live: &LiveContest) -> Arc<Encoded> {
        let of = edition(&counts, live);
        let mut all = self.encoded.lock();
        if let Some(encoded) = all.get(&counts.contest)
            && encoded.of == of
        {
            return Arc::clone(encoded);
        }
        let counts = public_results::retitled(counts, live);
        let encoded = Arc::new(Encoded::new(&counts, of));
        self.metrics.results_encoded.inc();
        all.insert(counts.contest.clone(), Arc::clone(&encoded));
        encoded
    }

    /// Watches a contest; `None` if the node has as many viewers as it serves. The first viewer
    /// starts a task on their runtime, the last one ends it.
    pub(crate) fn subscribe(self: &Arc<Self>, slug: &Slug) -> Option<Viewer> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let open = self.metrics.streams.clone();
        open.inc();
        let place = Place { _permit: permit, open };
        let mut watched = self.watched.lock();
        let board = watched.entry(slug.clone()).or_insert_with(|| {
            let board = Arc::new(Board::new());
            let (streams, slug) = (Arc::clone(self), slug.clone());
            let of = Arc::clone(&board);
            tokio::spawn(async move { streams.look(&slug, &of).await });
            board
        });
        Some(Viewer { updates: board.subscribe(), seen: 0, _place: place })
    }

    /// Ends all streams: their viewers come back, perhaps to another node.
    pub(crate) fn end(&self) {
        self.watched.lock().clear();
    }

    /// Looks at a contest's counts for all its viewers, until there are none.
    async fn look(&self, slug: &Slug, board: &Arc<Board>) {
        let mut sent: Option<Arc<Encoded>> = None;
        let mut update = Update::default();
        let mut told_at = self.clock.moment();
        let mut looks_quiet = 0;
        loop {
            let Some(live) = self.contests.get(slug.as_str()) else { break };
            looks_quiet += 1;
            match self.rows.get(slug).await {
                Ok(counts) if !public_results::is_visible(&live, counts.as_deref()) => break,
                Ok(counts) => {
                    let encoded = counts.map(|counts| self.encoded(counts, &live));
                    if let Some(encoded) = encoded
                        && sent.as_ref().is_none_or(|sent| {
                            let waited = self.clock.moment().since(told_at);
                            let is_due = waited >= pause(board.viewers());
                            sent.of != encoded.of && (is_due || sent.of.0 != encoded.of.0)
                        })
                    {
                        told_at = self.clock.moment();
                        let event = encoded.event.clone();
                        update = Update { event, number: update.number + 1 };
                        sent = Some(encoded);
                        looks_quiet = 0;
                        board.tell(&update).await;
                    }
                }
                Err(error) => tracing::error!(%error, contest = %slug, "no counts to stream"),
            }
            if looks_quiet >= LOOKS_QUIET_MAX {
                looks_quiet = 0;
                board.tell(&update).await;
            }
            tokio::time::sleep(LOOK).await;
            let mut watched = self.watched.lock();
            // Under the lock that `subscribe` takes: nobody can come in between.
            if !watched.get(slug).is_some_and(|present| Arc::ptr_eq(present, board)) {
                return;
            }
            if board.viewers() == 0 {
                watched.remove(slug);
                return;
            }
        }
        self.watched.lock().remove(slug);
    }
}

impl Board {
    fn new() -> Self {
        let lanes = std::array::from_fn(|_| watch::Sender::new(Update::default()));
        Self { lanes, next_lane: AtomicUsize::new(0) }
    }

    fn subscribe(&self) -> watch::Receiver<Update> {
        let lane = self.next_lane.fetch_add(1, Ordering::Relaxed) % LANES;
        self.lanes[lane].subscribe()
    }

    fn viewers(&self) -> usize {
        self.lanes.iter().map(watch::Sender::receiver_count).sum()
    }

    /// Tells all viewers, lane by lane.
    async fn tell(&self, update: &Update) {
        for lane in &self.lanes {
            lane.send_replace(update.clone());
            if lane.receiver_count() > 0 {
                tokio::time::sleep(LANE_PAUSE).await;
            }
        }
    }
}

/// How long so many viewers wait for the next counts, at least.
fn pause(viewers: usize) -> Duration {
    let millis = viewers.saturating_mul(1_000) / EVENTS_PER_SECOND;
    Duration::from_millis(millis as u64).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn place() -> Place {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Place { _permit: permit, open: Gauge::default() }
    }

    #[test]
    fn the_more_watch_the_less_often() {
        assert_eq!(pause(1), Duration::from_millis(1));
        assert_eq!(pause(5_000), Duration::from_secs(5));
        assert_eq!(pause(usize::MAX), PAUSE_MAX);
    }

    #[tokio::test]
    async fn a_viewer_is_told_the_latest_once_and_then_only_heartbeats() {
        let board = Board::new();
        let mut viewers: Vec<Viewer> = (0..2 * LANES)
            .map(|_| Viewer { updates: board.subscribe(), seen: 0, _place: place() })
            .collect();
        let update = |text: &'static str, number| Update { event: text.into(), number };
        for number in 1..=3 {
            board.tell(&update("old", number)).await;
        }
        let latest = update("latest", 4);
        board.tell(&latest).await;
        for viewer in &mut viewers {
            let event = viewer.next().await.unwrap();
            // The very bytes, not a copy of them.
            assert_eq!((event.as_ptr(), &event[..]), (latest.event.as_ptr(), &b"latest"[..]));
        }
        let quiet = viewers[0].next().now_or_never();
        assert!(quiet.is_none(), "{quiet:?} without a change");
        board.tell(&latest).await;
        for viewer in &mut viewers {
            assert_eq!(viewer.next().await.unwrap(), HEARTBEAT);
        }
        let late = &mut Viewer { updates: board.subscribe(), seen: 0, _place: place() };
        assert_eq!(late.next().await.unwrap(), "latest");
        drop(board);
        assert!(late.next().await.is_none());
    }
}
