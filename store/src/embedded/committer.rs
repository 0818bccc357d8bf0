//! A database, and the one thread that writes to it.
//!
//! The thread takes everything that waits and commits it as one write with one fsync. fjall holds
//! the journal's lock through the fsync, so a second thread would only wait. It puts what was
//! written where readers see it after the fsync, so nothing is seen that is not durable.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use fjall::Keyspace;
use parking_lot::RwLock;
use tokio::sync::oneshot;

use super::{
    database::{Database, Kind, describe, unavailable},
    document::{self, Life},
    poison::Poison,
};
use crate::{StoreError, Version};

/// Settings of a committer.
#[derive(Clone)]
pub(super) struct CommitterSettings {
    /// Writes that may wait; more are refused.
    pub(super) queue_max: usize,
    /// Bytes of one commit, about: enough to make the fsync cheap, not so many that it is late.
    pub(super) commit_bytes_max: usize,
    /// A pause this long is used to tidy up.
    pub(super) idle: Duration,
    /// Bytes written below which tidying up is not worth it.
    pub(super) tidy_bytes_min: u64,
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Request {
    Put { key: Vec<u8>, value: Bytes, reply: Reply<()> },
    Swap { key: String, expected: Version, body: Bytes, reply: Reply<Version> },
    Delete { key: String, expected: Version, reply: Reply<()> },
    Flush { reply: Reply<()> },
}

/// The handle of it, for writers and readers.
pub(super) struct Committer {
    shared: Arc<Shared>,
    /// `None` only while dropped.
    queue: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    dir: PathBuf,
    /// Readers hold it for a moment; `None` only where it could not be opened again, and then
    /// the store is poisoned.
    database: RwLock<Option<Database>>,
    poison: Poison,
}

impl Committer {
    pub(super) fn open(
        dir: &Path,
        kind: Kind,
        settings: CommitterSettings,
        poison: &Poison,
    ) -> Result<Self, fjall::Error> {
        let database = RwLock::new(Some(Database::open(dir, kind)?));
        let shared = Arc::new(Shared { dir: dir.into(), database, poison: poison.clone() });
        let (queue, requests) = sync_channel(settings.queue_max);
        let written = 0;
        let committer = Thread { shared: shared.clone(), requests, settings, written };
        let thread = std::thread::Builder::new()
            .name(format!("commit-{}", dir.file_name().unwrap_or_default().display()))
            .spawn(move || committer.run())?;
        Ok(Self { shared, queue: Some(queue), thread: Some(thread) })
    }

    /// Durable on `Ok`.
    pub(super) async fn put(&self, key: Vec<u8>, value: Bytes) -> Result<(), StoreError> {
        self.submit(|reply| Request::Put { key, value, reply }).await
    }

    pub(super) async fn swap(
        &self,
        key: String,
        expected: Version,
        body: Bytes,
    ) -> Result<Version, StoreError> {
        self.submit(|reply| Request::Swap { key, expected, body, reply }).await
    }

    pub(super) async fn delete(&self, key: String, expected: Version) -> Result<(), StoreError> {
        self.submit(|reply| Request::Delete { key, expected, reply }).await
    }

    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        self.submit(|reply| Request::Flush { reply }).await
    }

    async fn submit<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        self.shared.poison.check()?;
        let (reply, outcome) = oneshot::channel();
        let queue = self.queue.as_ref().expect("taken only by drop");
        queue.try_send(request(reply)).map_err(|error| match error {
            TrySendError::Full(_) => unavailable("too many writes are waiting"),
            TrySendError::Disconnected(_) => unavailable("the committer has stopped"),
        })?;
        // The committer may hang in a database that has failed in the background; nobody waits
        // for it longer than for the poison.
        tokio::select! {
            biased;
            outcome = outcome => {
                outcome.unwrap_or_else(|_| Err(unavailable("the committer has stopped")))
            }
            reason = self.shared.poison.wait() => Err(StoreError::Unavailable(reason)),
        }
    }

    /// Reads; blocks for the time of a disk access, and rarely for that of tidying up.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Keyspace) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &*self.shared.database.read() {
            Some(database) => read(database.keyspace()),
            None => Err(unavailable("the store is closed")),
        }
    }

    /// Poisons the store if the database has failed in the background.
    pub(super) fn watch(&self) {
        // Not while it is being opened again, which tells its own errors.
        if let Some(guard) = self.shared.database.try_read()
            && let Some(database) = &*guard
            && let Err(error) = database.check()
        {
            let (dir, error) = (&self.shared.dir, describe(error, &self.shared.dir));
            self.shared.poison.set(&format!("{} has failed: {error}", dir.display()));
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        drop(self.queue.take());
        // A poisoned committer may hang for good; then it goes with the process.
        if self.shared.poison.check().is_ok()
            && let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a committer panicked");
        }
    }
}

struct Thread {
    shared: Arc<Shared>,
    requests: Receiver<Request>,
    settings: CommitterSettings,
    /// Bytes since the journal was last emptied.
    written: u64,
}

impl Drop for Thread {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.poison.set("a committer panicked");
        }
    }
}

impl Thread {
    fn run(mut self) {
        loop {
            match self.requests.recv_timeout(self.settings.idle) {
                Ok(first) => self.serve(first),
                Err(RecvTimeoutError::Timeout) => {
                    if self.written >= self.settings.tidy_bytes_min {
                        // What fails here poisons; there is nobody to tell.
                        let _ = self.use_pause();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Commits everything that waits.
    fn serve(&mut self, first: Request) {
        let mut next = Some(first);
        let mut group = Group::default();
        while let Some(request) = next {
            if let Request::Flush { reply } = request {
                self.commit(std::mem::take(&mut group));
                let _ = reply.send(self.tidy());
            } else {
                group.add(request);
            }
            if group.bytes > self.settings.commit_bytes_max {
                break;
            }
            next = self.requests.try_recv().ok();
        }
        self.commit(group);
    }

    fn commit(&mut self, group: Group) {
        if group.requests.is_empty() {
            return;
        }
        let guard = self.shared.database.read();
        let (Some(database), Ok(())) = (&*guard, self.shared.poison.check()) else {
            // Dropped with their replies, which tells those who wait.
            return;
        };
        self.written += group.bytes as u64;
        let (write, replies) = group.prepare(database);
        let outcome = write.commit().map_err(|error| {
            let (dir, error) = (&self.shared.dir, describe(error, &self.shared.dir));
            self.shared.poisoned_by(format!("a write to {} failed: {error}", dir.display()))
        });
        // The fsync comes before the replies: an acknowledgement is a promise.
        settle(replies, &outcome);
    }

    /// Tidies up in two steps, so that a put that ends the pause waits for neither: the memtable
    /// is flushed in the background, and in the next pause the journal is emptied.
    fn use_pause(&mut self) -> Result<(), StoreError> {
        let begun = match &*self.shared.database.read() {
            Some(database) => database.begin_flush(),
            None => return Ok(()),
        };
        match begun {
            Ok(true) => Ok(()),
            Ok(false) => self.tidy(),
            Err(error) => Err(self.shared.flush_failed(error)),
        }
    }

    /// Flushes the memtable to its files and empties the journal, which would otherwise stay at
    /// up to 64 MB.
    fn tidy(&mut self) -> Result<(), StoreError> {
        self.written = 0;
        self.shared.poison.check()?;
        self.shared.tidy().map_err(|error| self.shared.flush_failed(error))
    }
}

impl Shared {
    fn tidy(&self) -> Result<(), fjall::Error> {
        if let Some(database) = &*self.database.read() {
            database.flush()?;
        }
        // Nobody writes now: only this thread does.
        let mut slot = self.database.write();
        if let Some(database) = slot.take() {
            *slot = Some(database.empty_journal()?);
        }
        Ok(())
    }

    fn flush_failed(&self, error: fjall::Error) -> StoreError {
        let error = describe(error, &self.dir);
        self.poisoned_by(format!("{} could not be flushed: {error}", self.dir.display()))
    }

    fn poisoned_by(&self, reason: String) -> StoreError {
        self.poison.set(&reason);
        unavailable(&reason)
    }
}

/// What is committed together.
#[derive(Default)]
struct Group {
    requests: Vec<Request>,
    bytes: usize,
}

/// Tells one who waits how the commit went.
type Settle = Box<dyn FnOnce(&Result<(), StoreError>)>;

fn settle(replies: Vec<Settle>, outcome: &Result<(), StoreError>) {
    for reply in replies {
        // Whoever does not wait any more has dropped the future, which is their right.
        reply(outcome);
    }
}

impl Group {
    fn add(&mut self, request: Request) {
        self.bytes += match &request {
            Request::Put { key, value, .. } => key.len() + value.len(),
            Request::Swap { key, body, .. } => key.len() + body.len(),
            Request::Delete { key, .. } => key.len(),
            Request::Flush { .. } => 0,
        };
        self.requests.push(request);
    }

    fn prepare(self, database: &Database) -> (fjall::OwnedWriteBatch, Vec<Settle>) {
        let keyspace = database.keyspace();
        let mut write = database.write();
        let mut replies: Vec<Settle> = Vec::with_capacity(self.requests.len());
        // What this group has made of documents so far, which the database does not show yet.
        let mut changed: HashMap<String, Life> = HashMap::new();
        for request in self.requests {
            match request {
                Request::Put { key, value, reply } => {
                    write.insert(keyspace, key, value);
                    replies.push(Box::new(move |outcome| drop(reply.send(outcome.clone()))));
                }
                Request::Swap { key, expected, body, reply } => {
                    let life = life(keyspace, &changed, &key);
                    let swapped = life.and_then(|life| life.swapped(expected));
                    if let Ok(life) = swapped {
                        write.insert(keyspace, key.as_str(), life.encode(&body));
                        changed.insert(key, life);
                    }
                    let version = swapped.map(Life::version);
                    replies.push(Box::new(move |outcome| {
                        drop(reply.send(outcome.clone().and(version)));
                    }));
                }
                Request::Delete { key, expected, reply } => {
                    let life = life(keyspace, &changed, &key);
                    let removed = life.and_then(|life| life.removed(expected));
                    if let Ok(life) = removed {
                        write.insert(keyspace, key.as_str(), life.encode(&[]));
                        changed.insert(key, life);
                    }
                    replies.push(Box::new(move |outcome| {
                        drop(reply.send(outcome.clone().and(removed.map(|_| ()))));
                    }));
                }
                Request::Flush { reply } => {
                    debug_assert!(false, "a flush is not part of a group");
                    drop(reply);
                }
            }
        }
        (write, replies)
    }
}

fn life(
    keyspace: &Keyspace,
    changed: &HashMap<String, Life>,
    key: &str,
) -> Result<Life, StoreError> {
    changed.get(key).map_or_else(|| document::life(keyspace, key), |life| Ok(*life))
}
