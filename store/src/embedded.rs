//! The embedded store: two fjall databases under one folder, for one process.
//!
//! Ballots lie in one, control documents in the other, so that neither waits for the other's
//! fsync. See `docs/decisions/0002-embedded-store-on-fjall.md`.

mod committer;
mod database;
mod document;
mod folder;
mod journal;
mod keys;
mod poison;
mod scan;
#[cfg(test)]
mod tests;

use std::{
    ops::RangeInclusive,
    path::Path,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use ballot::{Batch, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};

use committer::{Committer, CommitterSettings};
use database::Kind;
use folder::Folder;
pub use folder::OpenError;
use poison::Poison;

use crate::{
    BallotStore, ControlStore, Document, Read, StoreError, Version, check_batch, check_document,
};

/// How often the databases are asked whether they have failed in the background.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);
/// The journal of the control documents is emptied past this, in the first pause; they are never
/// idle for long.
const CONTROL_TIDY_BYTES: u64 = 16 * 1_024 * 1_024;
const CONTROL_IDLE: Duration = Duration::from_millis(200);

/// Settings of an [`EmbeddedStore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// Writes that may wait for a commit; more are refused at once as unavailable.
    pub queue_max: usize,
    /// Bytes after which a commit takes no more of what waits.
    pub commit_bytes_max: usize,
    /// After a pause this long the files are brought down to what the ballots need.
    pub tidy_after_idle: Duration,
    /// Bytes of ballots below which they are not.
    pub tidy_bytes_min: u64,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            queue_max: 4_096,
            commit_bytes_max: 8 * 1_024 * 1_024,
            tidy_after_idle: Duration::from_secs(5),
            tidy_bytes_min: 1_024 * 1_024,
        }
    }
}

/// Both contracts on one folder of this machine.
///
/// On `Ok` a put, a swap or a delete is fsynced. Any failed write *poisons* the store: that write and every
/// later one are unavailable, and [`EmbeddedStore::poisoned`] resolves; the process should stop.
/// Opened again, the folder holds all that was acknowledged. Reads go on.
pub struct EmbeddedStore {
    inner: Arc<Inner>,
}

/// Dropped from the top, so that the lock goes last.
struct Inner {
    _watch: Watch,
    ballots: Arc<Committer>,
    control: Arc<Committer>,
    poison: Poison,
    _folder: Folder,
}

impl EmbeddedStore {
    /// Opens the store in the folder, or makes one if it is empty or missing. Blocks, for longer
    /// the more was written since the last [`EmbeddedStore::flush`], which is bounded.
    pub fn open(dir: &Path, settings: EmbeddedSettings) -> Result<Arc<Self>, OpenError> {
        let folder = Folder::open(dir)?;
        let poison = Poison::new();
        let ballots_settings = CommitterSettings {
            queue_max: settings.queue_max,
            commit_bytes_max: settings.commit_bytes_max,
            idle: settings.tidy_after_idle,
            tidy_bytes_min: settings.tidy_bytes_min,
        };
        let control_settings = CommitterSettings {
            idle: CONTROL_IDLE,
            tidy_bytes_min: CONTROL_TIDY_BYTES,
            ..ballots_settings.clone()
        };
        let open = |kind, settings| {
            Committer::open(&folder.database(kind), kind, settings, &poison)
                .map(Arc::new)
                .map_err(OpenError::database(dir))
        };
        let control = open(Kind::Control, control_settings)?;
        let ballots = open(Kind::Ballots, ballots_settings)?;
        let watch = Watch::start(ballots.clone(), control.clone())
            .map_err(|error| OpenError::database(dir)(error.into()))?;
        let inner = Inner { _watch: watch, ballots, control, poison, _folder: folder };
        Ok(Arc::new(Self { inner: Arc::new(inner) }))
    }

    /// Brings the files down to what the ballots need, and makes the next start quick. To be
    /// called before the store is dropped; what was acknowledged is safe without.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.inner.ballots.flush().await?;
        self.inner.control.flush().await
    }

    /// Resolves once the store takes no more writes, with the reason.
    pub fn poisoned(&self) -> impl Future<Output = Arc<str>> + Send + 'static {
        self.inner.poison.wait()
    }
}

impl BallotStore for EmbeddedStore {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            check_batch(&batch)?;
            let key = keys::batch_key(&batch.contest, batch.shard, batch.id);
            self.inner.ballots.put(key, batch.packed).await
        })
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let scan = scan::Scan::new(self.inner.clone(), contest.clone(), shard, buckets);
        Box::pin(futures_util::stream::iter(scan))
    }
}

impl ControlStore for EmbeddedStore {
    fn get<'a>(
        &'a self,
        key: &'a str,
        _: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>> {
        Box::pin(async move { self.inner.control.read(|keyspace| document::get(keyspace, key)) })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        _: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        Box::pin(
            async move { self.inner.control.read(|keyspace| document::list(keyspace, prefix)) },
        )
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            check_document(key, &body)?;
            self.inner.control.swap(key.to_owned(), expected, body).await
        })
    }

    fn delete<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            check_document(key, &[])?;
            self.inner.control.delete(key.to_owned(), expected).await
        })
    }
}

/// Looks after the databases' background threads; stops when dropped.
struct Watch {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn start(ballots: Arc<Committer>, control: Arc<Committer>) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let thread = std::thread::Builder::new().name("store-watch".into()).spawn(move || {
            while stopped.recv_timeout(WATCH_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                ballots.watch();
                control.watch();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's watch panicked");
        }
    }
}
