//! Bugs to order, so that the checks that should find them can be seen to.
//!
//! Only with the feature `planted-bugs`, and then only with
//! `LANDSLIDE_PLANTED_BUG=count-retries-twice`.

use ballot::{Ballot, Batch};

/// Makes another voter of the ballot in every batch: its retries count again.
#[cfg(feature = "planted-bugs")]
pub(crate) fn spoil(batch: &Batch, mut ballot: Ballot) -> Ballot {
    use std::sync::LazyLock;
    static ON: LazyLock<bool> = LazyLock::new(|| {
        std::env::var("LANDSLIDE_PLANTED_BUG").is_ok_and(|bug| bug == "count-retries-twice")
    });
    if *ON {
        let bits = u128::from_be_bytes(*ballot.voter.as_bytes());
        let batch = u128::from_be_bytes(*batch.id.as_bytes());
        ballot.voter = ballot::Voter::from_bytes((bits ^ batch).to_be_bytes());
    }
    ballot
}

#[cfg(not(feature = "planted-bugs"))]
pub(crate) fn spoil(_: &Batch, ballot: Ballot) -> Ballot {
    ballot
}
