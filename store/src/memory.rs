//! Both contracts in memory. For tests and simulation: durable nowhere.

use std::{collections::BTreeMap, ops::RangeInclusive};

use ballot::{Batch, BatchId, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::{FutureExt, StreamExt, stream};
use parking_lot::Mutex;

use crate::{
    BallotStore, ControlStore, Document, Read, StoreError, Version, check_batch, check_document,
};

/// Both contracts in memory, for tests and simulation: it is gone with its last handle.
///
/// Every call happens whole when its future is first polled, and never waits. There is no clock and
/// nothing random in it, and all that it gives comes in the order of its keys: the same calls in
/// the same order give the same answers.
#[derive(Debug, Default)]
pub struct MemoryStore {
    batches: Mutex<BTreeMap<(Slug, Shard, BatchId), Bytes>>,
    documents: Mutex<BTreeMap<String, Life>>,
}

/// What has become of a key.
#[derive(Debug)]
struct Life {
    /// The last version that there was.
    last: Version,
    /// `None` once the document was removed.
    body: Option<Bytes>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// All batches, by contest, shard and id.
    pub fn batches(&self) -> Vec<Batch> {
        self.batches.lock().iter().map(batch).collect()
    }

    /// Takes a batch away, as a damaged disk does: for tests of what notices that.
    pub fn lose_batch(&self, batch: &Batch) {
        self.batches.lock().remove(&(batch.contest.clone(), batch.shard, batch.id));
    }

    /// All documents, by key.
    pub fn documents(&self) -> BTreeMap<String, Document> {
        let documents = self.documents.lock();
        let all = documents.iter();
        all.filter_map(|(key, life)| Some((key.clone(), life.document()?))).collect()
    }
}

fn batch((key, packed): (&(Slug, Shard, BatchId), &Bytes)) -> Batch {
    let (contest, shard, id) = key.clone();
    Batch { contest, id, shard, packed: packed.clone() }
}

impl Life {
    fn document(&self) -> Option<Document> {
        Some(Document { version: self.last, body: self.body.clone()? })
    }

    fn version(&self) -> Version {
        if self.body.is_some() { self.last } else { Version::NONE }
    }
}

impl BallotStore for MemoryStore {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            check_batch(&batch)?;
            let Batch { contest, id, shard, packed } = batch;
            self.batches.lock().insert((contest, shard, id), packed);
            Ok(())
        }
        .boxed()
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let batches = self.batches.lock();
        let id = |byte| BatchId::from_bytes([byte; 16]);
        let of_shard = (contest.clone(), shard, id(0))..=(contest.clone(), shard, id(0xff));
        let found = batches.range(of_shard).map(batch);
        let found: Vec<_> = found.filter(|batch| buckets.contains(&batch.bucket())).collect();
        stream::iter(found.into_iter().map(Ok)).boxed()
    }
}

impl ControlStore for MemoryStore {
    fn get<'a>(
        &'a self,
        key: &'a str,
        _: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>> {
        async move { Ok(self.documents.lock().get(key).and_then(Life::document)) }.boxed()
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        _: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        async move {
            let documents = self.documents.lock();
            let from_prefix = documents.range(prefix.to_owned()..);
            let listed = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
            Ok(listed.filter_map(|(key, life)| Some((key.clone(), life.document()?))).collect())
        }
        .boxed()
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        async move {
            check_document(key, &body)?;
            let mut documents = self.documents.lock();
            let life = documents.get(key);
            if life.map_or(Version::NONE, Life::version) != expected {
                return Err(StoreError::Conflict);
            }
            let last = life.map_or(Version::NONE, |life| life.last).next()?;
            documents.insert(key.to_owned(), Life { last, body: Some(body) });
            Ok(last)
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            check_document(key, &[])?;
            match self.documents.lock().get_mut(key) {
                Some(life) if life.body.is_some() && life.last == expected => {
                    life.body = None;
                    Ok(())
                }
                _ => Err(StoreError::Conflict),
            }
        }
        .boxed()
    }
}
