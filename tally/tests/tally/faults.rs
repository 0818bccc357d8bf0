//! A store with faults to order.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use ballot::{Batch, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::{FutureExt, StreamExt, stream};
use parking_lot::Mutex;
use store::{BallotStore, ControlStore, Document, MemoryStore, Read, StoreError, Version};

pub(crate) type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(crate) struct TestStore {
    done: MemoryStore,
    /// Called once, before the next scan.
    pub(crate) before_scan: Mutex<Option<Hook>>,
    /// Called once, before the next swap of a document whose key starts like this.
    pub(crate) before_swap: Mutex<Option<(&'static str, Hook)>>,
    /// The next swap of a document whose key starts like this is done, and says it was not.
    pub(crate) lose_reply: Mutex<Option<&'static str>>,
    /// Reading a batch of these contests takes so long.
    slow: Mutex<BTreeMap<&'static str, Duration>>,
    /// Documents whose key starts like this are neither read nor written, and nobody is told.
    pub(crate) silent: Mutex<Option<&'static str>>,
    /// Every call takes a while, and one in some fails before or after it is done.
    pub(crate) random: Mutex<Option<fastrand::Rng>>,
    /// Where the last scan began.
    pub(crate) scanned_from: Mutex<Option<Bucket>>,
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

    /// From now on, reading a batch of this contest takes so long.
    pub(crate) fn slow(&self, contest: &'static str, delay: Duration) {
        self.slow.lock().insert(contest, delay);
    }

    /// Those of the contest `vote`.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        let mut batches = self.done.batches();
        batches.retain(|batch| batch.contest.as_str() == "vote");
        batches
    }

    pub(crate) fn documents(&self) -> BTreeMap<String, Document> {
        self.done.documents()
    }

    fn draw(&self) -> Option<Chance> {
        self.random.lock().as_mut().map(|random| Chance {
            delay: Duration::from_millis(random.u64(0..300)),
            fails: random.u8(0..100) < 3,
            is_done: random.bool(),
        })
    }

    /// Before a document is looked at or written.
    async fn reach(&self, key: &str) -> Result<Option<Chance>, StoreError> {
        if self.silent.lock().is_some_and(|silent| key.starts_with(silent)) {
            std::future::pending::<()>().await;
        }
        let chance = self.draw();
        if let Some(Chance { delay, fails, is_done }) = chance {
            tokio::time::sleep(delay).await;
            if fails && !is_done {
                return Err(unavailable());
            }
        }
        self.check()?;
        Ok(chance)
    }

    fn check(&self) -> Result<(), StoreError> {
        if *self.away.lock() { Err(unavailable()) } else { Ok(()) }
    }
}

#[derive(Clone, Copy)]
struct Chance {
    delay: Duration,
    fails: bool,
    /// Where it fails, it has been done.
    is_done: bool,
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("as the test ordered".into())
}

impl BallotStore for TestStore {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let chance = self.reach("").await?;
            self.put(batch);
            if chance.is_some_and(|chance| chance.fails) { Err(unavailable()) } else { Ok(()) }
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
        *self.scanned_from.lock() = Some(*buckets.start());
        let found = match self.check() {
            Ok(()) => self.done.scan(contest, shard, buckets),
            Err(error) => stream::iter([Err(error)]).boxed(),
        };
        let delay = self.slow.lock().get(contest.as_str()).copied();
        let delay = delay.or(self.draw().map(|chance| chance.delay));
        let Some(delay) = delay else { return found };
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
            self.reach(key).await?;
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
            let chance = self.reach(key).await?;
            let version = self.done.compare_and_swap(key, expected, body).await?;
            match self.lose_reply.lock().take_if(|prefix| key.starts_with(*prefix)) {
                Some(_) => Err(unavailable()),
                None if chance.is_some_and(|chance| chance.fails) => Err(unavailable()),
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
pub(crate) struct TestContests {
    pub(crate) list: Arc<Mutex<Vec<tally::TallyContest>>>,
    /// The definition of this one is damaged.
    pub(crate) unreadable: Arc<Mutex<Option<&'static str>>>,
    /// The documents of this one are never read.
    pub(crate) silent: Arc<Mutex<Option<&'static str>>>,
    /// Called once, by who asks for the names.
    pub(crate) before_names: Arc<Mutex<Option<Hook>>>,
    /// Called once, when a definition has been read.
    pub(crate) after_read: Arc<Mutex<Option<Hook>>>,
}

impl tally::Contests for TestContests {
    fn names(&self) -> Result<Vec<Slug>, StoreError> {
        let hook = self.before_names.lock().take();
        hook.into_iter().for_each(|hook| hook());
        Ok(self.list.lock().iter().map(|listed| listed.slug.clone()).collect())
    }

    fn read<'a>(
        &'a self,
        contest: &'a Slug,
    ) -> BoxFuture<'a, Result<Option<tally::TallyContest>, StoreError>> {
        async {
            if self.silent.lock().is_some_and(|silent| contest.as_str() == silent) {
                std::future::pending::<()>().await;
            }
            if self.unreadable.lock().is_some_and(|damaged| contest.as_str() == damaged) {
                return Err(StoreError::Corrupt("as the test ordered".into()));
            }
            let read = self.list.lock().iter().find(|listed| listed.slug == *contest).cloned();
            let hook = self.after_read.lock().take();
            hook.into_iter().for_each(|hook| hook());
            Ok(read)
        }
        .boxed()
    }

    fn seal<'a>(&'a self, _: &'a Slug) -> BoxFuture<'a, Result<(), StoreError>> {
        async { Ok(()) }.boxed()
    }
}
