//! Clocks that are set, and what a tally makes of it.

use std::{num::NonZero, sync::Arc, time::Duration};

use ballot::{CountsStatus, NodeClock, Policy, Timestamp};
use parking_lot::Mutex;
use tally::{RunOutcome, TallySettings};

use crate::world::{Counting, SECOND, World, at, ballot, votes};

fn tally_of(world: &World, node: &Arc<NodeClock>, clock_skew: Duration) -> Counting {
    let settings = TallySettings { clock_skew, ..TallySettings::for_testing() };
    world.tally_with(settings, Arc::clone(node))
}

/// Before anything is read: whoever stamps later stamps behind what the row will claim.
#[test]
fn nothing_is_stamped_any_more_where_a_scan_has_begun() {
    for (clock_skew, expected) in [(Duration::ZERO, 9.000_001), (3 * SECOND, 6.0)] {
        let world = Arc::new(World::new(Policy::One));
        let node = world.node();
        let mut tally = tally_of(&world, &node, clock_skew);
        world.set_clock(at(9.0));
        let stamped = Arc::new(Mutex::new(Timestamp::default()));
        let set_back = {
            let (world, node, stamped) = (world.clone(), node.clone(), stamped.clone());
            Box::new(move || {
                world.clock.jump(-5.0);
                *stamped.lock() = node.stamp().recorded_at;
                world.clock.jump(5.0);
            })
        };
        *world.store.before_scan.lock() = Some(set_back);
        tally.run_once();
        assert_eq!(*stamped.lock(), at(expected));
        assert!(world.counts().counted_through <= at(expected));
    }
}

#[test]
fn a_clock_that_is_set_back_takes_no_claim_back() {
    for clock_skew in [Duration::ZERO, 3 * SECOND] {
        let world = World::new(Policy::One);
        let node = world.node();
        let mut tally = tally_of(&world, &node, clock_skew);
        for n in 0..20 {
            world.put(&[ballot(n, n, at(n as f64), 0)]);
            tally.run_once();
            world.advance(2 * SECOND);
            if n % 5 == 4 {
                world.clock.jump(-7.0);
            }
        }
        let rows = world.published.lock().clone();
        assert!(rows.is_sorted_by_key(|row| row.counted_through), "{rows:?}");
        assert!(rows.last().unwrap().counted_through > at(8.0));
        world.assert_recount_is_the_same();
    }
}

/// The one who takes over has a clock that is behind, by less than the skew.
#[test]
fn a_claim_stands_when_another_clock_takes_over() {
    let world = World::new(Policy::One);
    let settings = |holder: &str| TallySettings {
        holder: holder.into(),
        clock_skew: 3 * SECOND,
        ..TallySettings::for_testing()
    };
    let mut a = world.tally_with(settings("a"), world.node_ahead(2 * SECOND));
    let mut b = world.tally_with(settings("b"), world.node());
    world.set_clock(at(20.0));
    a.run_once();
    assert_eq!(world.counts().counted_through, at(19.0));
    a.stop();
    b.run_once();
    assert_eq!(world.counts().counted_through, at(19.0), "not 17");
    world.advance(3 * SECOND);
    b.run_once();
    assert_eq!(world.counts().counted_through, at(20.0));
}

#[test]
fn a_clock_that_is_set_ahead_makes_nothing_final_before_all_have_answered() {
    let world = World::new(Policy::One);
    let node = world.node();
    let mut tally = tally_of(&world, &node, Duration::ZERO);
    tally.run_once();
    let on_its_way = world.batch(world.now(), &[ballot(1, 1, world.now(), 0)]);
    world.clock.jump(3_600.0);
    for _ in 0..4 {
        tally.run_once();
        assert_eq!(world.counts().status, CountsStatus::Provisional);
        world.advance(SECOND);
    }
    world.store.put(on_its_way);
    for _ in 0..3 {
        world.advance(SECOND);
        tally.run_once();
    }
    assert_eq!(
        (world.counts().status, votes(&world.counts())),
        (CountsStatus::Final, vec![1, 0, 0])
    );
}

/// A lease ends by the time that passes, whatever the wall clocks say meanwhile.
#[test]
fn a_lease_outlives_clocks_that_are_set() {
    for jump in [-3_600.0, 3_600.0] {
        let world = World::new(Policy::One);
        let (mut a, mut b) = (world.tally("a"), world.tally("b"));
        a.run_once();
        b.run_once();
        world.clock.jump(jump);
        for _ in 0..2 {
            world.advance(2 * SECOND);
            a.run_once();
            b.run_once();
            assert!(matches!(world.last_outcome(), RunOutcome::NotHeld), "a is alive: {jump}");
        }
        let generation = world.counts().generation;
        for _ in 0..3 {
            world.advance(2 * SECOND);
            b.run_once();
        }
        assert!(world.counts().generation > generation, "b takes over from one that is gone");
    }
}

/// It stands still a moment before the next round until the clock has caught up.
#[test]
fn a_clock_that_stands_still_makes_no_haste() {
    let world = World::new(Policy::One);
    let node = world.node();
    let settings = TallySettings { threads: NonZero::<usize>::MIN, ..TallySettings::for_testing() };
    let tally = world.build(settings, Arc::clone(&node));
    node.raise_floor(at(51.999_9));
    world.simulate(async { tally.run(tokio::time::sleep(20 * SECOND)).await });
    let rounds = world.reports.lock().len();
    assert!((8..=40).contains(&rounds), "{rounds} rounds in 20 s");
}
