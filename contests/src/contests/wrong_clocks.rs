//! Clocks that are wrong, contests that are final, documents that cannot be read.

use ballot::{
    Ballot, BallotId, Batch, BatchId, ChannelNumber, ChoiceNumber, Contest, Counts, Hours,
    Timestamp, Voter,
};
use bytes::Bytes;
use store::{BallotStore, Version};

use super::{
    tests::{definition, slow},
    *,
};
use crate::{
    admit::NotAdmitted,
    peers::{Identity, Peers},
    test_clock::{START, TestClock, TestEntropy},
};

fn open_since_a_minute() -> Contest {
    let opens_at = Some(START.minus(Duration::from_secs(60)));
    Contest { hours: Hours { opens_at, closes_at: None }, ..definition("") }
}

async fn node(
    control: Arc<dyn ControlStore>,
    pace: Pace,
) -> (Arc<TestClock>, Arc<Contests>, Arc<Peers>) {
    let clock = TestClock::new();
    let node_clock = clock.node();
    let identity = Identity { name: "a".into(), url: String::new(), roles: Vec::new() };
    let peers = Peers::alone(Arc::clone(&node_clock), &TestEntropy, identity);
    let contests = Contests::load(control, pace, node_clock, Arc::new(TestEntropy)).await.unwrap();
    (clock, contests, peers)
}

fn row(status: &str, counted_through: Timestamp) -> Bytes {
    // What else stands in a row is not this crate's.
    format!(r#"{{"status":"{status}","counted_through":"{counted_through}"}}"#).into()
}

fn admitted(contests: &Contests, peers: &Peers, slug: &str) -> Result<(), NotAdmitted> {
    let stamp = contests.clock.stamp();
    contests.admits(&contests.get(slug).unwrap(), &stamp, peers)
}

#[tokio::test]
async fn a_contest_that_is_final_takes_no_ballot_whatever_the_clock_says() {
    let (_folder, store) = slow();
    for pace in [Pace::ALONE, Pace::SHARED] {
        let (clock, contests, peers) = node(Arc::clone(&store) as _, pace).await;
        for slug in ["final", "open"] {
            contests.put(&slug.parse().unwrap(), &open_since_a_minute(), |_| true).await.unwrap();
        }
        assert_eq!(admitted(&contests, &peers, "final"), Ok(()));
        let key = Counts::document_key(&"final".parse().unwrap());
        let through = contests.clock.now();
        store.compare_and_swap(&key, Version::NONE, row("final", through)).await.unwrap();
        contests.refresh().await.unwrap();
        for set_by in [0, -20, -3_600] {
            clock.set_by_seconds(set_by);
            let refused = admitted(&contests, &peers, "final");
            assert!(matches!(refused, Err(NotAdmitted::NotOpen(_))), "{refused:?} at {set_by}");
            let other = admitted(&contests, &peers, "open");
            let expected = if set_by == 0 { Ok(()) } else { Err(NotAdmitted::ClockStrays) };
            assert_eq!((other, peers.clock_strays()), (expected, set_by != 0), "at {set_by}");
        }
        let version = store.get(&key, store::Read::Serial).await.unwrap().unwrap().version;
        store.delete(&key, version).await.unwrap();
    }
}

/// Seed 1 of the simulation: a draft was renamed as it opened, the answer was lost, and until the next
/// read voters were told, for good, that it had closed.
#[tokio::test]
async fn a_change_under_way_refuses_nobody_for_good() {
    let (_folder, store) = slow();
    for pace in [Pace::ALONE, Pace::SHARED] {
        let (clock, contests, peers) = node(Arc::clone(&store) as _, pace).await;
        let slug = "renamed".parse().unwrap();
        let opens_at = Some(START.plus(Duration::from_secs(60)));
        let draft = Contest { hours: Hours { opens_at, closes_at: None }, ..definition("") };
        contests.put(&slug, &draft, |_| true).await.unwrap();
        contests.restrict(&slug, draft.hours);
        clock.set_by_seconds(60);
        assert_eq!(admitted(&contests, &peers, "renamed"), Err(NotAdmitted::HoursInDoubt));
        contests.refresh().await.unwrap();
        assert_eq!(admitted(&contests, &peers, "renamed"), Ok(()));
        let version = store.get("contest/renamed", store::Read::Serial).await.unwrap().unwrap();
        store.delete("contest/renamed", version.version).await.unwrap();
    }
}

#[tokio::test]
async fn an_end_that_may_have_been_moved_refuses_nobody_for_good() {
    let (_folder, store) = slow();
    let (_clock, contests, peers) = node(Arc::clone(&store) as _, Pace::SHARED).await;
    let closes_at = Some(START.minus(Duration::from_secs(1)));
    let hours = Hours { closes_at, ..open_since_a_minute().hours };
    let closed = Contest { hours, ..definition("") };
    contests.put(&"tv".parse().unwrap(), &closed, |_| true).await.unwrap();
    contests.refresh().await.unwrap();
    let live = contests.get("tv").unwrap();
    for (age_s, refused) in [
        (2, NotAdmitted::NotOpen(hours)),
        // Nobody has read for too long whether it was extended.
        (9, NotAdmitted::HoursInDoubt),
    ] {
        let stamp = contests.clock.stamp();
        let moment = stamp.moment.plus(Duration::from_secs(age_s));
        let stamp = ballot::Stamp { moment, ..stamp };
        assert_eq!(contests.admits(&live, &stamp, &peers), Err(refused), "{age_s}");
    }
}

#[tokio::test]
async fn a_node_that_starts_with_a_slow_clock_refuses_by_what_was_counted() {
    let (_folder, store) = slow();
    let (_, contests, _) = node(Arc::clone(&store) as _, Pace::ALONE).await;
    let tv = "tv".parse().unwrap();
    contests.put(&tv, &open_since_a_minute(), |_| true).await.unwrap();
    let through = START.plus(Duration::from_secs(60));
    let key = Counts::document_key(&tv);
    store.compare_and_swap(&key, Version::NONE, row("provisional", through)).await.unwrap();

    let (clock, contests, peers) = node(Arc::clone(&store) as _, Pace::ALONE).await;
    assert_eq!(admitted(&contests, &peers, "tv"), Err(NotAdmitted::ClockStrays));
    clock.set_by_seconds(61);
    assert_eq!(admitted(&contests, &peers, "tv"), Ok(()));
}

#[tokio::test]
async fn a_node_that_starts_with_a_slow_clock_refuses_by_its_newest_ballot() {
    let (_folder, store) = slow();
    let (_, contests, _) = node(Arc::clone(&store) as _, Pace::ALONE).await;
    let tv = "tv".parse().unwrap();
    contests.put(&tv, &open_since_a_minute(), |_| true).await.unwrap();
    // Nobody has counted it.
    let recorded_at = START.plus(Duration::from_secs(60));
    let id = BatchId::new(recorded_at.minus(Duration::from_secs(2)), [7; 10]);
    let ballot = Ballot {
        id: BallotId::new(recorded_at, [7; 10]),
        voter: Voter::from_bytes([7; 16]),
        choice: ChoiceNumber(0),
        channel: ChannelNumber::WEB,
        recorded_at,
    };
    let shards = contests.get("tv").unwrap().contest.shards;
    store.store.put_batch(Batch::pack(&tv, shards, id, &[ballot])).await.unwrap();

    let (clock, contests, peers) = node(Arc::clone(&store) as _, Pace::ALONE).await;
    contests.raise_floor(&*store.store).await.unwrap();
    assert_eq!(admitted(&contests, &peers, "tv"), Err(NotAdmitted::ClockStrays));
    clock.set_by_seconds(61);
    assert_eq!(admitted(&contests, &peers, "tv"), Ok(()));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_nothing_else() {
    let (_folder, store) = slow();
    let (_, contests, peers) = node(Arc::clone(&store) as _, Pace::SHARED).await;
    for slug in ["newer", "keyless", "open"] {
        contests.put(&slug.parse().unwrap(), &open_since_a_minute(), |_| true).await.unwrap();
    }
    // A later version has written a member that this one does not know; a key has been lost.
    let stored = async |key: &str| store.get(key, store::Read::Serial).await.unwrap().unwrap();
    let before = stored("contest/newer").await;
    let text = String::from_utf8(before.body.to_vec()).unwrap();
    let newer = text.replacen(r#"{"definition":{"#, r#"{"definition":{"newer":1,"#, 1);
    assert_ne!(newer, text);
    store.compare_and_swap("contest/newer", before.version, newer.into()).await.unwrap();
    let key = stored("key/keyless").await;
    store.delete("key/keyless", key.version).await.unwrap();
    let (_, contests_anew, peers_anew) = node(Arc::clone(&store) as _, Pace::SHARED).await;
    contests.refresh().await.unwrap();

    for (contests, peers) in [(&contests, &peers), (&contests_anew, &peers_anew)] {
        assert!(contests.age() < Duration::from_secs(1), "the node is as well as ever");
        assert_eq!(admitted(contests, peers, "open"), Ok(()));
        assert!(contests.get("newer").is_none(), "its hours may be others");
        assert_eq!(contests.get_fresh("newer").await.err(), Some(StoreAway), "not 404");
        assert!(contests.unreadable().values().any(|why| why.contains("newer")));
    }
    // Who has the key goes on; who has not cannot tell a voter from another.
    assert_eq!(admitted(&contests, &peers, "keyless"), Ok(()));
    assert_eq!(contests_anew.get_fresh("keyless").await.err(), Some(StoreAway));

    let now = stored("contest/newer").await;
    store.compare_and_swap("contest/newer", now.version, before.body).await.unwrap();
    contests.refresh().await.unwrap();
    assert!(contests.unreadable().is_empty());
    assert_eq!(admitted(&contests, &peers, "newer"), Ok(()));
}
