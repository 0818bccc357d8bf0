//! Final counts, certificates and recounts of them.

use ballot::{CountsStatus, Policy};
use futures_util::FutureExt;
use tally::{CertifyError, Compared, RunOutcome};

use crate::world::{SECOND, World, at, ballot, slug, votes};

fn certify(world: &World) -> Result<ballot::Counts, CertifyError> {
    tally::certify(&*world.store, &slug()).now_or_never().unwrap()
}

#[test]
fn a_final_count_is_certified_and_nothing_touches_it_again() {
    let world = World::new(Policy::One);
    let mut tally = world.tally("a");
    assert!(matches!(certify(&world), Err(CertifyError::NotFinal)), "no row");
    let first = world.put(&[ballot(1, 1, at(0.5), 0), ballot(2, 2, at(0.6), 1)]);
    world.put(&[ballot(3, 3, at(0.7), 0)]);
    tally.run_once();
    assert!(matches!(certify(&world), Err(CertifyError::NotFinal)), "provisional");

    world.set_clock(at(105.0));
    tally.run_once();
    let counts = world.counts();
    assert_eq!((counts.status, votes(&counts)), (CountsStatus::Final, vec![2, 1, 0]));
    let certified = certify(&world).unwrap();
    assert_eq!(certified.status, CountsStatus::Certified);
    assert_eq!(certified.generation, counts.generation + 1);
    assert_eq!(certified.batch_set, counts.batch_set);
    assert_eq!(certify(&world).unwrap(), certified, "twice is once");

    let documents = world.store.documents();
    let stray = world.put(&[ballot(9, 9, at(1.0), 2)]);
    for holder in ["a", "b"] {
        let mut other = world.tally(holder);
        for _ in 0..3 {
            world.advance(20 * SECOND);
            tally.run_once();
            other.run_once();
        }
    }
    assert_eq!(world.store.documents(), documents);

    // A recount counts the same batches, and names the one that came after them.
    let recount = world.recount();
    assert!(recount.agrees(), "{recount:?}");
    assert_eq!((recount.compared, &recount.counts), (Compared::SameBatches, &certified));
    assert_eq!(recount.beyond, [stray.id]);

    // It sees a batch that is gone.
    world.store.lose(&first);
    let recount = world.recount();
    assert!(!recount.agrees());
    assert_eq!(recount.missing, [first.id]);
    let what: Vec<_> = recount.differences.iter().map(|d| d.what.as_str()).collect();
    assert!(what.contains(&"choice b") && what.contains(&"recorded"), "{what:?}");
}

#[test]
fn a_batch_set_that_was_changed_is_not_certified() {
    let world = World::new(Policy::One);
    world.put(&[ballot(1, 1, at(0.5), 0)]);
    world.set_clock(at(105.0));
    world.tally("a").run_once();
    let (key, document) = {
        let documents = world.store.documents();
        let set = documents.iter().find(|(key, _)| key.starts_with("batchset/vote/"));
        set.map(|(key, document)| (key.clone(), document.clone())).unwrap()
    };
    let mut body = document.body.to_vec();
    body[15] ^= 1;
    let store: &dyn store::ControlStore = &*world.store;
    store.compare_and_swap(&key, document.version, body.into()).now_or_never().unwrap().unwrap();
    assert!(matches!(certify(&world), Err(CertifyError::BatchSet(_))));
    assert_eq!(world.counts().status, CountsStatus::Final);
}

#[test]
fn a_recount_of_a_provisional_row_compares_what_it_can() {
    let world = World::new(Policy::One);
    assert_eq!(world.recount().compared, Compared::Nothing);
    let batch = world.put(&[ballot(1, 1, at(0.5), 0)]);
    world.tally("a").run_once();
    world.put(&[ballot(2, 2, at(0.5), 0)]);
    let recount = world.recount();
    assert_eq!((recount.compared, recount.agrees()), (Compared::AtLeast, true));
    assert_eq!(recount.counts.total, 2);
    world.store.lose(&batch);
    assert!(world.recount().agrees(), "as many as published");
    world.store.put(batch.clone());
    world.advance(2 * SECOND);
    let mut tally = world.tally("a");
    tally.run_once();
    assert!(matches!(world.last_outcome(), RunOutcome::Published(_)));
    world.store.lose(&batch);
    assert_eq!(world.recount().differences[0].what, "recorded");
}
