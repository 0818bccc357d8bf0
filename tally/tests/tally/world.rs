//! A contest, a clock, and tally workers around one store.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use ballot::{
    Ballot, BallotId, Batch, BatchId, ChannelNumber, ChoiceNumber, Clock, Contest, Counts, Hours,
    NodeClock, Policy, Slug, Timestamp, Voter,
};
use futures_util::FutureExt;
use parking_lot::Mutex;
use store::Read;
use tally::{
    Hooks, Published, Recount, RunOutcome, RunReport, Tally, TallyContest, TallyHandle,
    TallySettings,
};

use crate::clocks::{Ahead, TestClock};
use crate::faults::{TestContests, TestStore};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A tally, and a runtime to run it on.
pub(crate) struct Counting {
    tally: Tally,
    runtime: tokio::runtime::Runtime,
}

impl Counting {
    pub(crate) fn run_once(&mut self) {
        self.runtime.block_on(self.tally.run_once());
    }

    /// Ends in order.
    pub(crate) fn stop(self) {
        self.runtime.block_on(self.tally.run(std::future::ready(())));
    }

    pub(crate) fn spawn(self) -> TallyHandle {
        self.tally.spawn().unwrap()
    }
}

pub(crate) struct World {
    pub(crate) store: Arc<TestStore>,
    pub(crate) contests: TestContests,
    pub(crate) published: Arc<Mutex<Vec<Arc<Counts>>>>,
    pub(crate) reports: Arc<Mutex<Vec<RunReport>>>,
    pub(crate) clock: Arc<TestClock>,
    batches: AtomicI64,
}

/// The moment the contest `vote` opens; it closes 100 s later.
pub(crate) fn opens_at() -> Timestamp {
    "2026-11-23T20:00:00Z".parse().unwrap()
}

pub(crate) fn at(seconds: f64) -> Timestamp {
    Timestamp::from_micros(opens_at().as_micros() + (seconds * 1e6) as i64)
}

pub(crate) fn slug() -> Slug {
    "vote".parse().unwrap()
}

pub(crate) fn contest(name: &str, policy: Policy) -> TallyContest {
    let mut contest = Contest::from_json(
        br#"{"title": "t", "opens_at": "2026-11-23T20:00:00Z", "closes_at": "2026-11-23T20:01:40Z",
            "shards": 3, "choices": [{"choice": "a", "title": "A"}, {"choice": "b", "title": "B"},
            {"choice": "c", "title": "C"}]}"#,
    )
    .unwrap();
    contest.policy = policy;
    TallyContest {
        slug: name.parse().unwrap(),
        contest: Arc::new(contest),
        channels: vec!["sms".parse().unwrap()],
    }
}

/// A ballot of the n-th voter.
pub(crate) fn ballot(voter: u64, id: u64, recorded_at: Timestamp, choice: u16) -> Ballot {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&id.to_be_bytes());
    let spread = u128::from(voter).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Ballot {
        id: BallotId::new(opens_at(), random),
        voter: Voter::from_bytes(spread.to_be_bytes()),
        choice: ChoiceNumber(choice),
        channel: ChannelNumber((voter % 2) as u8),
        recorded_at,
    }
}

impl World {
    /// The contest `vote`, which has been open for a second.
    pub(crate) fn new(policy: Policy) -> Self {
        let world = Self {
            store: Arc::default(),
            contests: TestContests::default(),
            published: Arc::default(),
            reports: Arc::default(),
            clock: Arc::new(TestClock::new(at(1.0))),
            batches: AtomicI64::new(0),
        };
        world.contests.list.lock().push(contest("vote", policy));
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    /// Time passes.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Time passes until then.
    pub(crate) fn set_clock(&self, to: Timestamp) {
        match to.since(self.now()) {
            // Only before anything has run.
            Duration::ZERO => self.clock.jump(-(self.now().since(to).as_secs_f64())),
            passed => self.advance(passed),
        }
    }

    /// A node on a machine with this world's time.
    pub(crate) fn node(&self) -> Arc<NodeClock> {
        Arc::new(NodeClock::new(Arc::clone(&self.clock) as _))
    }

    /// A node whose wall clock is ahead.
    pub(crate) fn node_ahead(&self, by: Duration) -> Arc<NodeClock> {
        Arc::new(NodeClock::new(Arc::new(Ahead(Arc::clone(&self.clock), by))))
    }

    pub(crate) fn tally(&self, holder: &str) -> Counting {
        let settings = TallySettings { holder: holder.into(), ..TallySettings::for_testing() };
        self.tally_with(settings, self.node())
    }

    pub(crate) fn tally_with(&self, settings: TallySettings, clock: Arc<NodeClock>) -> Counting {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Counting { tally: self.build(settings, clock), runtime }
    }

    /// A tally that spawns nothing.
    pub(crate) fn inline(&self, holder: &str) -> Tally {
        let threads = NonZero::<usize>::MIN;
        let settings =
            TallySettings { holder: holder.into(), threads, ..TallySettings::for_testing() };
        self.build(settings, self.node())
    }

    /// Runs a future in simulated time, with which the clocks of this world's machines go.
    pub(crate) fn simulate<T>(&self, future: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            self.clock.go();
            future.await
        })
    }

    pub(crate) fn build(&self, settings: TallySettings, clock: Arc<NodeClock>) -> Tally {
        let (published, reports) = (self.published.clone(), self.reports.clone());
        let hooks = Hooks {
            on_publish: Arc::new(move |counts| published.lock().push(counts.clone())),
            on_run: Arc::new(move |report| reports.lock().push(report.clone())),
        };
        let contests = Arc::new(self.contests.clone());
        let (ballots, control) = (self.store.clone(), self.store.clone());
        Tally::new(ballots, control, contests, clock, settings, hooks)
    }

    /// A batch that is not in the store yet.
    pub(crate) fn batch(&self, created_at: Timestamp, ballots: &[Ballot]) -> Batch {
        self.batch_of("vote", created_at, ballots)
    }

    pub(crate) fn batch_of(&self, contest: &str, created_at: Timestamp, cast: &[Ballot]) -> Batch {
        let number = self.batches.fetch_add(1, SeqCst);
        let mut random = [0; 10];
        random[2..].copy_from_slice(&number.to_be_bytes());
        Batch::pack(&contest.parse().unwrap(), 3, BatchId::new(created_at, random), cast)
    }

    /// Puts a batch made now.
    pub(crate) fn put(&self, ballots: &[Ballot]) -> Batch {
        let batch = self.batch(self.now(), ballots);
        self.store.put(batch.clone());
        batch
    }

    /// The published row.
    pub(crate) fn counts(&self) -> Counts {
        let counts =
            tally::load_counts(&*self.store, &slug(), Read::Serial).now_or_never().unwrap();
        counts.unwrap().expect("a row was published")
    }

    pub(crate) fn counts_of(&self, contest: &str) -> Counts {
        let slug = contest.parse().unwrap();
        let counts = tally::load_counts(&*self.store, &slug, Read::Serial).now_or_never().unwrap();
        counts.unwrap().expect("a row was published")
    }

    /// Another contest like `vote`.
    pub(crate) fn add(&self, name: &str, closes_at: f64) {
        let another = contest(name, self.contests.list.lock()[0].contest.policy);
        self.contests.list.lock().push(another);
        self.set_close(name, closes_at);
    }

    /// The batches of `vote`, in another contest.
    pub(crate) fn copy_batches(&self, name: &str) {
        for batch in self.store.batches() {
            let (slug, ballots) = (name.parse().unwrap(), batch.unpack().unwrap());
            self.store.put(Batch::pack(&slug, 3, batch.id, &ballots));
        }
    }

    pub(crate) fn hours_of(&self, contest: &str) -> Hours {
        let contests = self.contests.list.lock();
        let listed = contests.iter().find(|listed| listed.slug.as_str() == contest);
        listed.unwrap().contest.hours
    }

    /// Moves the end of a contest, as an administrator does.
    pub(crate) fn set_close(&self, contest: &str, seconds: f64) {
        let mut contests = self.contests.list.lock();
        let changed = contests.iter_mut().find(|listed| listed.slug.as_str() == contest).unwrap();
        Arc::make_mut(&mut changed.contest).hours.closes_at = Some(at(seconds));
    }

    pub(crate) fn last_outcome(&self) -> RunOutcome {
        self.reports.lock().last().unwrap().outcome.clone()
    }

    pub(crate) fn last_outcome_of(&self, contest: &str) -> RunOutcome {
        let reports = self.reports.lock();
        let last = reports.iter().rev().find(|report| report.contest.as_str() == contest);
        last.unwrap().outcome.clone()
    }

    pub(crate) fn recount(&self) -> Recount {
        let published = Published::load(&*self.store, &slug()).now_or_never().unwrap().unwrap();
        let contest = self.contests.list.lock()[0].clone();
        let threads = const { NonZero::new(2).unwrap() };
        let (store, now) = (self.store.clone(), self.now());
        tally::recount(store, &contest, published.as_ref(), now, threads, &|_| ()).unwrap()
    }

    /// The published numbers are those of a recount from nothing.
    pub(crate) fn assert_recount_is_the_same(&self) {
        let (published, recounted) = (self.counts(), self.recount().counts);
        assert_eq!(published.choices, recounted.choices);
        assert_eq!(published.ballots, recounted.ballots);
        assert_eq!(published.channels, recounted.channels);
        assert_adds_up(&published);
    }
}

pub(crate) fn assert_adds_up(counts: &Counts) {
    let b = counts.ballots;
    assert_eq!(b.recorded, b.counted + b.duplicate + b.late + b.void, "{counts:?}");
    assert_eq!(counts.total, b.counted);
    assert_eq!(counts.total, counts.choices.iter().map(|c| c.votes).sum::<u64>());
    assert_eq!(counts.total, counts.channels.values().sum::<u64>());
}

pub(crate) fn votes(counts: &Counts) -> Vec<u64> {
    counts.choices.iter().map(|choice| choice.votes).collect()
}
