//! The lease of a contest: which worker counts it.
//!
//! A lease ends when it was not renewed for its time. A worker that waits goes by what it sees with
//! its own clock, the lease unchanged for that long, as well as by the written end, to which clocks
//! that differ add their difference.
//!
//! A lease spares work; it protects nothing. A holder that was paused may not know that its lease
//! is gone. What keeps its late row out is the counts row itself: whoever takes a lease over
//! first raises the row's generation, so the late compare-and-swap fails (`publish.rs`).

use std::{sync::Arc, time::Duration};

use ballot::{Slug, Timestamp};
use serde::{Deserialize, Serialize};
use store::{ControlStore, StoreError, Version};

use crate::{Clock, TallySettings};

/// Runs of a schedule come this much early or late; without it, a lease of two runs' time would be
/// waited for a third.
const SCHEDULE_JITTER: Duration = Duration::from_millis(200);

/// The document `lease/{contest}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LeaseDocument {
    holder: String,
    /// Grows by one with every holder.
    generation: u64,
    expires_at: Timestamp,
}

/// One worker's view of a contest's lease.
pub(crate) struct Lease {
    control: Arc<dyn ControlStore>,
    clock: Clock,
    key: String,
    holder: String,
    ttl: Duration,
    clock_skew: Duration,
    held: Option<(Version, LeaseDocument)>,
    /// Another's lease, and since when it was seen unchanged.
    watched: Option<(Version, Timestamp)>,
}

/// What came of asking for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Held since the last time, without a gap.
    Kept,
    /// Held as of now; others may have counted meanwhile.
    New,
    /// Somebody else holds it.
    Refused,
}

impl Lease {
    pub(crate) fn new(
        control: Arc<dyn ControlStore>,
        clock: Clock,
        contest: &Slug,
        settings: &TallySettings,
    ) -> Self {
        Self {
            control,
            clock,
            key: format!("lease/{contest}"),
            holder: settings.holder.clone(),
            ttl: settings.lease_ttl,
            clock_skew: settings.clock_skew,
            held: None,
            watched: None,
        }
    }

    /// Takes the lease, or renews it when more than half of it is gone.
    pub(crate) async fn acquire(&mut self) -> Result<Grant, StoreError> {
        let now = (self.clock)();
        if let Some((version, lease)) = &self.held {
            if now < lease.expires_at.minus(self.ttl / 2) {
                return Ok(Grant::Kept);
            }
            // An expired lease that nobody took is still ours: the version says so.
            let (version, lease) = (*version, lease.clone());
            return self.write(version, lease.generation, Grant::Kept).await;
        }
        // Looked at again and again while another renews it; the swap is what decides.
        let Some(document) = self.control.peek(&self.key).await? else {
            return self.write(Version::NONE, 1, Grant::New).await;
        };
        let lease: LeaseDocument = serde_json::from_slice(&document.body)
            .map_err(|error| StoreError::Corrupt(format!("{}: {error}", self.key).into()))?;
        let expired = now >= lease.expires_at.plus(self.clock_skew);
        if lease.holder != self.holder && !expired && !self.seems_dead(document.version, now) {
            return Ok(Grant::Refused);
        }
        self.write(document.version, lease.generation + 1, Grant::New).await
    }

    /// Lets the next worker take over at once. Without it, it takes over after the lease's end.
    pub(crate) async fn release(&mut self) {
        if let Some((version, mut lease)) = self.held.take() {
            lease.expires_at = Timestamp::default();
            // Best effort: the lease ends by itself.
            let _ = self.control.compare_and_swap(&self.key, version, body(&lease)).await;
        }
    }

    /// Forgets that the lease is held, where that is in doubt. The next grant is a new one.
    pub(crate) fn doubt(&mut self) {
        self.held = None;
    }

    /// Whether the holder has not renewed its lease for all of its time, by this worker's clock.
    fn seems_dead(&mut self, version: Version, now: Timestamp) -> bool {
        match self.watched {
            Some((seen, since)) if seen == version => {
                now.since(since) + SCHEDULE_JITTER >= self.ttl
            }
            _ => {
                self.watched = Some((version, now));
                false
            }
        }
    }

    async fn write(
        &mut self,
        expected: Version,
        generation: u64,
        grant: Grant,
    ) -> Result<Grant, StoreError> {
        // In doubt until the store has answered, also when this future is dropped.
        self.held = None;
        let expires_at = (self.clock)().plus(self.ttl);
        let lease = LeaseDocument { holder: self.holder.clone(), generation, expires_at };
        match self.control.compare_and_swap(&self.key, expected, body(&lease)).await {
            Ok(version) => {
                self.held = Some((version, lease));
                Ok(grant)
            }
            Err(StoreError::Conflict) => Ok(Grant::Refused),
            Err(error) => Err(error),
        }
    }
}

fn body(lease: &LeaseDocument) -> bytes::Bytes {
    serde_json::to_vec(lease).expect("a lease is plain JSON").into()
}

/// Who counts a contest, as its lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    /// The worker.
    pub holder: String,
    /// Grows by one with every holder.
    pub generation: u64,
    /// Until when, by its own clock; long ago once it has let go.
    pub expires_at: Timestamp,
}

/// Who holds a contest's lease, or held it last; `None` before the first count.
pub async fn load_lease(
    control: &dyn ControlStore,
    contest: &Slug,
) -> Result<Option<LeaseHolder>, StoreError> {
    let key = format!("lease/{contest}");
    let Some(document) = control.peek(&key).await? else { return Ok(None) };
    let lease: LeaseDocument = serde_json::from_slice(&document.body)
        .map_err(|error| StoreError::Corrupt(format!("{key}: {error}").into()))?;
    let LeaseDocument { holder, generation, expires_at } = lease;
    Ok(Some(LeaseHolder { holder, generation, expires_at }))
}
