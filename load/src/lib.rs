//! The crowd and the checker behind `landslide bench`: offers votes like clients do, then compares
//! acknowledged with counted.
//!
//! It knows only the HTTP contract. Ballots are made before they are first sent and never change;
//! what is not acknowledged is sent again; what was acknowledged must be counted, once.

mod options;
pub use options::{Choices, Options, duration};

mod choices;
pub use choices::{Draw, Weight, tv_series};

mod profile;
pub use profile::Profile;

mod endpoints;

mod address;
pub use address::{Address, Stream, Trust};

mod connection;

mod api;
pub use api::{Api, DefinedChoice, Definition, Row, RowBallots, RowChoice, now};

mod ballots;
pub use ballots::{Delivery, Source, Votes};

mod client;
pub use client::Requests;

mod lane;

mod ledger;
pub use ledger::{Ledger, Sent};

mod load;
pub use load::{Load, Pace, Plan};

mod retry;
pub use retry::RetryPolicy;

mod check;

mod live;
pub use live::{Figures, Live};

mod report;
pub use report::Latency;

mod watch;

mod run;
pub use run::run;

#[cfg(test)]
mod tests;

/// Why a run ended without a verdict.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
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
