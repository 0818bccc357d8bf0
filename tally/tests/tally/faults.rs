//! A store with faults to order.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use ballot::{Batch, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::{FutureExt, StreamExt, stream};
use parking_lot::Mutex;
use store::{BallotStore, ControlStore, Document, MemoryStore, Read, StoreError, Version};

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(crate) struct TestStore {
    done: MemoryStore,
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

impl TestStore {
    pub(crate) fn put(&self, batch: Batch) {
        self.done.put_batch(batch).now_or_never().unwrap().unwrap();
    }

    pub(crate) fn lose(&self, batch: &Batch) {
        self.done.lose_batch(batch);
    }

    pub(crate) fn documents(&self) -> BTreeMap<String, Document> {
        self.done.documents()
    }

    fn check(&self) -> Result<(), StoreError> {
        if *self.away.lock() { Err(unavailable()) } else { Ok(()) }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("as the test ordered".into())
}

impl BallotStore for TestStore {
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
        let found = match self.check() {
            Ok(()) => self.done.scan(contest, shard, buckets),
            Err(error) => stream::iter([Err(error)]).boxed(),
        };
        let delay = self.slow.lock().filter(|(slow, _)| contest.as_str() == *slow);
        let Some((_, delay)) = delay else { return found };
        let slowly = found.then(move |batch| async move {
            tokio::time::sleep(delay).await;
            batch
        });
        slowly.boxed()
    }
}

impl ControlStore for TestStore {
    fn get<'a>(
        &'a self,
        key: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>> {
        async move {
            self.check()?;
            self.done.get(key, read).await
        }
        .boxed()
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        async move {
            self.check()?;
            self.done.list(prefix, read).await
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
            let version = self.done.compare_and_swap(key, expected, body).await?;
            match self.lose_reply.lock().take_if(|prefix| key.starts_with(*prefix)) {
                Some(_) => Err(unavailable()),
                None => Ok(version),
            }
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.done.delete(key, expected)
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
