//! What happens after a failed write: nothing, ever again.

use std::sync::Arc;

use tokio::sync::watch;

use crate::StoreError;

/// Set once, by the first failure; shared by everything that writes.
///
/// After a failed fsync nobody knows what is on disk and what only seems to be, so the one safe
/// thing is to stop and to open the folder again (Rebello et al., "Can Applications Recover from
/// fsync Failures?", USENIX ATC 2020).
#[derive(Clone)]
pub(super) struct Poison(Arc<watch::Sender<Option<Arc<str>>>>);

impl Poison {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Poisons, unless that has happened already.
    pub(super) fn set(&self, reason: &str) {
        let first = self.0.send_if_modified(|reason_now| {
            let first = reason_now.is_none();
            if first {
                *reason_now = Some(reason.into());
            }
            first
        });
        if first {
            tracing::error!(reason, "the store takes no more writes");
        }
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &*self.0.borrow() {
            None => Ok(()),
            Some(reason) => Err(StoreError::Unavailable(reason.clone())),
        }
    }

    /// Waits until it is poisoned, and says why.
    pub(super) fn wait(&self) -> impl Future<Output = Arc<str>> + Send + 'static {
        let mut receiver = self.0.subscribe();
        // Held as long as somebody waits: the sender must not go first.
        let sender = self.0.clone();
        async move {
            let reason = match receiver.wait_for(Option::is_some).await {
                Ok(reason) => reason.clone(),
                Err(_) => None,
            };
            drop(sender);
            reason.unwrap_or_else(|| "the store was dropped".into())
        }
    }
}
