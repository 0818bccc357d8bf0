//! Both store contracts in memory, and faults to order.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use ballot::{Batch, BatchId, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::{FutureExt, StreamExt, stream};
use parking_lot::Mutex;
use store::{BallotStore, ControlStore, Document, Read, StoreError, Version};

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(crate) struct MemoryStore {
    batches: Mutex<BTreeMap<(Slug, Shard, Bucket, BatchId), Batch>>,
    documents: Mutex<BTreeMap<String, Document>>,
    /// Called once, before the next scan.
    pub(crate) before_scan: Mutex<Option<Hook>>,
    /// Called once, before the next swap of a document whose key starts like this.
    pub(crate) before_swap: Mutex<Option<(&'static str, Hook)>>,
    /// The next swap of a document whose key starts like this is done, and says it was not.
    pub(crate) lose_reply: Mutex<Option<&'static str>>,
    /// Reading a batch of this contest takes so long.
    pub(crate) slow: Mutex<Option<(&'static str, Duration)>>,
    /// Everything fails.
    pub(crate) away: Mutex<bool>,
}

impl MemoryStore {
    pub(crate) fn put(&self, batch: Batch) {
        let key = (batch.contest.clone(), batch.shard, batch.bucket(), batch.id);
        self.batches.lock().insert(key, batch);
    }

    pub(crate) fn remove(&self, batch: &Batch) {
        let key = (batch.contest.clone(), batch.shard, batch.bucket(), batch.id);
        self.batches.lock().remove(&key).unwrap();
    }

    pub(crate) fn documents(&self) -> BTreeMap<String, Document> {
        self.documents.lock().clone()
    }

    fn check(&self) -> Result<(), StoreError> {
        if *self.away.lock() { Err(unavailable()) } else { Ok(()) }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("as the test ordered".into())
}

impl BallotStore for MemoryStore {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            self.check()?;
            self.put(batch);
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
        let hook = self.before_scan.lock().take();
        hook.into_iter().for_each(|hook| hook());
        let in_range = |batch: &&Batch| {
            batch.contest == *contest && batch.shard == shard && buckets.contains(&batch.bucket())
        };
        let found: Vec<_> = match self.check() {
            Ok(()) => self.batches.lock().values().filter(in_range).cloned().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        let delay = self.slow.lock().filter(|(slow, _)| contest.as_str() == *slow);
        let Some((_, delay)) = delay else { return stream::iter(found).boxed() };
        let slowly = stream::iter(found).then(move |batch| async move {
            tokio::time::sleep(delay).await;
            batch
        });
        slowly.boxed()
    }
}

impl ControlStore for MemoryStore {
    fn get<'a>(
        &'a self,
        key: &'a str,
        _: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>> {
        async move {
            self.check()?;
            Ok(self.documents.lock().get(key).cloned())
        }
        .boxed()
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        _: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        async move {
            self.check()?;
            let documents = self.documents.lock();
            let listed = documents.iter().filter(|(key, _)| key.starts_with(prefix));
            Ok(listed.map(|(key, document)| (key.clone(), document.clone())).collect())
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
            let hook = self.before_swap.lock().take_if(|(prefix, _)| key.starts_with(*prefix));
            hook.into_iter().for_each(|(_, hook)| hook());
            self.check()?;
            let mut documents = self.documents.lock();
            let version = documents.get(key).map_or(Version::NONE, |document| document.version);
            if version != expected {
                return Err(StoreError::Conflict);
            }
            let version = Version(version.0 + 1);
            documents.insert(key.to_owned(), Document { version, body });
            match self.lose_reply.lock().take_if(|prefix| key.starts_with(*prefix)) {
                Some(_) => Err(unavailable()),
                None => Ok(version),
            }
        }
        .boxed()
    }

    fn delete<'a>(&'a self, _: &'a str, _: Version) -> BoxFuture<'a, Result<(), StoreError>> {
        unreachable!("the tally deletes nothing")
    }
}

/// Contests that the test changes.
#[derive(Clone, Default)]
pub(crate) struct TestContests(pub(crate) Arc<Mutex<Vec<tally::TallyContest>>>);

impl tally::Contests for TestContests {
    fn names(&self) -> Result<Vec<Slug>, StoreError> {
        Ok(self.0.lock().iter().map(|listed| listed.slug.clone()).collect())
    }

    fn read<'a>(
        &'a self,
        contest: &'a Slug,
    ) -> BoxFuture<'a, Result<Option<tally::TallyContest>, StoreError>> {
        async { Ok(self.0.lock().iter().find(|listed| listed.slug == *contest).cloned()) }.boxed()
    }
}
