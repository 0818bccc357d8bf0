//! Closes that are taken back, contests that are deleted, and those that an earlier version has made.

use ballot::{Contest, Hours};
use serde_json::{Value, json};
use store::{MemoryStore, Read, Version};

use super::{tests::definition, *};
use crate::{
    admit::NotAdmitted,
    changes::ContestError,
    peers::{Identity, Peers},
    test_clock::{START, TestClock, TestEntropy},
};

/// A node on a store that others use, too.
async fn node(store: &Arc<MemoryStore>) -> (Arc<Contests>, Arc<Peers>) {
    let clock = TestClock::new().node();
    let identity = Identity { name: "a".into(), url: String::new(), roles: Vec::new() };
    let peers = Peers::alone(Arc::clone(&clock), &TestEntropy, identity);
    let control = Arc::clone(store) as Arc<dyn ControlStore>;
    let node = Contests::load(control, Pace::SHARED, clock, Arc::new(TestEntropy)).await.unwrap();
    (node, peers)
}

fn tv() -> Slug {
    "tv".parse().unwrap()
}

fn open(closes_in_s: Option<u64>) -> Contest {
    let hours = Hours {
        opens_at: Some(START.minus(seconds(60))),
        closes_at: closes_in_s.map(|s| START.plus(seconds(s))),
    };
    Contest { hours, ..definition("") }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn end(node: &Contests) -> Option<Timestamp> {
    node.get("tv").unwrap().contest.hours.closes_at
}

async fn body(store: &MemoryStore, key: &str) -> Option<(Version, Value)> {
    let document = store.get(key, Read::Serial).await.unwrap()?;
    Some((document.version, serde_json::from_slice(&document.body).unwrap()))
}

#[tokio::test(start_paused = true)]
async fn a_close_is_taken_back_as_long_as_every_node_can_know_in_time() {
    let store = Arc::new(MemoryStore::default());
    let (node, _) = node(&store).await;
    for was in [None, Some(7_200)] {
        node.put(&tv(), &open(was), |_| true).await.unwrap();
        let before = end(&node);
        let refused = node.cancel_close(&tv()).await.unwrap_err();
        assert!(matches!(refused, ContestError::NotNow { .. }), "nobody has closed it: {refused}");
        // Less than the margin is the margin; more is as much.
        let closed_at = node.clock.now();
        node.close(&tv(), seconds(1)).await.unwrap();
        assert_eq!(end(&node), Some(closed_at.plus(Pace::SHARED.close_margin)));
        node.cancel_close(&tv()).await.unwrap();
        assert_eq!(end(&node), before);
        let closes_at = node.clock.now().plus(seconds(30));
        node.close(&tv(), seconds(30)).await.unwrap();
        for second in [seconds(0), seconds(20), seconds(60)] {
            let changed = node.close(&tv(), second).await.unwrap();
            assert_eq!(changed.live.contest.hours.closes_at, Some(closes_at), "moves nothing");
        }
        tokio::time::sleep(seconds(23)).await;
        assert_eq!(node.cancel_until(&node.get("tv").unwrap()), Some(closes_at.minus(seconds(6))));
        node.cancel_close(&tv()).await.unwrap();
        assert_eq!(end(&node), before);

        node.close(&tv(), seconds(30)).await.unwrap();
        tokio::time::sleep(seconds(25)).await;
        let refused = node.cancel_close(&tv()).await.unwrap_err();
        assert!(refused.to_string().contains("too near"), "{refused}");
        assert_eq!(node.cancel_until(&node.get("tv").unwrap()), None);
        tokio::time::sleep(seconds(10)).await;
        let refused = node.cancel_close(&tv()).await.unwrap_err();
        assert!(refused.to_string().contains("does not open again"), "{refused}");
        let (version, _) = body(&store, "contest/tv").await.unwrap();
        store.delete("contest/tv", version).await.unwrap();
        node.refresh().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn until_it_has_read_again_a_node_does_not_say_that_a_close_by_hand_has_come() {
    let store = Arc::new(MemoryStore::default());
    let ((here, peers), (there, _)) = (node(&store).await, node(&store).await);
    let asked = || here.admits(&here.get("tv").unwrap(), &here.clock.stamp(), &peers);
    for by_hand in [true, false] {
        let now = here.clock.now().plus(seconds(20)).since(START).as_secs();
        there.put(&tv(), &open((!by_hand).then_some(now)), |_| true).await.unwrap();
        if by_hand {
            there.close(&tv(), seconds(20)).await.unwrap();
        }
        tokio::time::sleep(seconds(19)).await;
        here.refresh().await.unwrap();
        assert_eq!(asked(), Ok(()));
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        // It may have been taken back a second ago; an end that the definition has may not.
        let is_told = matches!(asked(), Err(NotAdmitted::NotOpen(_)));
        assert_eq!(is_told, !by_hand, "{:?}", asked());
        here.refresh().await.unwrap();
        assert!(matches!(asked(), Err(NotAdmitted::NotOpen(_))), "{:?}", asked());
        let (version, _) = body(&store, "contest/tv").await.unwrap();
        store.delete("contest/tv", version).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_seal_no_request_takes_a_close_back_however_long_it_was_on_its_way() {
    let store = Arc::new(MemoryStore::default());
    let (node, _) = node(&store).await;
    node.put(&tv(), &open(None), |_| true).await.unwrap();
    let (planned, _) = body(&store, "contest/tv").await.unwrap();
    node.seal(&tv()).await.unwrap();
    assert_eq!(body(&store, "contest/tv").await.unwrap().0, planned, "nothing to take back");

    node.close(&tv(), seconds(12)).await.unwrap();
    let (version, mut cancelled) = body(&store, "contest/tv").await.unwrap();
    cancelled["definition"]["closes_at"] = Value::Null;
    tokio::time::sleep(seconds(30)).await;
    node.seal(&tv()).await.unwrap();
    let late = store.compare_and_swap("contest/tv", version, cancelled.to_string().into()).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    node.refresh().await.unwrap();
    assert_eq!(end(&node), Some(START.plus(seconds(12))));
    node.seal(&tv()).await.unwrap();
    node.seal(&"nobody".parse().unwrap()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_made_after_a_deletion_that_broke_off_has_nothing_of_the_former() {
    let store = Arc::new(MemoryStore::default());
    let ((here, _), (there, _)) = (node(&store).await, node(&store).await);
    let made = here.put(&tv(), &definition(""), |_| true).await.unwrap();
    let key = here
        .new_channel_key(&tv(), &"sms".parse().unwrap(), &crate::ChannelLimits::default())
        .await
        .unwrap();
    let former = (made.live.contest.edition.clone(), *made.live.key.as_bytes());
    // Marked, and the node died.
    let (version, mut document) = body(&store, "contest/tv").await.unwrap();
    document["deleted"] = json!({"key": 1, "channels": 1});
    store.compare_and_swap("contest/tv", version, document.to_string().into()).await.unwrap();
    for node in [&here, &there] {
        node.refresh().await.unwrap();
        assert!(node.get("tv").is_none() && node.unreadable().is_empty());
        assert!(node.read(&tv()).await.unwrap().is_none(), "nor does the tally know it");
        assert!(matches!(node.open(&tv()).await, Err(ContestError::NotFound)));
    }
    let again = there.put(&tv(), &definition(""), |_| true).await.unwrap();
    assert!(again.created && again.live.channel_of_key(&key).is_none());
    assert_ne!(former.0, again.live.contest.edition);
    assert_ne!(former.1, *again.live.key.as_bytes());
    here.refresh().await.unwrap();
    assert_eq!(here.get("tv").unwrap().key.as_bytes(), again.live.key.as_bytes());

    here.delete(&tv()).await.unwrap();
    assert!(matches!(there.delete(&tv()).await, Err(ContestError::NotFound)));
    for kind in ["contest", "key", "channels"] {
        assert_eq!(body(&store, &format!("{kind}/tv")).await, None, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_no_node_can_have_opened_is_deleted() {
    let store = Arc::new(MemoryStore::default());
    let (node, _) = node(&store).await;
    for (opens_in_s, is_deleted) in [(0, false), (11, false), (13, true)] {
        let opens_at = Some(node.clock.now().plus(seconds(opens_in_s)));
        let hours = Hours { opens_at, closes_at: None };
        let slug = format!("in-{opens_in_s}").parse().unwrap();
        node.put(&slug, &Contest { hours, ..definition("") }, |_| true).await.unwrap();
        let outcome = node.delete(&slug).await;
        assert_eq!(outcome.is_ok(), is_deleted, "{opens_in_s}: {outcome:?}");
        assert_eq!(node.get(slug.as_str()).is_none(), is_deleted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_contest_of_an_earlier_version_keeps_its_words_and_has_an_edition() {
    let store = Arc::new(MemoryStore::default());
    let same = json!([{"choice": "a", "title": "A"}, {"choice": "b", "title": "a"}]);
    let opened = START.minus(seconds(60)).to_string();
    let old = json!({"definition": {"title": "\u{200b}", "opens_at": opened, "choices": same}});
    let key = json!({"key": vec![7_u8; 32]});
    for (path, body) in [("contest/tv", &old), ("key/tv", &key)] {
        store.compare_and_swap(path, Version::NONE, body.to_string().into()).await.unwrap();
    }
    let ((here, _), (there, _)) = (node(&store).await, node(&store).await);
    let known = here.get("tv").unwrap();
    let edition = known.contest.edition.clone().unwrap();
    assert_eq!(
        (edition.len(), Some(&edition)),
        (16, there.get("tv").unwrap().contest.edition.as_ref())
    );
    // What is read can be put back, and what is not of words be changed.
    let mut next = known.contest.clone();
    next.listed = false;
    let changed = here.put(&tv(), &next, |_| true).await.unwrap();
    assert_eq!(changed.live.contest.edition.as_ref(), Some(&edition));
    assert_eq!(body(&store, "contest/tv").await.unwrap().1["edition"], json!(edition));
    next.choices[1].title = " A".into();
    let refused = here.put(&tv(), &next, |_| true).await.unwrap_err();
    assert!(matches!(refused, ContestError::Invalid(wrong) if wrong.field == "title"));
    next.title = "t".into();
    let refused = here.put(&tv(), &next, |_| true).await.unwrap_err();
    assert!(matches!(refused, ContestError::Invalid(wrong) if wrong.field == "choices[1].title"));
}
