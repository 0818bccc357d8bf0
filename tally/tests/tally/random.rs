//! The incremental count equals a recount, whatever happened before.

use ballot::{Batch, CountsStatus, Policy};
use proptest::{collection::vec, prelude::*, sample};

use crate::world::{SECOND, World, assert_adds_up, at, ballot};

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// A batch, made this many milliseconds ago: (voter, ballot id, age in ms, choice) a ballot.
    Put {
        age_ms: u32,
        ballots: Vec<(u64, u64, u32, u16)>,
    },
    /// An earlier batch once more.
    Again(sample::Index),
    /// The rows of an earlier batch, in a new one: the clients' retries.
    Retry(sample::Index),
    Advance {
        ms: u32,
    },
    Run,
    /// The worker's process ends, and another takes over.
    TakeOver,
    /// The close moves.
    Close {
        seconds: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let row = (0..12_u64, 0..6_u64, 0..4_000_u32, 0..3_u16);
    prop_oneof![
        // Up to the deadline after the end of its bucket a batch can be acknowledged.
        4 => (0..5_000_u32, vec(row, 1..40)).prop_map(|(age_ms, ballots)| Step::Put { age_ms, ballots }),
        1 => any::<sample::Index>().prop_map(Step::Again),
        1 => any::<sample::Index>().prop_map(Step::Retry),
        2 => (1..9_000_u32).prop_map(|ms| Step::Advance { ms }),
        3 => Just(Step::Run),
        1 => Just(Step::TakeOver),
        1 => (60..140_u32).prop_map(|seconds| Step::Close { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_incremental_count_equals_a_recount(
        policy in sample::select(vec![Policy::One, Policy::Latest, Policy::UpTo(2), Policy::Unlimited]),
        steps in vec(step(), 1..40),
    ) {
        let world = World::new(policy);
        let mut tally = world.tally("0");
        let mut batches: Vec<Batch> = vec![];
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put { age_ms, ballots } => {
                    let before = |ms: u32| world.now().minus(SECOND * ms / 1_000);
                    let ballots: Vec<_> = ballots
                        .into_iter()
                        .map(|(voter, id, ms, choice)| ballot(voter, id, before(ms), choice))
                        .collect();
                    let batch = world.batch(before(age_ms), &ballots);
                    world.store.put(batch.clone());
                    batches.push(batch);
                }
                Step::Again(index) if !batches.is_empty() => {
                    world.store.put(index.get(&batches).clone());
                }
                Step::Retry(index) if !batches.is_empty() => {
                    let ballots = index.get(&batches).unpack().unwrap();
                    batches.push(world.put(&ballots));
                }
                Step::Again(_) | Step::Retry(_) => {}
                Step::Advance { ms } => world.advance(SECOND * ms / 1_000),
                Step::Run => {}
                Step::TakeOver => {
                    tally = world.tally(&n.to_string());
                    world.advance(8 * SECOND);
                }
                Step::Close { seconds } => {
                    let mut contests = world.contests.list.lock();
                    let contest = std::sync::Arc::make_mut(&mut contests[0].contest);
                    let (old, new) = (contest.hours.closes_at.unwrap(), at(f64::from(seconds)));
                    // As the rules have it: never into the past, never after the close.
                    if old > world.now() && new > world.now() {
                        contest.hours.closes_at = Some(new);
                    }
                }
            }
            tally.run_once();
            if world.counts().status == CountsStatus::Final {
                break;
            }
            world.assert_recount_is_the_same();
        }
        world.set_clock(at(200.0));
        tally.run_once();
        let counts = world.counts();
        assert_adds_up(&counts);
        prop_assert_eq!(counts.status, CountsStatus::Final);
        prop_assert!(world.recount().agrees());
    }
}
