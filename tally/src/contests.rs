//! The contests, as the tally is told of them.

use std::sync::Arc;

use ballot::{Contest, Slug};
use futures_core::future::BoxFuture;
use store::StoreError;

/// Who knows the contests.
pub trait Contests: Send + Sync + 'static {
    /// All of them, drafts and closed ones too, read from the store and not from a cache: a count
    /// is final by the hours that this gives.
    fn list(&self) -> BoxFuture<'_, Result<Vec<TallyContest>, StoreError>>;
}

/// What the tally needs of a contest.
#[derive(Clone, Debug)]
pub struct TallyContest {
    /// Its name.
    pub slug: Slug,
    /// Its definition.
    pub contest: Arc<Contest>,
    /// The names of its gateways' channels; the first is channel number 1.
    pub channels: Vec<Slug>,
}
