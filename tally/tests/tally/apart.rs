//! Contests do not wait for each other, and each is final by its own definition as it is then.

use std::{sync::Arc, time::Duration};

use ballot::{CountsStatus, Policy};
use tally::{RunOutcome, TallySettings};

use crate::world::{SECOND, World, at, ballot};

#[test]
fn a_close_that_is_put_off_while_another_contest_is_rescanned_is_heeded() {
    let world = Arc::new(World::new(Policy::One));
    world.add("other", 110.0);
    let mut tally = world.tally("a");
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    world.set_clock(at(105.0));
    let rescan_takes_long = {
        let world = world.clone();
        Box::new(move || {
            world.set_close("other", 200.0);
            world.set_clock(at(116.0));
        })
    };
    *world.store.before_scan.lock() = Some(rescan_takes_long);
    tally.run_once();
    tally.run_once();
    assert_eq!(world.counts().status, CountsStatus::Final);
    assert_eq!(world.counts_of("other").status, CountsStatus::Provisional);
    world.set_clock(at(205.0));
    tally.run_once();
    assert_eq!(world.counts_of("other").status, CountsStatus::Final);
}

#[test]
fn a_definition_that_changes_while_it_is_counted_for_good_is_not_what_is_final() {
    let world = Arc::new(World::new(Policy::One));
    let mut tally = world.tally("a");
    world.put(&[ballot(1, 1, at(99.0), 0), ballot(2, 2, at(150.0), 0)]);
    world.set_clock(at(105.0));
    let put_off = {
        let world = world.clone();
        Box::new(move || world.set_close("vote", 200.0))
    };
    *world.store.before_scan.lock() = Some(put_off);
    tally.run_once();
    world.advance(2 * SECOND);
    tally.run_once();
    let counts = world.counts();
    assert_eq!((counts.status, counts.total), (CountsStatus::Provisional, 2));
    world.set_clock(at(205.0));
    tally.run_once();
    assert_eq!(world.counts().status, CountsStatus::Final);
    world.assert_recount_is_the_same();
}

/// A row claims what was acknowledged before its scan, and that was taken in by the definition as it
/// was then, not as it was before.
#[test]
fn the_definition_is_not_older_than_the_scan() {
    let world = Arc::new(World::new(Policy::One));
    let mut tally = world.tally("a");
    world.set_clock(at(98.0));
    tally.run_once();
    let put_off = {
        let world = world.clone();
        Box::new(move || {
            world.set_close("vote", 200.0);
            world.set_clock(at(102.0));
            world.put(&[ballot(1, 1, at(101.0), 0)]);
        })
    };
    *world.contests.after_read.lock() = Some(put_off);
    tally.run_once();
    let counts = world.counts();
    assert!(counts.counted_through <= at(101.0) || counts.total == 1, "{counts:?}");
    tally.run_once();
    assert_eq!((world.counts().counted_through, world.counts().total), (at(102.0), 1));
}

/// A title may be edited at any time. The final row has the last one, and needs no other count.
#[test]
fn a_title_that_changes_while_it_is_counted_for_good_is_shown() {
    let world = Arc::new(World::new(Policy::One));
    let mut tally = world.tally("a");
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    world.set_clock(at(105.0));
    let edit = {
        let world = world.clone();
        Box::new(move || {
            let mut contests = world.contests.list.lock();
            Arc::make_mut(&mut contests[0].contest).choices[0].title = "Another".into();
        })
    };
    *world.store.before_scan.lock() = Some(edit);
    tally.run_once();
    assert_eq!(world.counts().status, CountsStatus::Final);
    assert_eq!(world.counts().choices[0].title, "Another");
}

/// The contest `vote`, closed, with so many batches, and `other`, open.
fn closed_and_open(batches: u64) -> World {
    let world = World::new(Policy::One);
    world.add("other", 100_000.0);
    for n in 0..batches {
        world.put(&[ballot(n, n, at(0.5), 0)]);
    }
    world.set_clock(at(105.0));
    world
}

/// Simulates a tally for so many seconds, and returns when rows of `other` came.
fn rows_of_other(world: &World, seconds: u32) -> Vec<f64> {
    rows_of_other_beside(world, seconds, std::future::pending())
}

/// The same, and something else meanwhile.
fn rows_of_other_beside(world: &World, seconds: u32, beside: impl Future<Output = ()>) -> Vec<f64> {
    world.published.lock().clear();
    let tally = world.inline("a");
    world.simulate(async {
        tokio::select! {
            biased;
            () = tally.run(tokio::time::sleep(SECOND * seconds)) => {}
            () = beside => {}
        }
    });
    let published = world.published.lock();
    let others = published.iter().filter(|row| row.contest.as_str() == "other");
    let through = others.map(|row| row.counted_through.since(at(0.0)).as_secs_f64());
    through.collect()
}

/// One row each two seconds, by the schedule, give or take one.
#[track_caller]
fn assert_no_gap(rows: &[f64], seconds: f64) {
    let gap = rows.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(rows.len() as f64 >= seconds / 2.0 - 2.0, "{rows:?}");
    assert!(gap <= 3.0, "a gap of {gap} s: {rows:?}");
}

#[test]
fn a_long_rescan_delays_no_other_contest() {
    let world = closed_and_open(1_000);
    world.store.slow("vote", Duration::from_millis(30));
    let rows = rows_of_other(&world, 40);
    assert_no_gap(&rows, 40.0);
    assert_eq!((world.counts().status, world.counts().total), (CountsStatus::Final, 1_000));
    world.store.slow("vote", Duration::ZERO);
    assert!(world.recount().agrees());
}

/// The same on threads, in real time.
#[test]
fn a_long_rescan_on_threads_delays_no_other_contest() {
    let world = closed_and_open(200);
    world.store.slow("vote", Duration::from_millis(30));
    let schedule = "* * * * * *".parse().unwrap();
    let settings = TallySettings { schedule, ..TallySettings::for_testing() };
    let handle = world.tally_with(settings, world.node()).spawn();
    let (started, mut rows) = (std::time::Instant::now(), 0);
    while started.elapsed() < 20 * SECOND {
        std::thread::sleep(Duration::from_millis(10));
        let published = world.published.lock().clone();
        if published.iter().any(|row| row.status == CountsStatus::Final) {
            break;
        }
        rows = published.iter().filter(|row| row.contest.as_str() == "other").count();
    }
    handle.stop();
    assert!(rows >= 2, "{rows} rows of the other contest while one was rescanned for 3 s");
    assert_eq!(world.counts().status, CountsStatus::Final);
}

#[test]
fn many_long_rescans_delay_no_other_contest() {
    let world = closed_and_open(100);
    let more = ["v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12"];
    for name in more {
        world.add(name, 100.0);
        world.copy_batches(name);
        world.store.slow(name, Duration::from_millis(30));
    }
    let another = world.inline("b");
    let rows = rows_of_other_beside(&world, 60, another.run(std::future::pending()));
    assert_no_gap(&rows, 60.0);
    // Who waits for its turn keeps its lease.
    let reports = world.reports.lock().clone();
    let failed: Vec<_> =
        reports.iter().filter(|report| matches!(report.outcome, RunOutcome::Failed(_))).collect();
    assert!(failed.is_empty(), "{failed:?}");
    for name in more {
        assert_eq!(world.counts_of(name).status, CountsStatus::Final, "{name}");
        assert_eq!(world.counts_of(name).total, 100, "{name}");
    }
}

/// All that keeps one contest from being counted, for ever.
#[test]
fn a_contest_that_cannot_be_read_delays_no_other() {
    type Fault = fn(&World);
    let faults: [(&str, Fault); 6] = [
        ("its definition never comes", |w| *w.contests.silent.lock() = Some("vote")),
        ("its definition is damaged", |w| *w.contests.unreadable.lock() = Some("vote")),
        ("its lease never comes", |w| *w.store.silent.lock() = Some("lease/vote")),
        ("its row never comes", |w| *w.store.silent.lock() = Some("counts/vote")),
        ("its batch set is never written", |w| *w.store.silent.lock() = Some("batchset/vote")),
        ("its batches never come", |w| w.store.slow("vote", 100_000 * SECOND)),
    ];
    for (what, fault) in faults {
        let world = closed_and_open(10);
        fault(&world);
        let rows = rows_of_other(&world, 40);
        println!("{what}");
        assert_no_gap(&rows, 40.0);
        assert!(world.published.lock().iter().all(|row| row.contest.as_str() == "other"));
    }
}

/// The lease is renewed during a count, and that is not waited for where others could count.
#[test]
fn a_lease_that_cannot_be_renewed_delays_no_other() {
    let world = closed_and_open(1_000);
    world.store.slow("vote", Duration::from_millis(30));
    let rows = rows_of_other_beside(&world, 40, async {
        tokio::time::sleep(3 * SECOND).await;
        *world.store.silent.lock() = Some("lease/vote");
        std::future::pending::<()>().await;
    });
    assert_no_gap(&rows, 40.0);
}

#[test]
fn a_definition_that_can_be_read_again_is_counted_again() {
    let world = World::new(Policy::One);
    let mut tally = world.tally("a");
    *world.contests.unreadable.lock() = Some("vote");
    tally.run_once();
    assert!(matches!(world.last_outcome_of("vote"), RunOutcome::Failed(_)));
    *world.contests.unreadable.lock() = None;
    world.advance(2 * SECOND);
    tally.run_once();
    assert!(matches!(world.last_outcome_of("vote"), RunOutcome::Published(_)));
}

#[test]
fn a_panic_outside_of_any_contest_loses_nothing_but_time() {
    let world = closed_and_open(1);
    *world.contests.before_names.lock() = Some(Box::new(|| panic!("as the test ordered")));
    assert_no_gap(&rows_of_other(&world, 20), 18.0);
}
