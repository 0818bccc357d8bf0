//! A contest, a clock, and tally workers around one store.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use ballot::{
    Ballot, BallotId, Batch, BatchId, ChannelNumber, ChoiceNumber, Clock, Contest, Counts, Moment,
    NodeClock, Policy, Slug, Timestamp, Voter,
};
use futures_util::FutureExt;
use parking_lot::Mutex;
use store::Read;
use tally::{
    Hooks, Published, Recount, RunOutcome, RunReport, Tally, TallyContest, TallyHandle,
    TallySettings,
};

use crate::faults::{TestContests, TestStore};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A machine's clock, which the test turns.
pub(crate) struct TestClock {
    /// What the wall clock says at the origin of the moments.
    wall_us: AtomicI64,
    moment_us: AtomicU64,
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        let passed = self.moment_us.load(SeqCst) as i64;
        Timestamp::from_micros(self.wall_us.load(SeqCst) + passed)
    }

    fn moment(&self) -> Moment {
        Moment::from_micros(self.moment_us.load(SeqCst))
    }
}

/// Another machine's, whose wall clock is ahead of it.
struct Ahead(Arc<TestClock>, Duration);

impl Clock for Ahead {
    fn wall(&self) -> Timestamp {
        self.0.wall().plus(self.1)
    }

    fn moment(&self) -> Moment {
        self.0.moment()
    }
}

/// This machine's.
pub(crate) struct RealClock(pub(crate) std::time::Instant);

impl Clock for RealClock {
    fn wall(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp::from_micros(since.as_micros() as i64)
    }

    fn moment(&self) -> Moment {
        Moment::after_origin(self.0.elapsed())
    }
}

/// A tally, and a runtime to run it on.
pub(crate) struct Counting {
    tally: Tally,
    runtime: tokio::runtime::Runtime,
}

impl Counting {
    pub(crate) fn run_once(&mut self) {
        self.runtime.block_on(self.tally.run_once());
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
    clock: Arc<TestClock>,
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
            clock: Arc::new(TestClock {
                wall_us: AtomicI64::new(at(1.0).as_micros()),
                moment_us: AtomicU64::new(0),
            }),
            batches: AtomicI64::new(0),
        };
        world.contests.0.lock().push(contest("vote", policy));
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    /// Time passes.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.moment_us.fetch_add(by.as_micros() as u64, SeqCst);
    }

    /// Time passes until then.
    pub(crate) fn set_clock(&self, to: Timestamp) {
        match to.since(self.now()) {
            // Only before anything has run.
            Duration::ZERO => self.jump(-(self.now().since(to).as_secs_f64())),
            passed => self.advance(passed),
        }
    }

    /// The wall clock is set; no time passes.
    pub(crate) fn jump(&self, seconds: f64) {
        self.clock.wall_us.fetch_add((seconds * 1e6) as i64, SeqCst);
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
        let (published, reports) = (self.published.clone(), self.reports.clone());
        let hooks = Hooks {
            on_publish: Arc::new(move |counts| published.lock().push(counts.clone())),
            on_run: Arc::new(move |report| reports.lock().push(report.clone())),
        };
        let contests = Arc::new(self.contests.clone());
        let (ballots, control) = (self.store.clone(), self.store.clone());
        let tally = Tally::new(ballots, control, contests, clock, settings, hooks);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Counting { tally, runtime }
    }

    /// A batch that is not in the store yet.
    pub(crate) fn batch(&self, created_at: Timestamp, ballots: &[Ballot]) -> Batch {
        let number = self.batches.fetch_add(1, SeqCst);
        let mut random = [0; 10];
        random[2..].copy_from_slice(&number.to_be_bytes());
        Batch::pack(&slug(), 3, BatchId::new(created_at, random), ballots)
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

    /// Moves the end of a contest, as an administrator does.
    pub(crate) fn set_close(&self, contest: &str, seconds: f64) {
        let mut contests = self.contests.0.lock();
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
        let contest = self.contests.0.lock()[0].clone();
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
