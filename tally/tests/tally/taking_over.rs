//! Two workers, one contest.

use std::{num::NonZero, sync::Arc};

use ballot::{Bucket, CountsStatus, Policy};
use store::ControlStore;
use tally::{RunOutcome, TallySettings};

use crate::world::{SECOND, World, at, ballot, votes};

#[test]
fn one_worker_counts_and_another_takes_over_within_10_s() {
    let world = World::new(Policy::One);
    let (mut a, mut b) = (world.tally("a"), world.tally("b"));
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    for _ in 0..10 {
        a.run_once();
        assert!(matches!(world.last_outcome(), RunOutcome::Published(_)));
        b.run_once();
        assert!(matches!(world.last_outcome(), RunOutcome::NotHeld));
        world.advance(2 * SECOND);
    }
    // From here on a is gone.
    world.put(&[ballot(2, 2, at(1.5), 1)]);
    let (before, last_run) = (world.counts(), world.now().minus(2 * SECOND));
    while world.counts().generation == before.generation {
        world.advance(SECOND);
        b.run_once();
        assert!(world.now().since(last_run) <= 10 * SECOND, "no takeover");
    }
    assert!(world.now().since(last_run) > 3 * SECOND, "more than half of the lease was left");
    assert_eq!(votes(&world.counts()), [1, 1, 0]);
    world.assert_recount_is_the_same();
}

/// Worker a is paused at the moment that `pause` orders, until b has counted and published.
fn late_publish(pause: impl FnOnce(&World, Box<dyn FnOnce() + Send>), first_row: bool) {
    let world = Arc::new(World::new(Policy::One));
    // With a second thread it would not be paused whole, and renew its lease.
    let threads = const { NonZero::new(1).unwrap() };
    let settings = TallySettings { holder: "a".into(), threads, ..TallySettings::for_testing() };
    let (mut a, mut b) = (world.tally_with(settings, world.node()), world.tally("b"));
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    if first_row {
        a.run_once();
    }
    let paused = {
        let world = world.clone();
        Box::new(move || {
            world.advance(20 * SECOND);
            world.put(&[ballot(2, 2, at(1.5), 1)]);
            // On a thread of its own, as this one is inside of a's runtime.
            std::thread::spawn(move || b.run_once()).join().unwrap();
        })
    };
    pause(&world, paused);
    a.run_once();
    assert!(matches!(world.last_outcome(), RunOutcome::Failed(_)), "{:?}", world.last_outcome());
    let counts = world.counts();
    assert_eq!(votes(&counts), [1, 1, 0], "b's row stands");
    world.advance(2 * SECOND);
    a.run_once();
    assert!(matches!(world.last_outcome(), RunOutcome::NotHeld), "{:?}", world.last_outcome());
    assert_eq!(world.counts(), counts);
    let rows = world.published.lock().clone();
    assert!(rows.is_sorted_by(|x, y| x.generation < y.generation));
}

#[test]
fn a_worker_paused_before_it_publishes_is_refused() {
    let at_publish = |world: &World, paused| {
        *world.store.before_swap.lock() = Some(("counts/", paused));
    };
    late_publish(at_publish, true);
}

#[test]
fn a_worker_paused_before_the_very_first_row_is_refused() {
    let at_publish = |world: &World, paused| {
        *world.store.before_swap.lock() = Some(("counts/", paused));
    };
    late_publish(at_publish, false);
}

/// The fence stands as soon as the lease has changed hands, not only with the next row.
#[test]
fn a_worker_paused_until_another_has_claimed_is_refused() {
    let world = Arc::new(World::new(Policy::One));
    let (mut a, mut b) = (world.tally("a"), world.tally("b"));
    a.run_once();
    let paused = {
        let world = world.clone();
        Box::new(move || {
            world.advance(20 * SECOND);
            // b takes the lease and dies while it counts.
            *world.store.before_scan.lock() = Some(Box::new(|| panic!("as the test ordered")));
            std::thread::spawn(move || b.run_once()).join().unwrap();
        })
    };
    *world.store.before_swap.lock() = Some(("counts/", paused));
    a.run_once();
    assert!(matches!(world.last_outcome(), RunOutcome::Failed(_)), "{:?}", world.last_outcome());
    assert_eq!(world.published.lock().len(), 1);
    assert_eq!((world.counts().generation, world.counts().counted_through), (2, at(1.0)));
}

#[test]
fn a_worker_paused_while_it_scans_notices() {
    let at_scan = |world: &World, paused| *world.store.before_scan.lock() = Some(paused);
    late_publish(at_scan, true);
}

/// Longer than a lease lasts.
#[test]
fn a_long_count_keeps_its_lease() {
    let world = World::new(Policy::One);
    (0..100).for_each(|n| drop(world.put(&[ballot(n, n, at(0.5), 0)])));
    world.store.slow("vote", SECOND / 10);
    let (mut a, b) = (world.inline("a"), world.inline("b"));
    world.simulate(async {
        let counted = async {
            a.run_once().await;
            assert_eq!(world.counts().total, 100, "{:?}", world.last_outcome());
        };
        let waiting = async {
            tokio::time::sleep(SECOND).await;
            b.run(std::future::pending()).await;
        };
        tokio::select! {
            biased;
            () = counted => {}
            () = waiting => {}
        }
    });
    let reports = world.reports.lock();
    let (last, before) = reports.split_last().unwrap();
    assert!(matches!(last.outcome, RunOutcome::Published(_)) && last.took > 9 * SECOND);
    assert!(before.len() >= 4, "b has looked, {} times", before.len());
    assert!(before.iter().all(|report| matches!(report.outcome, RunOutcome::NotHeld)));
}

/// It is another's to count, so it is given up soon.
#[test]
fn a_long_count_whose_lease_was_taken_is_given_up() {
    let world = World::new(Policy::One);
    (0..1_000).for_each(|n| drop(world.put(&[ballot(n, n, at(0.5), 0)])));
    world.store.slow("vote", SECOND / 10);
    let mut a = world.inline("a");
    world.simulate(async {
        let counting = a.run_once();
        let taking = async {
            tokio::time::sleep(3 * SECOND).await;
            let control: &dyn ControlStore = &*world.store;
            let version = world.store.documents()["lease/vote"].version;
            let body = r#"{"holder": "b", "generation": 9, "expires_at": "2099-01-01T00:00:00Z"}"#;
            control.compare_and_swap("lease/vote", version, body.into()).await.unwrap();
        };
        tokio::join!(biased; counting, taking);
    });
    let report = world.reports.lock().last().unwrap().clone();
    assert!(matches!(report.outcome, RunOutcome::Failed(_)) && report.took < 6 * SECOND);
}

/// Where the store does not answer one worker, another may have more luck.
#[test]
fn a_count_that_hangs_does_not_keep_its_lease() {
    let world = World::new(Policy::One);
    (0..100).for_each(|n| drop(world.put(&[ballot(n, n, at(0.5), 0)])));
    world.store.slow("vote", 1_000 * SECOND);
    let (mut a, b) = (world.inline("a"), world.inline("b"));
    world.simulate(async {
        let waiting = async {
            tokio::time::sleep(SECOND).await;
            world.store.slow("vote", SECOND / 1_000);
            b.run(tokio::time::sleep(12 * SECOND)).await;
        };
        tokio::select! {
            biased;
            () = a.run_once() => panic!("it hangs"),
            () = waiting => {}
        }
    });
    assert_eq!(world.counts().total, 100);
}

#[test]
fn a_paused_worker_does_not_overwrite_a_final_count() {
    let world = Arc::new(World::new(Policy::One));
    let (mut a, mut b) = (world.tally("a"), world.tally("b"));
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    a.run_once();
    world.set_clock(at(105.0));
    let paused = {
        let world = world.clone();
        Box::new(move || {
            world.advance(20 * SECOND);
            // Never acknowledged, but found by b's scan and not by a's.
            world.put(&[ballot(2, 2, at(1.5), 1)]);
            std::thread::spawn(move || b.run_once()).join().unwrap();
        })
    };
    *world.store.before_swap.lock() = Some(("batchset/", paused));
    a.run_once();
    let counts = world.counts();
    assert_eq!((counts.status, votes(&counts)), (CountsStatus::Final, vec![1, 1, 0]));
    assert_eq!(counts.batch_set.as_ref().unwrap().batches, 2);
    let recount = world.recount();
    assert!(recount.agrees() && recount.beyond.is_empty(), "the set is whole: {recount:?}");
    world.advance(60 * SECOND);
    a.run_once();
    assert_eq!(world.counts(), counts);
}

/// A worker that counts along has a contest ready when it takes over: what was recorded before is
/// not read again.
#[test]
fn a_standby_counts_along_and_takes_over_the_same_numbers() {
    let world = World::new(Policy::One);
    let standby = TallySettings {
        holder: "b".into(),
        standby: Some(4 * SECOND),
        ..TallySettings::for_testing()
    };
    let (mut a, mut b) = (world.tally("a"), world.tally_with(standby, world.node()));
    for n in 0..40_u64 {
        world.put(&[ballot(n, n, at(n as f64 + 0.5), (n % 3) as u16)]);
        a.run_once();
        b.run_once();
        assert!(matches!(world.last_outcome(), RunOutcome::NotHeld));
        world.advance(SECOND);
    }
    drop(a);
    let before = world.counts();
    while world.counts().generation == before.generation {
        world.advance(2 * SECOND);
        b.run_once();
        assert!(*world.store.scanned_from.lock() > Some(Bucket(0)), "from nothing");
    }
    assert_eq!(votes(&world.counts()), [14, 13, 13]);
    world.assert_recount_is_the_same();
}

/// The holder's clock is far ahead, so its lease seems to last much longer.
#[test]
fn a_lease_that_is_not_renewed_ends_whatever_clock_wrote_it() {
    let world = World::new(Policy::One);
    let ahead = world.node_ahead(20 * SECOND);
    let settings = TallySettings { holder: "a".into(), ..TallySettings::for_testing() };
    let (mut a, mut b) = (world.tally_with(settings, ahead), world.tally("b"));
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    a.run_once();
    for _ in 0..10 {
        world.advance(2 * SECOND);
        a.run_once();
        b.run_once();
        assert!(matches!(world.last_outcome(), RunOutcome::NotHeld), "a is alive");
    }
    let (generation, since) = (world.counts().generation, world.now());
    while world.counts().generation == generation {
        world.advance(2 * SECOND);
        b.run_once();
        assert!(world.now().since(since) <= 10 * SECOND, "no takeover");
    }
}
