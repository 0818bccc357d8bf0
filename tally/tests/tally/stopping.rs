//! How a tally ends, and that it needs no thread of its own.

use std::{sync::Arc, time::Duration};

use ballot::Policy;
use futures_util::FutureExt;
use tally::TallySettings;
use tokio::time::{Instant, sleep};

use crate::world::{SECOND, World, at, ballot, slug};

fn lease_has_ended(world: &World) -> bool {
    let lease = tally::load_lease(&*world.store, &slug()).now_or_never().unwrap().unwrap();
    lease.unwrap().expires_at < at(0.0)
}

#[test]
fn a_tally_that_stops_lets_go_at_once() {
    let world = World::new(Policy::One);
    let tally = world.inline("a");
    world.simulate(async {
        tally.run(sleep(5 * SECOND)).await;
    });
    assert!(lease_has_ended(&world));
}

#[test]
fn a_count_on_its_way_is_given_up() {
    let world = World::new(Policy::One);
    (0..100).for_each(|n| drop(world.put(&[ballot(n, n, at(0.5), 0)])));
    world.store.slow("vote", SECOND);
    let tally = world.inline("a");
    world.simulate(async {
        let started = Instant::now();
        tally.run(sleep(10 * SECOND)).await;
        assert!(started.elapsed() < 11 * SECOND, "{:?}", started.elapsed());
    });
    assert!(world.published.lock().is_empty());
    assert!(lease_has_ended(&world));
}

/// A thread that is still counting does not take the lease again.
#[test]
fn a_count_on_threads_is_given_up() {
    let world = World::new(Policy::One);
    (0..400).for_each(|n| drop(world.put(&[ballot(n, n, at(0.5), 0)])));
    world.store.slow("vote", Duration::from_millis(30));
    let schedule = "* * * * * *".parse().unwrap();
    let settings = TallySettings { schedule, ..TallySettings::for_testing() };
    let handle = world.tally_with(settings, world.node()).spawn();
    while world.store.documents().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(100));
    handle.stop();
    assert!(lease_has_ended(&world));
    assert_eq!(Arc::strong_count(&world.store), 1, "no thread is left");
}

/// Also where another contest's documents never come.
#[test]
fn a_contest_that_hangs_keeps_no_other_lease() {
    let world = World::new(Policy::One);
    world.add("other", 1_000.0);
    *world.contests.silent.lock() = Some("other");
    let tally = world.inline("a");
    world.simulate(async {
        let started = Instant::now();
        tally.run(sleep(10 * SECOND)).await;
        assert!(started.elapsed() < 11 * SECOND, "{:?}", started.elapsed());
    });
    assert!(lease_has_ended(&world));
}

#[test]
fn a_store_that_does_not_answer_is_not_waited_for() {
    let world = World::new(Policy::One);
    let tally = world.inline("a");
    world.simulate(async {
        let silent = async {
            sleep(5 * SECOND).await;
            *world.store.silent.lock() = Some("");
        };
        let started = Instant::now();
        tokio::join!(tally.run(sleep(10 * SECOND)), silent);
        assert!(started.elapsed() < 13 * SECOND, "{:?}", started.elapsed());
    });
}

/// One that crashed, in a simulation, leaves its lease, and another takes over when that has ended.
#[test]
fn a_tally_that_is_dropped_has_crashed() {
    let world = World::new(Policy::One);
    let (a, b) = (world.inline("a"), world.inline("b"));
    world.simulate(async {
        let crash = tokio::time::timeout(5 * SECOND, a.run(std::future::pending()));
        assert!(crash.await.is_err());
        let rows = world.published.lock().len();
        let taken_over = async {
            while world.published.lock().len() == rows {
                sleep(Duration::from_millis(100)).await;
            }
            Instant::now()
        };
        let crashed = Instant::now();
        let running = tokio::time::timeout(20 * SECOND, b.run(std::future::pending()));
        let (_, taken_over) = tokio::join!(running, taken_over);
        let took = taken_over - crashed;
        assert!(took > 2 * SECOND && took < 10 * SECOND, "{took:?}");
    });
}

/// Who runs many nodes in one thread can run it as one future among others, also in a task.
#[test]
fn with_one_thread_it_spawns_nothing() {
    let world = World::new(Policy::One);
    for n in 0..20_000 {
        let cast: Vec<_> = (0..10).map(|m| ballot(n * 10 + m, n * 10 + m, at(0.5), 0)).collect();
        world.put(&cast);
    }
    let tally = world.inline("a");
    world.simulate(async {
        let task = tokio::spawn(tally.run(sleep(10 * SECOND)));
        let mut sampled = vec![];
        for _ in 0..100 {
            sleep(Duration::from_millis(50)).await;
            sampled.push(tokio::runtime::Handle::current().metrics().num_alive_tasks());
        }
        assert!(sampled.iter().all(|tasks| *tasks == 1), "{sampled:?}");
        task.await.unwrap();
    });
    assert_eq!(world.counts().total, 200_000);
}

/// Where all is one thread, a count of what is at hand does not keep the others from theirs.
#[test]
fn a_count_on_one_thread_lets_others_in_between() {
    let world = World::new(Policy::One);
    for n in 0..2_000 {
        let cast: Vec<_> = (0..50).map(|m| ballot(n * 50 + m, n * 50 + m, at(0.5), 0)).collect();
        world.put(&cast);
    }
    let mut tally = world.inline("a");
    let (mut longest, mut turns) = (Duration::ZERO, 0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let started = std::time::Instant::now();
    runtime.block_on(async {
        let others = async {
            let mut last = std::time::Instant::now();
            loop {
                longest = longest.max(last.elapsed());
                last = std::time::Instant::now();
                turns += 1;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = others => {}
            () = tally.run_once() => {}
        }
    });
    let took = started.elapsed();
    assert_eq!(world.counts().total, 100_000);
    assert!(turns >= 10 && longest < took / 2, "{turns} turns, {longest:?} of {took:?}");
}
