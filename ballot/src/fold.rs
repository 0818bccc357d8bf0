//! The fold: from ballots to counts.
