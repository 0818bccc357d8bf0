//! Counting an open contest, up to its final count.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ballot::{CountsStatus, NodeClock, Policy};
use tally::{RunOutcome, TallySettings};

use crate::clocks::RealClock;
use crate::world::{SECOND, World, at, ballot, contest, slug, votes};

#[test]
fn the_first_row_comes_with_the_opening_and_counted_through_advances_without_votes() {
    let world = World::new(Policy::One);
    world.set_clock(at(-0.001));
    let mut tally = world.tally("a");
    tally.run_once();
    assert!(world.published.lock().is_empty(), "a contest that is not open has no row");

    world.set_clock(at(0.0015));
    tally.run_once();
    let first = world.counts();
    assert_eq!((first.status, first.generation), (CountsStatus::Provisional, 1));
    assert_eq!(first.counted_through, at(0.001), "rounded down to the millisecond");
    assert_eq!(votes(&first), [0, 0, 0]);
    assert_eq!(first.channels.len(), 2, "web and sms");
    assert_eq!(first.closed_at, None);

    world.advance(2 * SECOND);
    tally.run_once();
    assert_eq!(world.counts().counted_through, at(2.001));
    assert_eq!(world.published.lock().len(), 2, "both were announced");
}

#[test]
fn allowed_skew_is_taken_off() {
    let world = World::new(Policy::One);
    let settings =
        TallySettings { clock_skew: Duration::from_millis(1_500), ..TallySettings::for_testing() };
    world.tally_with(settings, world.node()).run_once();
    assert_eq!(world.counts().counted_through, at(-0.5));
}

#[test]
fn retries_of_a_ballot_count_once() {
    let world = World::new(Policy::One);
    let mut tally = world.tally("a");
    world.put(&[ballot(1, 1, at(0.5), 0), ballot(2, 2, at(0.6), 1)]);
    tally.run_once();
    world.put(&[ballot(1, 1, at(1.5), 0), ballot(3, 3, at(1.6), 0)]);
    tally.run_once();
    tally.run_once();
    let counts = world.counts();
    assert_eq!(votes(&counts), [2, 1, 0]);
    assert_eq!((counts.ballots.recorded, counts.ballots.duplicate), (4, 1));
    assert_eq!(counts.channels, [("sms".into(), 2), ("web".into(), 1)].into());
}

#[test]
fn a_batch_that_lands_after_its_bucket_was_left_is_in_the_final_count_only() {
    let world = World::new(Policy::One);
    let mut tally = world.tally("a");
    let stalled = world.batch(world.now(), &[ballot(1, 1, at(1.0), 0)]);
    let slow = world.batch(world.now(), &[ballot(2, 2, at(1.0), 1)]);
    world.set_clock(at(14.9));
    tally.run_once();
    // The bucket ends at 10 s; within the deadline from then it is still read.
    world.store.put(slow);
    tally.run_once();
    assert_eq!(votes(&world.counts()), [0, 1, 0]);
    world.set_clock(at(15.0));
    tally.run_once();
    world.store.put(stalled);
    tally.run_once();
    assert_eq!(votes(&world.counts()), [0, 1, 0], "it was never acknowledged");

    world.set_clock(at(104.9));
    tally.run_once();
    let closed = world.counts();
    assert_eq!((closed.status, closed.closed_at), (CountsStatus::Provisional, Some(at(100.0))));
    world.set_clock(at(105.0));
    tally.run_once();
    let counts = world.counts();
    assert_eq!((counts.status, counts.closed_at), (CountsStatus::Final, Some(at(100.0))));
    assert_eq!(votes(&counts), [1, 1, 0]);
    assert_eq!(counts.batch_set.unwrap().batches, 2);
}

#[test]
fn hours_that_change_while_open_change_the_count() {
    let world = World::new(Policy::One);
    let mut tally = world.tally("a");
    let mut late = ballot(1, 1, at(101.0), 0);
    world.put(&[late, ballot(2, 2, at(1.0), 1)]);
    tally.run_once();
    assert_eq!((votes(&world.counts()), world.counts().ballots.late), (vec![0, 1, 0], 1));

    let set_close = |seconds| {
        let mut contests = world.contests.list.lock();
        Arc::make_mut(&mut contests[0].contest).hours.closes_at = Some(at(seconds));
    };
    set_close(200.0);
    tally.run_once();
    assert_eq!((votes(&world.counts()), world.counts().ballots.late), (vec![1, 1, 0], 0));

    world.set_clock(at(110.0));
    late.recorded_at = at(110.0);
    world.put(&[late]);
    set_close(150.0);
    tally.run_once();
    world.assert_recount_is_the_same();
    assert_eq!(world.counts().status, CountsStatus::Provisional);
}

#[test]
fn contests_are_counted_apart() {
    let world = World::new(Policy::One);
    world.contests.list.lock().push(contest("other", Policy::One));
    let mut tally = world.tally("a");
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    tally.run_once();
    let rows = world.published.lock().clone();
    let total = |name: &str| rows.iter().find(|row| row.contest.as_str() == name).unwrap().total;
    assert_eq!((total("vote"), total("other")), (1, 0));
}

/// Everything acknowledged before `counted_through` is in the count: with a real clock, and
/// intakes that put while the tally scans.
#[test]
fn what_was_acknowledged_before_counted_through_is_counted() {
    let world = World::new(Policy::One);
    let clock = Arc::new(NodeClock::new(Arc::new(RealClock(Instant::now()))));
    {
        let mut contests = world.contests.list.lock();
        let hours = &mut Arc::make_mut(&mut contests[0].contest).hours;
        (hours.opens_at, hours.closes_at) = (Some(clock.now().minus(SECOND)), None);
    }
    let mut tally = world.tally_with(TallySettings::for_testing(), clock.clone());
    let acknowledged = parking_lot::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for intake in 0..3_u64 {
            let (world, clock, acknowledged) = (&world, &clock, &acknowledged);
            scope.spawn(move || {
                for n in 0..400 {
                    let voter = intake << 32 | n;
                    let created_at = clock.stamp().recorded_at;
                    let cast = ballot(voter, voter, created_at, 0);
                    world.store.put(world.batch(created_at, &[cast]));
                    acknowledged.lock().push(clock.now());
                }
            });
        }
        for _ in 0..60 {
            tally.run_once();
            std::thread::yield_now();
        }
    });
    tally.run_once();
    let acknowledged = acknowledged.into_inner();
    let rows = world.published.lock().clone();
    assert_eq!(rows.last().unwrap().total, 1_200);
    for row in &rows {
        let before = acknowledged.iter().filter(|time| **time < row.counted_through).count();
        assert!(row.total >= before as u64, "{before} acknowledged, counted {}", row.total);
    }
    assert!(rows.is_sorted_by_key(|row| row.generation));
}

#[test]
fn it_runs_on_its_schedule_until_it_is_stopped() {
    let world = World::new(Policy::One);
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    let schedule = "* * * * * *".parse().unwrap();
    let settings = TallySettings { schedule, ..TallySettings::for_testing() };
    let handle = world.tally_with(settings, world.node()).spawn();
    for _ in 0..6_000 {
        if world.published.lock().len() >= 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    handle.stop();
    let rows = world.published.lock().len();
    assert!(rows >= 2, "{rows} rows in a minute");
    assert!(matches!(world.last_outcome(), RunOutcome::Published(_)));
    // Stopping gave the lease back: another worker need not wait for its end.
    world.tally("b").run_once();
    assert_eq!(world.published.lock().len(), rows + 1);
    assert_eq!(world.counts().contest, slug());
}
