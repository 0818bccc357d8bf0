//! The simulation itself: that it decides everything, and that it can fail.

use crate::{bugs::Bug, run::one};

#[test]
fn the_same_seed_goes_the_same_way() {
    for seed in 1..=20 {
        let outcome = one(seed, None, false, true);
        assert!(outcome.wrong.is_empty(), "seed {seed}: {:?}", outcome.wrong);
        assert!(outcome.events > 500, "seed {seed}: little happens");
    }
}

#[test]
fn a_bug_is_found() {
    for (bug, seeds) in [(Bug::AcknowledgedBeforePut, 10), (Bug::RetriesCounted, 10)] {
        let found = (1..=seeds).any(|seed| !one(seed, Some(bug), false, false).wrong.is_empty());
        assert!(found, "{bug:?}");
    }
}
