//! `landslide bench`: offers votes like clients do, then compares acknowledged with counted.
//!
//! It knows only the HTTP contract. Ballots are made before they are first sent and never change;
//! what is not acknowledged is sent again; what was acknowledged must be counted, once.

mod options;
pub(crate) use options::Options;

mod choices;
mod profile;

mod address;
mod api;
mod connection;

mod ballots;
mod client;
mod lane;
mod ledger;
mod load;
mod retry;

mod check;
mod live;
mod report;

mod run;
pub(crate) use run::run;

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
