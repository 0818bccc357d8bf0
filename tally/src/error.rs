//! Why ballots could not be counted.

use ballot::{BatchId, CorruptBatch, fold::UnknownChoice};
use store::StoreError;

/// Why ballots could not be counted. None of them is skipped: a count is of all or is not made.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The store did not give the ballots.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store gave is not a batch. Stop, and page someone.
    #[error("batch {batch}: {error}")]
    Batch {
        /// Which batch.
        batch: BatchId,
        /// What is wrong with it.
        error: CorruptBatch,
    },
    /// A ballot that the contest cannot have. Stop, and page someone.
    #[error("batch {batch}: {error}")]
    Ballot {
        /// In which batch.
        batch: BatchId,
        /// What is wrong with it.
        error: UnknownChoice,
    },
    /// Another worker counts the contest now.
    #[error("another worker has taken the contest over")]
    LeaseLost,
    /// Its hours, say, are others than those it was counted by: it is counted again.
    #[error("the contest was changed while it was counted for good")]
    Changed,
    /// It was asked to stop.
    #[error("stopped before the count was done")]
    Stopped,
    /// The operating system refuses a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}
