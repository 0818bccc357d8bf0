//! What goes wrong, and what is still true then.

use ballot::{Batch, CountsStatus, Policy};
use bytes::Bytes;
use tally::RunOutcome;

use crate::world::{SECOND, World, at, ballot, contest, votes};

fn failure(world: &World) -> String {
    match world.last_outcome() {
        RunOutcome::Failed(why) => why,
        outcome => panic!("did not fail: {outcome:?}"),
    }
}

#[test]
fn a_corrupt_batch_stops_its_contest_and_no_other() {
    let world = World::new(Policy::One);
    let mut tally = world.tally("a");
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    tally.run_once();
    let before = world.counts();

    world.contests.list.lock().push(contest("other", Policy::One));
    let good = world.put(&[ballot(2, 2, at(0.5), 0)]);
    let corrupt = Batch { packed: Bytes::from_static(b"not a batch"), ..good.clone() };
    world.store.put(corrupt);
    for _ in 0..3 {
        world.advance(40 * SECOND);
        tally.run_once();
        let RunOutcome::Failed(why) = world.last_outcome_of("vote") else { panic!("counted") };
        assert!(why.contains(&good.id.to_string()), "{why}");
        let other = world.last_outcome_of("other");
        assert!(matches!(other, RunOutcome::Published(_)), "the other goes on: {other:?}");
    }
    assert_eq!(world.counts().choices, before.choices, "not final either, though closed");
    assert_eq!(world.counts().status, CountsStatus::Provisional);

    world.store.put(good);
    world.advance(40 * SECOND);
    tally.run_once();
    assert_eq!(
        (world.counts().status, votes(&world.counts())),
        (CountsStatus::Final, vec![2, 0, 0])
    );
}

#[test]
fn a_choice_that_cannot_be_stops_the_count() {
    let world = World::new(Policy::One);
    let mut tally = world.tally("a");
    world.put(&[ballot(1, 1, at(0.5), 3)]);
    tally.run_once();
    assert!(failure(&world).contains("choice number 3"));
    assert!(world.published.lock().is_empty());
}

#[test]
fn a_batch_in_the_wrong_shard_is_corrupt() {
    let world = World::new(Policy::One);
    let mut batch = world.batch(world.now(), &[ballot(1, 1, at(0.5), 0)]);
    batch.shard = ballot::Shard((batch.shard.0 + 1) % 3);
    world.store.put(batch);
    world.tally("a").run_once();
    assert!(failure(&world).contains("shard"));
}

#[test]
fn a_panic_loses_nothing_but_time() {
    let world = World::new(Policy::One);
    let mut tally = world.tally("a");
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    tally.run_once();
    world.put(&[ballot(2, 2, at(0.5), 1), ballot(1, 1, at(0.9), 0)]);
    *world.store.before_scan.lock() = Some(Box::new(|| panic!("as the test ordered")));
    tally.run_once();
    assert!(failure(&world).contains("panicked: as the test ordered"));
    let runs = world.reports.lock().len();
    tally.run_once();
    assert_eq!(world.reports.lock().len(), runs, "it waits before it tries again");
    world.advance(2 * SECOND);
    tally.run_once();
    world.assert_recount_is_the_same();
    assert_eq!(votes(&world.counts()), [1, 1, 0]);
}

#[test]
fn a_store_that_is_away_is_tried_again() {
    let world = World::new(Policy::One);
    let mut tally = world.tally("a");
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    tally.run_once();
    for away in 0..4 {
        *world.store.away.lock() = true;
        world.advance(SECOND);
        tally.run_once();
        *world.store.away.lock() = false;
        world.put(&[ballot(2 + away, 2 + away, world.now(), 1)]);
        world.advance(4 * SECOND);
        tally.run_once();
        world.assert_recount_is_the_same();
        assert_eq!(votes(&world.counts())[1], away + 1);
    }
}

#[test]
fn a_publish_whose_reply_was_lost_was_a_publish() {
    let world = World::new(Policy::One);
    let mut tally = world.tally("a");
    let final_rows = || {
        let rows = world.published.lock();
        rows.iter().filter(|row| row.status == CountsStatus::Final).count()
    };
    for (seconds, prefix) in
        [(1.0, "counts/"), (5.0, "lease/"), (9.0, "counts/"), (105.0, "batchset/")]
    {
        world.set_clock(at(seconds));
        world.put(&[ballot(seconds as u64, 1, at(seconds), 0)]);
        *world.store.lose_reply.lock() = Some(prefix);
        tally.run_once();
        assert!(failure(&world).contains("unavailable"), "{prefix}");
        if seconds < 100.0 {
            world.advance(2 * SECOND);
            tally.run_once();
            world.assert_recount_is_the_same();
        }
    }
    assert_eq!(final_rows(), 0);
    world.advance(4 * SECOND);
    *world.store.lose_reply.lock() = Some("counts/");
    tally.run_once();
    // The claim lost its reply; once more for the final row itself.
    world.advance(8 * SECOND);
    *world.store.before_swap.lock() = None;
    let store = world.store.clone();
    *world.store.before_swap.lock() =
        Some(("batchset/", Box::new(move || *store.lose_reply.lock() = Some("counts/"))));
    tally.run_once();
    assert!(failure(&world).contains("unavailable"));
    let counts = world.counts();
    assert_eq!(counts.status, CountsStatus::Final, "it was written");
    world.advance(30 * SECOND);
    tally.run_once();
    assert_eq!(world.counts(), counts, "and is not written again");
    assert_eq!(final_rows(), 1, "but announced");
    assert!(world.recount().agrees());
}
