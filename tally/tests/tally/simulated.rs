//! Many contests, two tallies, a store that is slow and fails, and administrators who move the end:
//! from a seed, in simulated time.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use ballot::{Counts, CountsStatus, NodeClock, Policy, Slug, Timestamp, timing::COMMIT_DEADLINE};
use parking_lot::Mutex;
use store::BallotStore;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{SECOND, World, at, ballot};

const CONTESTS: [&str; 3] = ["vote", "film", "song"];
const VOTERS: u64 = 60;
/// From then on nothing goes wrong any more, and everything is settled soon.
const FAULTS_END: Duration = Duration::from_secs(200);
const END: Duration = Duration::from_secs(200 + 60);

struct Acknowledged {
    contest: &'static str,
    recorded_at: Timestamp,
    at: Timestamp,
}

struct Simulation {
    world: Arc<World>,
    node: Arc<NodeClock>,
    acknowledged: Mutex<Vec<Acknowledged>>,
}

impl Simulation {
    /// Votes at a random moment, and again with the same ballot until it is acknowledged.
    async fn vote(&self, n: u64, random: &mut fastrand::Rng) {
        sleep(Duration::from_millis(random.u64(0..140_000))).await;
        let contest = CONTESTS[random.usize(0..CONTESTS.len())];
        loop {
            let stamp = self.node.stamp();
            let recorded_at = stamp.recorded_at;
            if !self.world.hours_of(contest).contain(recorded_at) {
                return;
            }
            let cast = ballot(n, n, recorded_at, random.u16(0..3));
            let batch = self.world.batch_of(contest, recorded_at, &[cast]);
            let put = self.world.store.put_batch(batch);
            if timeout(COMMIT_DEADLINE, put).await.is_ok_and(|put| put.is_ok()) {
                let at = self.node.now();
                self.acknowledged.lock().push(Acknowledged { contest, recorded_at, at });
                return;
            }
            sleep(Duration::from_millis(random.u64(0..2_000))).await;
        }
    }

    /// Moves ends, as the rules have it: a moment ahead at least, and never of a contest that is closed.
    async fn administrate(&self, random: &mut fastrand::Rng) {
        for _ in 0..30 {
            sleep(Duration::from_millis(random.u64(0..8_000))).await;
            let contest = CONTESTS[random.usize(0..CONTESTS.len())];
            let now = self.node.now().since(at(0.0)).as_secs_f64();
            let closes_at = self.world.hours_of(contest).closes_at.unwrap();
            if closes_at > at(now + 0.25) {
                self.world.set_close(contest, now + 0.25 + random.f64() * 60.0);
            }
        }
    }

    async fn end_faults(&self) {
        sleep(FAULTS_END).await;
        *self.world.store.random.lock() = None;
    }

    /// Two tallies; each is cut off now and then, in the middle of whatever it does.
    async fn count(&self, holder: &str, random: &mut fastrand::Rng) {
        let until = Instant::now() + END;
        while Instant::now() < until {
            let life = Duration::from_millis(random.u64(5_000..90_000));
            let left = until - Instant::now();
            let life = if left > END - FAULTS_END { life.min(left) } else { left };
            let tally = self.world.inline(holder);
            if random.bool() {
                tally.run(sleep(life)).await;
            } else {
                let _ = timeout(life, tally.run(std::future::pending())).await;
            }
        }
    }
}

/// What was published, in words.
fn simulate(seed: u64) -> String {
    println!("seed {seed}");
    let mut seeds = fastrand::Rng::with_seed(seed);
    let mut random = || seeds.fork();
    let world = Arc::new(World::new(Policy::One));
    world.add("film", 80.0);
    world.add("song", 120.0);
    *world.store.random.lock() = Some(random());
    world.simulate(async {
        let (node, world) = (world.node(), Arc::clone(&world));
        let simulation = Simulation { node, world, acknowledged: Mutex::default() };
        let voters: Vec<_> = (0..VOTERS).map(|n| (n, random())).collect();
        let voting = voters.into_iter().map(|(n, mut random)| {
            let simulation = &simulation;
            async move { simulation.vote(n, &mut random).await }
        });
        let (mut for_a, mut for_b, mut for_hours) = (random(), random(), random());
        tokio::join!(
            biased;
            futures_util::future::join_all(voting),
            simulation.administrate(&mut for_hours),
            simulation.end_faults(),
            simulation.count("a", &mut for_a),
            simulation.count("b", &mut for_b),
        );
        simulation.check();
        simulation.trace()
    })
}

impl Simulation {
    fn check(&self) {
        let acknowledged = self.acknowledged.lock();
        for contest in CONTESTS {
            let of_it: Vec<_> = acknowledged.iter().filter(|a| a.contest == contest).collect();
            let counts = self.world.counts_of(contest);
            assert_eq!(counts.status, CountsStatus::Final, "{counts:?}");
            assert_eq!(counts.closed_at, self.world.hours_of(contest).closes_at);
            assert!(of_it.iter().all(|a| a.recorded_at < counts.closed_at.unwrap()));
            assert!(counts.total >= of_it.len() as u64, "{} of {counts:?}", of_it.len());
            let slug: Slug = contest.parse().unwrap();
            let rows = self.world.published.lock();
            let rows: Vec<&Arc<Counts>> = rows.iter().filter(|row| row.contest == slug).collect();
            for row in &rows {
                let before = of_it.iter().filter(|a| a.at < row.counted_through).count();
                assert!(row.total >= before as u64, "{before} acknowledged of {row:?}");
            }
            // Of those whose reply was lost nobody was told, but the others go on from there.
            assert!(rows.is_sorted_by_key(|row| (row.generation, row.counted_through)), "{rows:?}");
        }
    }

    fn trace(&self) -> String {
        let mut trace = String::new();
        for row in &*self.world.published.lock() {
            writeln!(trace, "{} {} {}", row.contest, row.generation, row.counted_through).unwrap();
            writeln!(trace, "{:?} {:?}", row.status, row.ballots).unwrap();
        }
        for report in &*self.world.reports.lock() {
            writeln!(trace, "{report:?}").unwrap();
        }
        trace
    }
}

#[test]
fn acknowledged_is_counted_whatever_happens() {
    for _ in 0..40 {
        simulate(fastrand::u64(..));
    }
}

#[test]
fn a_seed_gives_the_same_history_again() {
    for seed in 0..5 {
        assert!(simulate(seed) == simulate(seed), "seed {seed}");
    }
}

/// So that whoever reads a trace sees that time has passed in it.
#[test]
fn a_history_is_minutes_long() {
    let started = std::time::Instant::now();
    assert!(simulate(1).lines().count() > 100);
    assert!(started.elapsed() < 60 * SECOND);
}
