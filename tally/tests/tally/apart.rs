//! Contests do not wait for each other, and each is final by its own definition as it is then.

use std::{sync::Arc, time::Duration};

use ballot::{CountsStatus, Policy};
use tally::TallySettings;

use crate::world::{SECOND, World, at, ballot, contest};

#[test]
fn a_close_that_is_put_off_while_another_contest_is_rescanned_is_heeded() {
    let world = Arc::new(World::new(Policy::One));
    world.contests.0.lock().push(contest("other", Policy::One));
    world.set_close("other", 110.0);
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

#[test]
fn a_long_rescan_delays_no_other_contest() {
    let world = World::new(Policy::One);
    world.contests.0.lock().push(contest("other", Policy::One));
    world.set_close("other", 1_000.0);
    for n in 0..200 {
        world.put(&[ballot(n, n, at(0.5), 0)]);
    }
    world.set_clock(at(105.0));
    *world.store.slow.lock() = Some(("vote", Duration::from_millis(50)));
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
    assert!(rows >= 3, "{rows} rows of the other contest while one was rescanned for 5 s");
}
