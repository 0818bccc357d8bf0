//! Why there is no verdict.

use std::fmt::Display;

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
    pub(crate) fn usage(what: impl Display) -> Self {
        // With all causes, for errors that have them.
        Self::Usage(format!("{what:#}"))
    }
}
