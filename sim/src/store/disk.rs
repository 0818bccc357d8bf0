//! The store of a process that is alone: a journal on a disk, made durable by fsync as on the embedded
//! store. What was written and not synced may be gone after a crash, from some point of the journal on.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use ballot::{Batch, BatchId, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use store::{BallotStore, Document, Read, StoreError, Version};
use tokio::{sync::Notify, time::sleep};

use super::{Documents, OnCommit, signal::Signal};
use crate::truth::{note, note_common};

/// What a disk does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trouble {
    None,
    /// An fsync takes so many milliseconds.
    Stalls(u64),
    /// The next fsync fails: nobody knows what it has written.
    Fails,
}

/// The disk of one machine. It survives a crash of the process.
pub(crate) struct Disk {
    state: Mutex<State>,
    trouble: Mutex<Trouble>,
    on_commit: OnCommit,
}

struct State {
    /// What a reader sees, and what a crash leaves.
    written: Content,
    durable: Content,
    /// Written and not durable yet, in order.
    journal: Vec<Entry>,
    /// How many entries there have ever been, and how many of them are durable.
    entries: u64,
    durable_entries: u64,
    random: fastrand::Rng,
}

#[derive(Clone, Default)]
struct Content {
    batches: BTreeMap<(Slug, Shard, BatchId), Batch>,
    /// Version and body; a deleted one leaves its version.
    documents: BTreeMap<String, (u64, Option<Bytes>)>,
}

#[derive(Clone)]
enum Entry {
    Batch(Batch),
    Document(String, u64, Option<Bytes>),
}

impl Content {
    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Batch(batch) => {
                let key = (batch.contest.clone(), batch.shard, batch.id);
                self.batches.entry(key).or_insert(batch);
            }
            Entry::Document(key, version, body) => {
                self.documents.insert(key, (version, body));
            }
        }
    }
}

impl Disk {
    pub(crate) fn new(seed: u64, on_commit: OnCommit) -> Arc<Self> {
        let state = State {
            written: Content::default(),
            durable: Content::default(),
            journal: Vec::new(),
            entries: 0,
            durable_entries: 0,
            random: fastrand::Rng::with_seed(seed),
        };
        Arc::new(Self { state: Mutex::new(state), trouble: Mutex::new(Trouble::None), on_commit })
    }

    pub(crate) fn set_trouble(&self, trouble: Trouble) {
        note!("disk", "{trouble:?}");
        *self.trouble.lock() = trouble;
    }

    /// What the process leaves when it dies: all that is durable, and some of the rest.
    pub(crate) fn crash(&self) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let kept = state.random.usize(0..=state.journal.len());
        let lost = state.journal.len() - kept;
        for entry in state.journal.drain(..).take(kept) {
            if let Entry::Document(key, version, body) = &entry {
                (self.on_commit)(key, *version, body.as_ref());
            }
            state.durable.apply(entry);
        }
        state.written = state.durable.clone();
        state.durable_entries = state.entries;
        if lost > 0 {
            note!("disk", "loses {lost} writes that were not synced");
        }
    }

    /// Every durable batch, for the checker.
    pub(crate) fn all_batches(&self) -> BTreeMap<BatchId, Batch> {
        let state = self.state.lock();
        state.durable.batches.values().map(|batch| (batch.id, batch.clone())).collect()
    }
}

impl Disk {
    /// Every durable document, for the checker.
    pub(crate) fn all_documents(&self) -> BTreeMap<String, Document> {
        let state = self.state.lock();
        let documents = state.durable.documents.iter().filter_map(|(key, (version, body))| {
            let body = body.clone()?;
            Some((key.clone(), Document { version: Version(*version), body }))
        });
        documents.collect()
    }
}

/// A process's hold on its disk.
pub(crate) struct OpenDisk {
    disk: Arc<Disk>,
    written: Notify,
    /// How many entries are durable; `None` when the disk has failed.
    durable: Signal<Option<u64>>,
}

impl OpenDisk {
    /// Opens the disk, and syncs it for as long as the island runs that this is called on.
    pub(crate) fn open(disk: Arc<Disk>) -> Arc<Self> {
        let durable = disk.state.lock().durable_entries;
        let durable = Signal::new(Some(durable));
        let open = Arc::new(Self { disk, written: Notify::new(), durable });
        tokio::spawn(Arc::clone(&open).sync());
        open
    }

    /// Resolves when the disk has failed: the process must end.
    pub(crate) async fn failed(&self) {
        self.durable.wait_for(|durable| durable.is_none()).await;
    }

    async fn sync(self: Arc<Self>) {
        loop {
            self.written.notified().await;
            let (until, entries, millis) = {
                let mut state = self.disk.state.lock();
                (state.entries, state.journal.len(), state.random.u64(1..12))
            };
            let trouble = *self.disk.trouble.lock();
            match trouble {
                Trouble::None => sleep(Duration::from_millis(millis)).await,
                Trouble::Stalls(stall) => sleep(Duration::from_millis(millis + stall)).await,
                Trouble::Fails => {
                    *self.disk.trouble.lock() = Trouble::None;
                    note!("disk", "an fsync has failed");
                    self.durable.set(None);
                    return;
                }
            }
            {
                let mut guard = self.disk.state.lock();
                let state = &mut *guard;
                let synced: Vec<_> = state.journal.drain(..entries).collect();
                for entry in synced {
                    if let Entry::Document(key, version, body) = &entry {
                        (self.disk.on_commit)(key, *version, body.as_ref());
                    }
                    state.durable.apply(entry);
                }
                state.durable_entries = until;
            }
            self.durable.set(Some(until));
        }
    }

    /// Writes, and gives the number of the entry.
    fn write(&self, entry: Entry) -> u64 {
        let mut state = self.disk.state.lock();
        state.written.apply(entry.clone());
        state.journal.push(entry);
        state.entries += 1;
        self.written.notify_one();
        state.entries
    }

    async fn durable(&self, entry: u64) -> Result<(), StoreError> {
        let enough = |now: Option<u64>| now.is_none_or(|now| now >= entry);
        self.durable.wait_for(enough).await.map(|_| ()).ok_or_else(poisoned)
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.durable.get().is_none() { Err(poisoned()) } else { Ok(()) }
    }

    fn now(&self, key: &str) -> (u64, Option<Bytes>) {
        self.disk.state.lock().written.documents.get(key).cloned().unwrap_or_default()
    }

    async fn change(
        &self,
        key: &str,
        expected: Version,
        body: Option<Bytes>,
    ) -> Result<Version, StoreError> {
        self.check()?;
        let (version, is) = self.now(key);
        if expected.0 != if is.is_some() { version } else { 0 } {
            return Err(StoreError::Conflict);
        }
        let entry = self.write(Entry::Document(key.to_owned(), version + 1, body));
        self.durable(entry).await?;
        note_common!("disk", "{key} is of version {} now", version + 1);
        Ok(Version(version + 1))
    }
}

fn poisoned() -> StoreError {
    StoreError::Corrupt("an fsync has failed: nothing is sure any more".into())
}

impl BallotStore for OpenDisk {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.check()?;
            let id = batch.id;
            let entry = self.write(Entry::Batch(batch));
            self.durable(entry).await?;
            note_common!("disk", "{id} is durable");
            Ok(())
        })
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        if let Err(error) = self.check() {
            return stream::iter([Err(error)]).boxed();
        }
        let from = (contest.clone(), shard, BatchId::from_bytes([0; 16]));
        let to = (contest.clone(), shard, BatchId::from_bytes([0xff; 16]));
        let state = self.disk.state.lock();
        let partition = state.written.batches.range(from..=to);
        let wanted = partition.filter(|((.., id), _)| buckets.contains(&id.bucket()));
        let batches: Vec<_> = wanted.map(|(_, batch)| Ok(batch.clone())).collect();
        stream::iter(batches).boxed()
    }
}

impl Documents for OpenDisk {
    fn read(&self, key: &str, _: Read) -> BoxFuture<'_, Result<Option<Document>, StoreError>> {
        let read = self.check().map(|()| {
            let (version, body) = self.now(key);
            body.map(|body| Document { version: Version(version), body })
        });
        Box::pin(std::future::ready(read))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        _: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        let read = self.check().map(|()| {
            let state = self.disk.state.lock();
            let from = state.written.documents.range(prefix.to_owned()..);
            let named = from.take_while(|(key, _)| key.starts_with(prefix));
            let there = named.filter_map(|(key, (version, body))| {
                let body = body.clone()?;
                Some((key.clone(), Document { version: Version(*version), body }))
            });
            there.collect()
        });
        Box::pin(std::future::ready(read))
    }

    fn swap(
        &self,
        key: &str,
        expected: Version,
        body: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Version, StoreError>> {
        let key = key.to_owned();
        Box::pin(async move { self.change(&key, expected, body).await })
    }
}
