//! Changes whose outcome nobody knows, on a store that shows them as Cassandra does.

use std::sync::atomic::{AtomicBool, AtomicUsize};

use futures_core::future::BoxFuture;
use parking_lot::Mutex;
use store::{EmbeddedSettings, EmbeddedStore};

use ballot::{Contest, Hours, Stamp, Timestamp, timing::REFRESH};
use bytes::Bytes;
use store::{Document, Read};

use crate::test_clock::START;

use super::{
    tests::{definition, node_on},
    *,
};

/// What the nodes share.
struct Cluster {
    store: Arc<EmbeddedStore>,
    /// A swap that a minority has accepted: the next serial read finishes it.
    half_done: Mutex<Option<Swap>>,
    /// A swap that lies in a paused node.
    held: Mutex<Option<Swap>>,
    _folder: tempfile::TempDir,
}

type Swap = (String, Version, Bytes);

/// One node's way to it.
struct Session {
    cluster: Arc<Cluster>,
    fault: Mutex<Option<Fault>>,
    is_dead: AtomicBool,
    serial_reads: AtomicUsize,
}

/// What happens to the next swap.
#[derive(Clone, Copy)]
enum Fault {
    DiesHalfDone,
    LiesInPausedNode,
    ReplyLost,
}

impl Cluster {
    fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedSettings::default()).unwrap();
        Arc::new(Self {
            store,
            half_done: Mutex::default(),
            held: Mutex::default(),
            _folder: folder,
        })
    }

    fn session(self: &Arc<Self>) -> Arc<Session> {
        Arc::new(Session {
            cluster: Arc::clone(self),
            fault: Mutex::default(),
            is_dead: false.into(),
            serial_reads: AtomicUsize::new(0),
        })
    }

    async fn carry_out(&self, swap: Option<Swap>) -> Option<Result<Version, StoreError>> {
        let (key, expected, body) = swap?;
        Some(self.store.compare_and_swap(&key, expected, body).await)
    }
}

impl Session {
    fn check_alive(&self) -> Result<(), StoreError> {
        if self.is_dead.load(Ordering::Relaxed) { Err(lost()) } else { Ok(()) }
    }

    async fn node(self: &Arc<Self>) -> Arc<Contests> {
        node_on(Arc::clone(self) as _, Pace::SHARED).await
    }

    fn serial_reads(&self) -> usize {
        self.serial_reads.swap(0, Ordering::Relaxed)
    }
}

fn lost() -> StoreError {
    StoreError::Unavailable("no reply".into())
}

impl ControlStore for Session {
    fn get<'a>(
        &'a self,
        key: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>> {
        Box::pin(async move {
            self.check_alive()?;
            if read == Read::Serial {
                self.serial_reads.fetch_add(1, Ordering::Relaxed);
                let half_done = self.cluster.half_done.lock().take_if(|(of, ..)| of == key);
                self.cluster.carry_out(half_done).await;
            }
            self.cluster.store.get(key, read).await
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        Box::pin(async move {
            self.check_alive()?;
            assert_eq!(read, Read::Quorum, "a transaction for each document");
            self.cluster.store.list(prefix, read).await
        })
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            self.check_alive()?;
            let fault = self.fault.lock().take();
            let swap = (key.to_owned(), expected, body.clone());
            match fault {
                None => return self.cluster.store.compare_and_swap(key, expected, body).await,
                Some(Fault::DiesHalfDone) => {
                    *self.cluster.half_done.lock() = Some(swap);
                    self.is_dead.store(true, Ordering::Relaxed);
                }
                Some(Fault::LiesInPausedNode) => *self.cluster.held.lock() = Some(swap),
                Some(Fault::ReplyLost) => drop(self.cluster.carry_out(Some(swap)).await),
            }
            Err(lost())
        })
    }

    fn delete<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.cluster.store.delete(key, expected)
    }
}

fn contest(opened_s: Option<u64>, closed_s: Option<u64>) -> Contest {
    let ago = |seconds| START.minus(Duration::from_secs(seconds));
    let hours = Hours { opens_at: opened_s.map(ago), closes_at: closed_s.map(ago) };
    Contest { hours, ..definition("") }
}

async fn two_nodes() -> (Arc<Cluster>, Arc<Session>, Arc<Contests>, Arc<Session>, Arc<Contests>) {
    let cluster = Cluster::new();
    let (here, there) = (cluster.session(), cluster.session());
    let nodes = (here.node().await, there.node().await);
    nodes.1.put(&"tv".parse().unwrap(), &contest(Some(60), None), |_| true).await.unwrap();
    nodes.0.refresh().await.unwrap();
    (cluster, here, nodes.0, there, nodes.1)
}

fn closes_at(node: &Contests) -> Option<Timestamp> {
    node.get("tv").unwrap().contest.hours.closes_at
}

/// Refreshes the node after the usual time. Gives the moment when what it read, or reads later, is in
/// no doubt yet, and what it had read before is; however long all of it takes.
async fn a_refresh_later(node: &Contests) -> Moment {
    tokio::time::sleep(REFRESH).await;
    let began = node.clock.moment();
    node.refresh().await.unwrap();
    began.plus(Duration::from_millis(5_900))
}

#[tokio::test]
async fn only_what_may_still_be_changed_unseen_is_read_serially() {
    let cluster = Cluster::new();
    let maker = cluster.session();
    let node = maker.node().await;
    for n in 0..50 {
        let slug = format!("closed-{n}").parse().unwrap();
        node.put(&slug, &contest(Some(7_200), Some(3_600)), |_| true).await.unwrap();
    }
    node.put(&"draft".parse().unwrap(), &contest(None, None), |_| true).await.unwrap();
    node.put(&"just".parse().unwrap(), &contest(Some(60), Some(5)), |_| true).await.unwrap();
    node.put(&"open".parse().unwrap(), &contest(Some(60), None), |_| true).await.unwrap();

    let session = cluster.session();
    let node = session.node().await;
    assert_eq!(session.serial_reads(), 53 * 2, "each once, and its key");
    for _ in 0..2 {
        a_refresh_later(&node).await;
        assert_eq!(session.serial_reads(), 2, "the open one and the one just closed");
    }
    // Another read within the second, as the tally's, takes what is known.
    node.refresh().await.unwrap();
    assert_eq!(session.serial_reads(), 0);
    assert_eq!(node.all().len(), 53);
}

#[tokio::test]
async fn a_close_that_is_half_done_when_its_node_dies_is_seen_by_the_next_refresh() {
    let (_cluster, _, here, session, there) = two_nodes().await;
    *session.fault.lock() = Some(Fault::DiesHalfDone);
    there.close(&"tv".parse().unwrap(), Duration::ZERO).await.unwrap_err();
    a_refresh_later(&here).await;
    assert!(closes_at(&here).is_some_and(|end| end > here.clock.now()));
}

#[tokio::test]
async fn a_close_without_a_reply_is_done_or_never_will_be() {
    let (cluster, _, here, session, there) = two_nodes().await;
    let tv = "tv".parse().unwrap();
    *session.fault.lock() = Some(Fault::LiesInPausedNode);
    let refused = there.close(&tv, Duration::ZERO).await.unwrap_err();
    assert!(refused.to_string().contains("it was not done"), "{refused}");
    let held = cluster.held.lock().take();
    let late = cluster.carry_out(held).await.unwrap();
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    for node in [&here, &there] {
        a_refresh_later(node).await;
        assert_eq!(closes_at(node), None);
    }

    *session.fault.lock() = Some(Fault::ReplyLost);
    there.close(&tv, Duration::ZERO).await.unwrap();
    a_refresh_later(&here).await;
    assert!(closes_at(&here).is_some() && closes_at(&here) == closes_at(&there));
}

#[tokio::test]
async fn what_another_node_opens_takes_votes_without_a_doubt() {
    let (_cluster, _, here, _, there) = two_nodes().await;
    let movie: Slug = "movie".parse().unwrap();
    there.put(&movie, &contest(None, None), |_| true).await.unwrap();
    here.refresh().await.unwrap();
    assert_eq!(here.get("movie").unwrap().contest.hours.phase(here.clock.now()), Phase::Draft);
    there.open(&movie).await.unwrap();
    let almost_too_late = a_refresh_later(&here).await;
    let open = here.get("movie").unwrap();
    let stamp = Stamp { moment: almost_too_late, ..here.clock.stamp() };
    assert!(!here.hours_in_doubt(&open, &stamp));
    assert_eq!(open.contest.hours.phase(here.clock.now()), Phase::Open);
}

#[tokio::test]
async fn a_change_of_its_title_or_its_channels_puts_no_hours_in_doubt() {
    let (_cluster, _, here, _, there) = two_nodes().await;
    let (tv, sms): (Slug, Slug) = ("tv".parse().unwrap(), "sms".parse().unwrap());
    let almost_too_late = a_refresh_later(&here).await;
    let in_doubt = |node: &Contests| {
        let stamp = Stamp { moment: almost_too_late, ..node.clock.stamp() };
        node.hours_in_doubt(&node.get("tv").unwrap(), &stamp)
    };
    // While it is written.
    here.restrict(&tv, here.get("tv").unwrap().contest.hours);
    assert!(here.get("tv").unwrap().is_restricted() && !in_doubt(&here));
    here.refresh().await.unwrap();
    assert!(!here.get("tv").unwrap().is_restricted());
    there.new_channel_key(&tv, &sms).await.unwrap();
    here.refresh().await.unwrap();
    assert!(here.get("tv").unwrap().channels.len() == 1 && !in_doubt(&here));
}
