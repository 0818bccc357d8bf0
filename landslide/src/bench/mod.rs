//! `landslide bench`: offers votes like clients do, then compares acknowledged with counted.
//!
//! It knows only the HTTP contract. Ballots are made before they are first sent and never change;
//! what is not acknowledged is sent again; what was acknowledged must be counted, once.

pub(crate) mod options;
pub use options::Options;

pub(crate) mod choices;
pub(crate) mod profile;

pub(crate) mod address;
pub(crate) mod api;
mod connection;
mod endpoints;

pub(crate) mod ballots;
pub(crate) mod client;
mod lane;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod retry;

mod check;
pub(crate) mod live;
pub(crate) mod report;
pub(crate) mod watch;

mod run;
pub use run::run;

#[cfg(test)]
mod tests;

/// Why a run ended without a verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A mistake in the options, the files or the contest they name: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The server or its counts could not be reached in time: exit code 3.
    #[error("{0}")]
    Server(String),
}

impl Failure {
    pub(crate) fn usage(what: impl std::fmt::Display) -> Self {
        // With all causes, for errors that have them.
        Self::Usage(format!("{what:#}"))
    }
}
