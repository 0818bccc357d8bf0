use std::sync::atomic::AtomicUsize;

use ballot::{Contest, ContestKey, Hours, Stamp};
use bytes::Bytes;
use futures_core::future::BoxFuture;
use store::{Document, EmbeddedSettings, EmbeddedStore, Read, Version};

use super::*;
use crate::{
    documents::ChannelLimits,
    test_clock::{TestClock, TestEntropy},
};

/// A node on a store that others use, too.
pub(super) async fn node_on(control: Arc<dyn ControlStore>, pace: Pace) -> Arc<Contests> {
    let clock = TestClock::new().node();
    Contests::load(control, pace, clock, Arc::new(TestEntropy)).await.unwrap()
}

/// A store that counts its reads, answers lists late, and may be away.
pub(super) struct Slow {
    pub(super) store: Arc<EmbeddedStore>,
    lists: AtomicUsize,
    gets: AtomicUsize,
    /// How long a list takes.
    pub(super) takes: parking_lot::Mutex<Duration>,
    is_away: std::sync::atomic::AtomicBool,
}

impl ControlStore for Slow {
    fn get<'a>(
        &'a self,
        key: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>> {
        Box::pin(async move {
            self.gets.fetch_add(1, Ordering::Relaxed);
            if self.is_away.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("away".into()));
            }
            self.store.get(key, read).await
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        Box::pin(async move {
            self.lists.fetch_add(1, Ordering::Relaxed);
            let takes = *self.takes.lock();
            tokio::time::sleep(takes).await;
            if self.is_away.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("away".into()));
            }
            self.store.list(prefix, read).await
        })
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        self.store.compare_and_swap(key, expected, body)
    }

    fn delete<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.delete(key, expected)
    }
}

pub(super) fn slow() -> (tempfile::TempDir, Arc<Slow>) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), EmbeddedSettings::default()).unwrap();
    let takes = parking_lot::Mutex::new(Duration::from_millis(20));
    let (lists, gets, is_away) = (AtomicUsize::new(0), AtomicUsize::new(0), false.into());
    (folder, Arc::new(Slow { store, lists, gets, takes, is_away }))
}

pub(super) fn definition(hours: &str) -> Contest {
    let choices = r#"[{"choice":"a","title":"A"},{"choice":"b","title":"B"}]"#;
    let text = format!(r#"{{"title":"t","choices":{choices}{hours}}}"#);
    Contest::from_json(text.as_bytes()).unwrap()
}

/// How often the store was read meanwhile.
async fn asked_at_once<A, T>(
    store: &Slow,
    ask: impl AsyncFn() -> A,
    check: impl Fn(A) -> T,
) -> usize {
    let before = store.lists.load(Ordering::Relaxed);
    let answers = futures_util::future::join_all((0..500).map(|_| ask())).await;
    answers.into_iter().for_each(|answer| drop(check(answer)));
    store.lists.load(Ordering::Relaxed) - before
}

#[tokio::test]
async fn what_another_node_has_made_or_opened_is_seen_by_all_who_ask_with_one_read() {
    let (_folder, store) = slow();
    let here = node_on(Arc::clone(&store) as _, Pace::SHARED).await;
    let there = node_on(Arc::clone(&store) as _, Pace::SHARED).await;
    let tv: Slug = "tv".parse().unwrap();
    there.put(&tv, &definition(""), |_| true).await.unwrap();
    let known = |live: Option<Arc<LiveContest>>| assert!(live.is_some());
    let lists = asked_at_once(&store, async || here.get_fresh("tv").await.unwrap(), known).await;
    assert!(lists <= 2, "{lists} lists: a read is two");

    there.open(&tv).await.unwrap();
    let open = |live: Option<Arc<LiveContest>>| {
        assert_eq!(live.unwrap().contest.hours.phase(here.clock.now()), Phase::Open);
    };
    let lists = asked_at_once(&store, async || here.get_fresh("tv").await.unwrap(), open).await;
    assert!(lists <= 2, "{lists} lists: a read is two");
}

#[tokio::test]
async fn a_channel_key_that_another_node_has_just_made_is_known_to_all_who_come_with_it() {
    let (_folder, store) = slow();
    let there = node_on(Arc::clone(&store) as _, Pace::SHARED).await;
    let tv: Slug = "tv".parse().unwrap();
    there.put(&tv, &definition(""), |_| true).await.unwrap();
    there.open(&tv).await.unwrap();
    let here = node_on(Arc::clone(&store) as _, Pace::SHARED).await;
    let key = there
        .new_channel_key(&tv, &"sms".parse().unwrap(), &ChannelLimits::default())
        .await
        .unwrap();
    let ask = async || here.with_channel("tv", Some(&key)).await.unwrap();
    let admitted = |live: Option<Arc<LiveContest>>| {
        assert!(live.unwrap().channel_of_key(&key).is_some());
    };
    let lists = asked_at_once(&store, ask, admitted).await;
    assert!(lists <= 2, "{lists} lists: a read is two");
    // What is known costs nothing, and so does a request without any key.
    assert_eq!(asked_at_once(&store, ask, admitted).await, 0);
    let ask = async || here.with_channel("tv", None).await.unwrap();
    assert_eq!(asked_at_once(&store, ask, |live| assert!(live.is_some())).await, 0);

    let ask = async || here.with_channel("tv", Some("a wrong one")).await;
    assert!(ask().await.unwrap().unwrap().channel_of_key("a wrong one").is_none());
    store.is_away.store(true, Ordering::Relaxed);
    assert_eq!(ask().await.err(), Some(StoreAway), "it may have been made while the store is away");
}

#[tokio::test]
async fn names_that_do_not_exist_cost_no_list_and_few_looks() {
    let (_folder, store) = slow();
    let here = node_on(Arc::clone(&store) as _, Pace::SHARED).await;
    here.put(&"draft".parse().unwrap(), &definition(""), |_| true).await.unwrap();
    let gets = || store.gets.load(Ordering::Relaxed);
    let nobody = |live: Option<Arc<LiveContest>>| assert!(live.is_none());
    let before = gets();
    for name in ["", "TV", "a b", "-x", &"x".repeat(65), "schön", "../tv"] {
        let ask = async || here.public(name).await.unwrap();
        assert_eq!(asked_at_once(&store, ask, nobody).await, 0, "{name}");
    }
    assert_eq!(gets() - before, 0, "no name of a contest");
    // One that might be, a draft, and a key that nobody has made: a look serves all.
    for name in ["nobody", "draft"] {
        let before = gets();
        assert_eq!(
            asked_at_once(&store, async || here.public(name).await.unwrap(), nobody).await,
            0
        );
        assert!(gets() - before <= 4, "{name}: {}", gets() - before);
    }
    let before = gets();
    let ask = async || here.with_channel("draft", Some("a wrong one")).await.unwrap();
    assert_eq!(asked_at_once(&store, ask, |live| assert!(live.is_some())).await, 0);
    assert!(gets() - before <= 4);
    // Of many names at once only some are looked at; the others wait for a refresh, which never comes
    // here.
    let before = gets();
    let names: Vec<_> = (0..500).map(|n| format!("nobody-{n}")).collect();
    let answers = names.iter().map(|name| here.public(name));
    let answers = futures_util::future::join_all(answers).await;
    assert!(gets() - before <= 2 * 16, "{}", gets() - before);
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(Option::is_none)
        || answer.as_ref().is_err_and(|away| *away == StoreAway)));
}

#[tokio::test]
async fn a_store_that_is_away_is_not_asked_by_everybody() {
    let (_folder, store) = slow();
    let here = node_on(Arc::clone(&store) as _, Pace::SHARED).await;
    store.is_away.store(true, Ordering::Relaxed);
    // That there is no such contest would be said for good.
    let away = |answer| assert_eq!(answer, Some(StoreAway));
    let gets = store.gets.load(Ordering::Relaxed);
    let lists = asked_at_once(&store, async || here.get_fresh("tv").await.err(), away).await;
    assert_eq!(lists, 0);
    assert!(store.gets.load(Ordering::Relaxed) - gets <= 2, "a look is two");

    store.is_away.store(false, Ordering::Relaxed);
    assert!(here.get_fresh("tv").await.unwrap().is_none());
}

#[tokio::test]
async fn before_a_known_opening_the_public_costs_no_read() {
    let (_folder, store) = slow();
    let here = node_on(Arc::clone(&store) as _, Pace::SHARED).await;
    let hours = r#","opens_at":"2100-01-01T00:00:00Z""#;
    here.put(&"tv".parse().unwrap(), &definition(hours), |_| true).await.unwrap();
    let shown = |live: Option<Arc<LiveContest>>| assert!(live.is_some());
    assert_eq!(asked_at_once(&store, async || here.public("tv").await.unwrap(), shown).await, 0);
}

#[tokio::test]
async fn hours_that_were_not_read_for_long_are_in_doubt_where_others_may_set_them() {
    let (_folder, store) = slow();
    for (pace, may_doubt) in [(Pace::SHARED, true), (Pace::ALONE, false)] {
        let here = node_on(Arc::clone(&store) as _, pace).await;
        let (hour, now) = (Duration::from_secs(3_600), here.clock.now());
        let read_at = here.clock.moment();
        let live = [(None, None), (Some(now.minus(hour)), None), (Some(now), Some(now.plus(hour)))]
            .map(|(opens_at, closes_at)| {
                let hours = Hours { opens_at, closes_at };
                let contest = Contest { hours, ..definition("") };
                let (slug, key) = ("tv".parse().unwrap(), ContestKey::from_bytes([0; 32]));
                let versions = (Version::NONE, Version::NONE);
                let live = LiveContest::new(slug, contest, key, Vec::new(), versions);
                live.set_settled_at(read_at);
                live
            });
        let in_doubt = |seconds| {
            let moment = read_at.plus(Duration::from_secs(seconds));
            let stamp = Stamp { moment, ..here.clock.stamp() };
            live.iter().map(|live| here.hours_in_doubt(live, &stamp)).collect::<Vec<_>>()
        };
        assert_eq!(in_doubt(0), [false; 3]);
        assert_eq!(in_doubt(4), [may_doubt, false, false]);
        assert_eq!(in_doubt(60), [may_doubt, may_doubt, false]);
    }
}
