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
    Ballot, BallotId, Batch, BatchId, ChannelNumber, ChoiceNumber, Contest, Counts, Policy, Slug,
    Timestamp, Voter,
};
use futures_util::FutureExt;
use parking_lot::Mutex;
use tally::{Hooks, Published, Recount, RunOutcome, RunReport, Tally, TallyContest, TallySettings};

use crate::memory::{MemoryStore, TestContests};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) contests: TestContests,
    pub(crate) published: Arc<Mutex<Vec<Arc<Counts>>>>,
    pub(crate) reports: Arc<Mutex<Vec<RunReport>>>,
    clock: Arc<AtomicI64>,
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
            clock: Arc::new(AtomicI64::new(at(1.0).as_micros())),
            batches: AtomicI64::new(0),
        };
        world.contests.0.lock().push(contest("vote", policy));
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.load(SeqCst))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.fetch_add(by.as_micros() as i64, SeqCst);
    }

    pub(crate) fn set_clock(&self, to: Timestamp) {
        self.clock.store(to.as_micros(), SeqCst);
    }

    pub(crate) fn clock(&self) -> tally::Clock {
        let clock = self.clock.clone();
        Arc::new(move || Timestamp::from_micros(clock.load(SeqCst)))
    }

    pub(crate) fn tally(&self, holder: &str) -> Tally {
        let settings = TallySettings { holder: holder.into(), ..TallySettings::for_testing() };
        self.tally_with(settings, self.clock())
    }

    pub(crate) fn tally_with(&self, settings: TallySettings, clock: tally::Clock) -> Tally {
        let (published, reports) = (self.published.clone(), self.reports.clone());
        let hooks = Hooks {
            clock,
            on_publish: Arc::new(move |counts| published.lock().push(counts.clone())),
            on_run: Arc::new(move |report| reports.lock().push(report.clone())),
        };
        let contests = Arc::new(self.contests.clone());
        Tally::new(self.store.clone(), self.store.clone(), contests, settings, hooks).unwrap()
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
        let counts = tally::load_counts(&*self.store, &slug()).now_or_never().unwrap();
        counts.unwrap().expect("a row was published")
    }

    pub(crate) fn last_outcome(&self) -> RunOutcome {
        self.reports.lock().last().unwrap().outcome.clone()
    }

    pub(crate) fn recount(&self) -> Recount {
        let published = Published::load(&*self.store, &slug()).now_or_never().unwrap().unwrap();
        let contest = self.contests.0.lock()[0].clone();
        let threads = const { NonZero::new(2).unwrap() };
        let (store, now) = (&*self.store, self.now());
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
