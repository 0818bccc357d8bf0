//! The control plane.

use ballot::{Counts, CountsStatus, Slug};
use store::{ControlStore, StoreError};

/// Why a count was not certified.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// It is not final yet.
    #[error("the count is not final")]
    NotFinal,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The counts row of a contest.
pub async fn read_counts(c: &dyn ControlStore, slug: &Slug) -> Result<Option<Counts>, StoreError> {
    let d = c.get(&format!("counts/{slug}")).await?;
    Ok(d.and_then(|d| serde_json::from_slice(&d.body).ok()))
}

/// Certifies.
pub async fn certify(c: &dyn ControlStore, slug: &Slug) -> Result<Counts, CertifyError> {
    let counts = read_counts(c, slug).await?.ok_or(CertifyError::NotFinal)?;
    if counts.status < CountsStatus::Final {
        return Err(CertifyError::NotFinal);
    }
    Ok(counts)
}
