//! Reading a counts row, and signing it off.

use ballot::{Counts, CountsStatus, Slug};
use bytes::Bytes;
use store::{ControlStore, Read, StoreError};

use crate::{BatchSetError, load_batch_set, publish};

/// Why a count cannot be certified.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// There is no final count yet.
    #[error("the count is not final yet")]
    NotFinal,
    /// The batches that it counts cannot be named.
    #[error(transparent)]
    BatchSet(#[from] BatchSetError),
    /// The store failed. It may be done again: certifying twice changes nothing.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The counts row of a contest, as the tally left it; `None` before its first. For those who look on
/// [`Read::Quorum`] is enough.
pub async fn load_counts(
    control: &dyn ControlStore,
    contest: &Slug,
    read: Read,
) -> Result<Option<Counts>, StoreError> {
    let key = publish::key(contest);
    control.get(&key, read).await?.map(|document| publish::read(&key, &document)).transpose()
}

/// Makes a final count certified, and returns the row. Of a certified one, only returns it.
pub async fn certify(control: &dyn ControlStore, contest: &Slug) -> Result<Counts, CertifyError> {
    let key = publish::key(contest);
    let document = control.get(&key, Read::Serial).await?.ok_or(CertifyError::NotFinal)?;
    let counts = publish::read(&key, &document)?;
    let set = match (counts.status, &counts.batch_set) {
        (CountsStatus::Certified, _) => return Ok(counts),
        (CountsStatus::Final, Some(set)) => set,
        _ => return Err(CertifyError::NotFinal),
    };
    // What is signed must be countable again.
    load_batch_set(control, contest, set).await?;
    let certified =
        Counts { status: CountsStatus::Certified, generation: counts.generation + 1, ..counts };
    let body = Bytes::from(serde_json::to_vec(&certified).expect("counts are plain JSON"));
    match control.compare_and_swap(&key, document.version, body).await {
        Ok(_) => Ok(certified),
        // Nothing but a certification follows a final row: somebody else's came first.
        Err(StoreError::Conflict) => match load_counts(control, contest, Read::Serial).await? {
            Some(counts) if counts.status == CountsStatus::Certified => Ok(counts),
            _ => Err(CertifyError::Store(StoreError::Conflict)),
        },
        Err(error) => Err(error.into()),
    }
}
