//! The lease of a contest: which worker counts it.
//!
//! A lease ends when it was not renewed for its time. A worker that waits goes by what it sees, the
//! lease unchanged for that long by the clock that is never set, as well as by the written end, to
//! which wall clocks that differ add their difference.
//!
//! A lease spares work; it protects nothing. A holder that was paused may not know that its lease
//! is gone. What keeps its late row out is the counts row itself: whoever takes a lease over
//! first raises the row's generation, so the late compare-and-swap fails (`publish.rs`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ballot::{Moment, Slug, Timestamp, timing::SCHEDULE_JITTER};
use serde::{Deserialize, Serialize};
use store::{ControlStore, Read, StoreError, Version};
use tokio::sync::Mutex;

use crate::{CountError, TallySettings, time::TallyTime};

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
    time: Arc<TallyTime>,
    key: String,
    holder: String,
    ttl: Duration,
    clock_skew: Duration,
    view: Mutex<View>,
}

#[derive(Default)]
struct View {
    held: Option<Held>,
    /// Another's lease, and since when it was seen unchanged.
    watched: Option<(Version, Moment)>,
}

#[derive(Clone)]
struct Held {
    version: Version,
    generation: u64,
    /// Before it was written.
    renewed_at: Moment,
}

/// A count's sign of life.
#[derive(Debug, Default)]
pub(crate) struct Pulse(AtomicU64);

impl Pulse {
    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
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
        time: Arc<TallyTime>,
        contest: &Slug,
        settings: &TallySettings,
    ) -> Self {
        Self {
            control,
            time,
            key: format!("lease/{contest}"),
            holder: settings.holder.clone(),
            ttl: settings.lease_ttl,
            clock_skew: settings.clock_skew,
            view: Mutex::default(),
        }
    }

    /// Takes the lease, or renews it when half of it is gone.
    pub(crate) async fn acquire(&self) -> Result<Grant, StoreError> {
        let view = &mut *self.view.lock().await;
        let now = self.time.moment();
        if let Some(Held { version, generation, renewed_at }) = view.held {
            if now.since(renewed_at) < self.ttl / 2 {
                return Ok(Grant::Kept);
            }
            // An expired lease that nobody took is still ours: the version says so.
            return self.write(view, version, generation, Grant::Kept).await;
        }
        // Looked at again and again while another renews it; the swap is what decides.
        let Some(document) = self.control.get(&self.key, Read::Quorum).await? else {
            return self.write(view, Version::NONE, 1, Grant::New).await;
        };
        let lease = read(&self.key, &document.body)?;
        let has_ended = self.time.now() >= lease.expires_at.plus(self.clock_skew);
        if lease.holder != self.holder && !has_ended && !self.seems_dead(view, document.version) {
            return Ok(Grant::Refused);
        }
        self.write(view, document.version, lease.generation + 1, Grant::New).await
    }

    /// Renews the lease while `work` goes on, and gives the work up where another has taken it over. Work
    /// that shows no life keeps no lease: where the store does not answer one worker, it may another.
    ///
    /// The work does not wait for the renewal: a store that hangs there must hold up nobody's turn.
    pub(crate) async fn keep_during<T>(
        &self,
        pulse: &Pulse,
        work: impl Future<Output = T>,
    ) -> Result<T, CountError> {
        tokio::select! {
            biased;
            () = self.keep_until_lost(pulse) => Err(CountError::LeaseLost),
            outcome = work => Ok(outcome),
        }
    }

    async fn keep_until_lost(&self, pulse: &Pulse) {
        let mut beats = 0;
        loop {
            tokio::time::sleep(self.ttl / 8).await;
            let now = pulse.beats();
            if now == beats {
                continue;
            }
            match self.acquire().await {
                Ok(Grant::Kept | Grant::New) => beats = now,
                Ok(Grant::Refused) => return,
                // The row says at the end whether anybody else has counted meanwhile.
                Err(error) => tracing::debug!(%error, key = self.key, "a lease is not renewed yet"),
            }
        }
    }

    /// Lets the next worker take over at once. Without it, it takes over after the lease's end.
    pub(crate) async fn release(&self) {
        if let Some(Held { version, generation, .. }) = self.view.lock().await.held.take() {
            let ended = self.document(generation, Timestamp::default());
            // Best effort: the lease ends by itself.
            let _ = self.control.compare_and_swap(&self.key, version, body(&ended)).await;
        }
    }

    /// Forgets that the lease is held, where that is in doubt. The next grant is a new one.
    pub(crate) async fn doubt(&self) {
        self.view.lock().await.held = None;
    }

    /// Whether the holder has not renewed its lease for all of its time, as this worker saw it.
    fn seems_dead(&self, view: &mut View, version: Version) -> bool {
        let now = self.time.moment();
        match view.watched {
            Some((seen, since)) if seen == version => {
                now.since(since) + SCHEDULE_JITTER >= self.ttl
            }
            _ => {
                view.watched = Some((version, now));
                false
            }
        }
    }

    async fn write(
        &self,
        view: &mut View,
        expected: Version,
        generation: u64,
        grant: Grant,
    ) -> Result<Grant, StoreError> {
        // In doubt until the store has answered, also when this future is dropped.
        view.held = None;
        let renewed_at = self.time.moment();
        let lease = self.document(generation, self.time.now().plus(self.ttl));
        match self.control.compare_and_swap(&self.key, expected, body(&lease)).await {
            Ok(version) => {
                view.held = Some(Held { version, generation, renewed_at });
                Ok(grant)
            }
            Err(StoreError::Conflict) => Ok(Grant::Refused),
            Err(error) => Err(error),
        }
    }

    fn document(&self, generation: u64, expires_at: Timestamp) -> LeaseDocument {
        LeaseDocument { holder: self.holder.clone(), generation, expires_at }
    }
}

fn read(key: &str, body: &[u8]) -> Result<LeaseDocument, StoreError> {
    serde_json::from_slice(body)
        .map_err(|error| StoreError::Corrupt(format!("{key}: {error}").into()))
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
    let Some(document) = control.get(&key, Read::Quorum).await? else { return Ok(None) };
    let LeaseDocument { holder, generation, expires_at } = read(&key, &document.body)?;
    Ok(Some(LeaseHolder { holder, generation, expires_at }))
}
