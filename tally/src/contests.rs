//! The contests, as the tally is told of them.

use std::sync::Arc;

use ballot::{Contest, Slug};
use futures_core::future::BoxFuture;
use store::StoreError;

/// Who knows the contests.
pub trait Contests: Send + Sync + 'static {
    /// Those that there may be something to count of; a draft or a finished one does no harm, but
    /// costs a read. Asked before every round, so from memory: a contest that another node has just
    /// opened may be missing for a moment. An error means that nothing must be counted now.
    fn names(&self) -> Result<Vec<Slug>, StoreError>;

    /// The contest as its documents are now, `None` if there is none.
    ///
    /// Read serially from the store, and not from a cache: a count is final by the hours that this
    /// gives, and what is acknowledged before a scan is counted by them. An error, such as a
    /// definition that cannot be read, holds up this contest and no other.
    fn read<'a>(
        &'a self,
        contest: &'a Slug,
    ) -> BoxFuture<'a, Result<Option<TallyContest>, StoreError>>;

    /// Sees to it that the contest, which has closed, does not open again, not even by a request that
    /// is on its way to the store: a read that begins after this has returned gives its hours for good.
    fn seal<'a>(&'a self, contest: &'a Slug) -> BoxFuture<'a, Result<(), StoreError>>;
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

impl TallyContest {
    /// Whether a count by the other definition is a count by this one: titles and texts may differ.
    pub(crate) fn counts_like(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.contest, &other.contest);
        let names = |contest: &Contest| -> Vec<Slug> {
            contest.choices.iter().map(|choice| choice.choice.clone()).collect()
        };
        ours.hours == theirs.hours
            && ours.policy == theirs.policy
            && ours.shards == theirs.shards
            && names(ours) == names(theirs)
    }
}
