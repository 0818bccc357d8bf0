//! The data plane against a store that fails in every way a store can.
#![allow(clippy::disallowed_methods, reason = "the clock of these tests")]
#![allow(clippy::unwrap_used)]

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ballot::{
    Ballot, BallotId, Batch, Bucket, ChannelNumber, ChoiceNumber, Clock, Destination, Entropy,
    Moment, NodeClock, Shard, Slug, Timestamp, Voter, timing,
};
use futures_core::{future::BoxFuture, stream::BoxStream};
use intake::{Gatherer, Intake, IntakeSettings, NotRecorded, Observer, Refused};
use parking_lot::Mutex;
use store::{BallotStore, MemoryStore, StoreError};
use tokio::time::Instant;

/// What a put does, in order; the last goes on for ever.
#[derive(Clone, Copy, Debug)]
enum Put {
    Ok,
    /// Durable after a while.
    Slow(Duration),
    /// Nothing is written.
    Fails,
    /// Written, but the reply is lost.
    ReplyLost,
    /// Written after the deadline.
    Never,
    Corrupt,
    Panics,
}

#[derive(Default)]
struct Store {
    script: Mutex<Vec<Put>>,
    puts: AtomicUsize,
    done: MemoryStore,
}

impl Store {
    fn new(script: &[Put]) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(script.to_vec()), ..Self::default() })
    }

    fn ballots(&self) -> Vec<Ballot> {
        self.batches().iter().flat_map(|batch| batch.unpack().unwrap()).collect()
    }

    fn batches(&self) -> Vec<Batch> {
        self.done.batches()
    }
}

impl BallotStore for Store {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.puts.fetch_add(1, Ordering::SeqCst);
            let put = {
                let mut script = self.script.lock();
                if script.len() > 1 { script.remove(0) } else { script[0] }
            };
            let lost = || StoreError::Unavailable("injected".into());
            match put {
                Put::Ok => {}
                Put::Slow(pause) => tokio::time::sleep(pause).await,
                Put::Fails => return Err(lost()),
                Put::Never => std::future::pending().await,
                Put::Corrupt => return Err(StoreError::Corrupt("injected".into())),
                Put::Panics => panic!("injected"),
                Put::ReplyLost => {}
            }
            self.done.put_batch(batch).await?;
            if matches!(put, Put::ReplyLost) { Err(lost()) } else { Ok(()) }
        })
    }

    fn scan(
        &self,
        _: &Slug,
        _: Shard,
        _: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        unreachable!("the intake never reads")
    }
}

struct Silent;

impl Observer for Silent {
    fn committed(&self, _: usize, _: usize, _: Duration) {}
    fn put_failed(&self, _: &StoreError, _: bool) {}
}

const START: Timestamp = Timestamp::from_micros(1_795_464_000_000_000);

/// Both clocks go with the runtime's, but for what a test does to them.
#[derive(Default)]
struct TestClock {
    /// How far the wall clock was set ahead.
    ahead: Mutex<Duration>,
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        START.plus(passed()).plus(*self.ahead.lock())
    }

    fn moment(&self) -> Moment {
        now()
    }
}

/// Since the test began: the runtime's time starts with it.
fn passed() -> Duration {
    thread_local!(static BEGAN: Instant = Instant::now());
    BEGAN.with(Instant::elapsed)
}

fn now() -> Moment {
    Moment::after_origin(passed())
}

struct Random;

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

fn intake_over(
    store: &Arc<Store>,
    settings: IntakeSettings,
    clock: Arc<TestClock>,
) -> (Arc<Intake>, Arc<Gatherer>) {
    let clock = Arc::new(NodeClock::new(clock));
    let intake =
        Intake::new(Arc::clone(store) as _, settings, Arc::new(Silent), clock, Arc::new(Random));
    let gatherer = Gatherer::new(Arc::clone(&intake));
    tokio::spawn(Arc::clone(&gatherer).run());
    (intake, gatherer)
}

fn start(script: &[Put]) -> (Arc<Store>, Arc<Intake>, Arc<Gatherer>) {
    let store = Store::new(script);
    let settings = IntakeSettings::for_testing();
    let (intake, gatherer) = intake_over(&store, settings, Arc::default());
    (store, intake, gatherer)
}

fn to() -> Destination {
    Destination { contest: "tv".parse().unwrap(), shards: 4 }
}

fn ballot(n: u8) -> Ballot {
    let recorded_at = START.plus(passed());
    Ballot {
        id: BallotId::new(recorded_at, [n; 10]),
        voter: Voter::from_bytes([n; 16]),
        choice: ChoiceNumber(0),
        channel: ChannelNumber::WEB,
        recorded_at,
    }
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_ballot_is_in_the_store() {
    let (store, _, gatherer) = start(&[Put::Slow(Duration::from_millis(3))]);
    let tickets: Vec<_> =
        (0..8).map(|n| gatherer.submit(&to(), ballot(n), now()).unwrap()).collect();
    for ticket in tickets {
        ticket.await.unwrap();
    }
    assert_eq!(store.ballots().len(), 8);
    assert_eq!(store.puts.load(Ordering::SeqCst), 1, "what is in flight together is one batch");
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_put_again_under_the_same_id() {
    let (store, _, gatherer) = start(&[Put::Fails, Put::ReplyLost, Put::ReplyLost, Put::Ok]);
    gatherer.submit(&to(), ballot(1), now()).unwrap().await.unwrap();
    assert_eq!(store.puts.load(Ordering::SeqCst), 4);
    assert_eq!(store.batches().len(), 1, "one batch, however often it was put");
}

#[tokio::test(start_paused = true)]
async fn past_the_deadline_nothing_is_acknowledged() {
    let late = timing::COMMIT_DEADLINE + Duration::from_millis(1);
    for script in [Put::Never, Put::Fails, Put::ReplyLost, Put::Slow(late)] {
        let (_, intake, gatherer) = start(&[script]);
        let started = Instant::now();
        let outcome = gatherer.submit(&to(), ballot(1), now()).unwrap().await;
        assert_eq!(outcome, Err(NotRecorded::DeadlinePassed), "{script:?}");
        assert!(started.elapsed() <= timing::COMMIT_DEADLINE + Duration::from_millis(10));
        assert_eq!(intake.waiting_ballots(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_store_that_failed_for_good() {
    for script in [Put::Corrupt, Put::Panics] {
        let (_, intake, gatherer) = start(&[script, Put::Ok]);
        let outcome = gatherer.submit(&to(), ballot(1), now()).unwrap().await;
        assert_eq!(outcome, Err(NotRecorded::StoreFailed), "{script:?}");
        gatherer.submit(&to(), ballot(2), now()).unwrap().await.unwrap();
        assert_eq!(intake.waiting_ballots(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once_and_takes_again_later() {
    let (_, _, gatherer) = start(&[Put::Slow(Duration::from_secs(1)), Put::Ok]);
    let tickets: Vec<_> =
        (0..8).map(|n| gatherer.submit(&to(), ballot(n), now()).unwrap()).collect();
    assert_eq!(gatherer.submit(&to(), ballot(9), now()).unwrap_err(), Refused::Overloaded);
    for ticket in tickets {
        ticket.await.unwrap();
    }
    tokio::task::yield_now().await;
    gatherer.submit(&to(), ballot(9), now()).unwrap().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn draining_refuses_the_new_and_settles_the_accepted() {
    let (store, intake, gatherer) = start(&[Put::Slow(Duration::from_secs(1))]);
    let ticket = gatherer.submit(&to(), ballot(1), now()).unwrap();
    intake.start_draining();
    assert_eq!(gatherer.submit(&to(), ballot(2), now()).unwrap_err(), Refused::Draining);
    intake.drained().await;
    assert_eq!(store.ballots().len(), 1, "drained means committed");
    ticket.await.unwrap();
    let (_, idle, _) = start(&[Put::Ok]);
    idle.start_draining();
    idle.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_body_larger_than_a_batch_is_several() {
    let (store, _, gatherer) = start(&[Put::Ok]);
    let ballots: Vec<_> = (0..10_000).map(|n| ballot((n % 250) as u8)).collect();
    let first = gatherer.submit(&to(), ballots[0], now()).unwrap();
    let tickets = gatherer.submit_all(&to(), &ballots[1..], now()).unwrap_err();
    assert_eq!(tickets, Refused::Overloaded, "more than the queue behind one that waits");
    first.await.unwrap();
    let tickets = gatherer.submit_all(&to(), &ballots[1..], now()).unwrap();
    assert_eq!(tickets.len(), 2);
    for ticket in tickets {
        ticket.await.unwrap();
    }
    assert_eq!(store.ballots().len(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn contests_do_not_share_a_batch() {
    let (store, _, gatherer) = start(&[Put::Ok]);
    let other = Destination { contest: "other".parse().unwrap(), shards: 1 };
    let tickets =
        [gatherer.submit(&to(), ballot(1), now()), gatherer.submit(&other, ballot(2), now())];
    for ticket in tickets {
        ticket.unwrap().await.unwrap();
    }
    let batches = store.batches();
    assert_eq!(batches.len(), 2);
    assert!(batches.iter().all(|batch| batch.shard == batch.id.shard(4) || batch.shard.0 == 0));
}

#[tokio::test(start_paused = true)]
async fn shards_take_turns_whatever_contest_comes_between() {
    let (store, _, gatherer) = start(&[Put::Ok]);
    let other = Destination { contest: "other".parse().unwrap(), shards: 3 };
    for n in 0..24 {
        gatherer.submit(&to(), ballot(n), now()).unwrap().await.unwrap();
        if n % 2 == 0 {
            gatherer.submit(&other, ballot(n), now()).unwrap().await.unwrap();
        }
    }
    let mut written = HashMap::new();
    for batch in store.batches() {
        *written.entry((batch.contest.clone(), batch.shard)).or_insert(0) += 1;
    }
    for (to, each) in [(to(), 6), (other, 4)] {
        for shard in (0..to.shards).map(Shard) {
            assert_eq!(written[&(to.contest.clone(), shard)], each, "{to:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_between_stamp_and_batch_counts_against_the_deadline() {
    let (_, _, gatherer) = start(&[Put::Ok]);
    let stamped = now();
    tokio::time::sleep(timing::COMMIT_DEADLINE).await;
    let ticket = gatherer.submit(&to(), ballot(1), stamped).unwrap();
    assert_eq!(ticket.await, Err(NotRecorded::DeadlinePassed));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_passes_by_whichever_clock_says_more() {
    // A machine that was suspended for five seconds: to the clock that is never set, and to the
    // runtime, it was one.
    let store = Store::new(&[Put::Slow(Duration::from_secs(1))]);
    let clock = Arc::<TestClock>::default();
    let (_, gatherer) = intake_over(&store, IntakeSettings::for_testing(), Arc::clone(&clock));
    let ticket = gatherer.submit(&to(), ballot(1), now()).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    *clock.ahead.lock() = Duration::from_secs(5);
    assert_eq!(ticket.await, Err(NotRecorded::DeadlinePassed));

    // A wall clock that is set back hides nothing: the other one goes on.
    let store = Store::new(&[Put::Slow(timing::COMMIT_DEADLINE + Duration::from_millis(1))]);
    let (_, gatherer) = intake_over(&store, IntakeSettings::for_testing(), Arc::clone(&clock));
    let ticket = gatherer.submit(&to(), ballot(1), now()).unwrap();
    *clock.ahead.lock() = Duration::ZERO;
    assert_eq!(ticket.await, Err(NotRecorded::DeadlinePassed));
}

#[tokio::test(start_paused = true)]
async fn batches_grow_with_the_votes_while_the_store_is_slow() {
    let store = Store::new(&vec![Put::Slow(Duration::from_secs(1)); 64]);
    let settings = IntakeSettings::for_cluster();
    let (_, gatherer) = intake_over(&store, settings, Arc::default());
    let mut tickets = Vec::new();
    for n in 0..2_000_u32 {
        tickets.push(gatherer.submit(&to(), ballot((n % 250) as u8), now()).unwrap());
        // The gatherer looks after each.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
    for ticket in tickets {
        ticket.await.unwrap();
    }
    let mut sizes: Vec<_> =
        store.batches().iter().map(|batch| batch.unpack().unwrap().len()).collect();
    sizes.sort_unstable();
    // One alone, beside it ever larger ones, and what was left of the votes.
    assert_eq!(sizes, [1, 207, 256, 512, 1_024]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_hangs_holds_up_nobody_for_long() {
    let store = Store::new(&[Put::Slow(Duration::from_secs(3)), Put::Ok]);
    let settings = IntakeSettings::for_cluster();
    let (_, gatherer) = intake_over(&store, settings, Arc::default());
    let hanging = gatherer.submit(&to(), ballot(1), now()).unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let started = Instant::now();
    gatherer.submit(&to(), ballot(2), now()).unwrap().await.unwrap();
    let waited = started.elapsed();
    assert!((100..300).contains(&waited.as_millis()), "{waited:?}");
    hanging.await.unwrap();
}
