//! A store that fails as a cluster's would: errors before the write, errors **after** the write
//! (the reply is lost), delays, and writes that overtake each other. For tests, from a seed.

use std::{collections::HashSet, ops::RangeInclusive, sync::Arc, time::Duration};

use ballot::{Batch, BatchId, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::{FutureExt, StreamExt, stream};
use parking_lot::Mutex;

use crate::{BallotStore, ControlStore, Document, Read, StoreError, Version};

/// How often what goes wrong. Probabilities are from 0 (never) to 1 (always).
#[derive(Clone, Debug, PartialEq)]
pub struct FaultSettings {
    /// From which all faults are drawn, in the order of the calls: to be printed by a test.
    pub seed: u64,
    /// A write fails and nothing is written.
    pub write_refused: f64,
    /// A write happens and is reported as failed.
    pub write_reply_lost: f64,
    /// A read fails; a scan somewhere on its way.
    pub read_failed: f64,
    /// A call is delayed, so that a later one overtakes it.
    pub delayed: f64,
    /// Longest delay.
    pub delay_max: Duration,
}

impl FaultSettings {
    /// Nothing goes wrong.
    pub fn none(seed: u64) -> Self {
        Self {
            seed,
            write_refused: 0.0,
            write_reply_lost: 0.0,
            read_failed: 0.0,
            delayed: 0.0,
            delay_max: Duration::ZERO,
        }
    }

    /// Everything goes wrong now and then.
    pub fn for_testing(seed: u64) -> Self {
        Self {
            seed,
            write_refused: 0.1,
            write_reply_lost: 0.1,
            read_failed: 0.05,
            delayed: 0.3,
            delay_max: Duration::from_millis(3),
        }
    }
}

/// The store `S`, with faults. Needs a tokio runtime with time.
pub struct FaultyStore<S> {
    store: Arc<S>,
    settings: FaultSettings,
    random: Mutex<fastrand::Rng>,
}

/// What will happen to one call, drawn when it is made: tasks that run in another order later
/// do not change it.
struct Faults {
    refused: bool,
    reply_lost: bool,
    read_failed: bool,
    delay: Option<Duration>,
    /// After how many batches a scan fails.
    batches: usize,
}

impl<S> FaultyStore<S> {
    /// Wraps the store; logs the seed.
    pub fn new(store: Arc<S>, settings: FaultSettings) -> Self {
        tracing::warn!(seed = settings.seed, "the store fails on purpose");
        let random = Mutex::new(fastrand::Rng::with_seed(settings.seed));
        Self { store, settings, random }
    }

    /// The store without faults.
    pub fn inner(&self) -> &Arc<S> {
        &self.store
    }

    fn draw(&self) -> Faults {
        let mut random = self.random.lock();
        let FaultSettings { write_refused, write_reply_lost, read_failed, delayed, .. } =
            self.settings;
        let mut happens = |probability: f64| random.f64() < probability;
        // Each call draws the same number of times, so that the next one's luck does not hang on
        // this one's.
        let (refused, reply_lost) = (happens(write_refused), happens(write_reply_lost));
        let (read_failed, delayed) = (happens(read_failed), happens(delayed));
        let delay = self.settings.delay_max.mul_f64(random.f64());
        let batches = random.usize(0..100);
        Faults { refused, reply_lost, read_failed, delay: delayed.then_some(delay), batches }
    }
}

impl Faults {
    async fn write<T>(
        self,
        write: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.wait().await;
        if self.refused {
            return Err(injected("a write refused"));
        }
        let outcome = write.await;
        if self.reply_lost { Err(injected("a reply lost")) } else { outcome }
    }

    async fn read<T>(
        self,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.wait().await;
        if self.read_failed { Err(injected("a read failed")) } else { read.await }
    }

    fn scan(
        &self,
        batches: BoxStream<'static, Result<Batch, StoreError>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        if self.read_failed {
            let error = stream::once(async { Err(injected("a scan cut off")) });
            batches.take(self.batches).chain(error).boxed()
        } else {
            batches
        }
    }

    async fn wait(&self) {
        if let Some(delay) = self.delay {
            tokio::time::sleep(delay).await;
        }
    }
}

fn injected(fault: &str) -> StoreError {
    StoreError::Unavailable(format!("injected: {fault}").into())
}

impl<S: BallotStore> BallotStore for FaultyStore<S> {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        let faults = self.draw();
        faults.write(self.store.put_batch(batch)).boxed()
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        self.draw().scan(self.store.scan(contest, shard, buckets))
    }

    fn scan_except(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
        already_read: &Arc<HashSet<BatchId>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        self.draw().scan(self.store.scan_except(contest, shard, buckets, already_read))
    }
}

impl<S: ControlStore> ControlStore for FaultyStore<S> {
    fn get<'a>(
        &'a self,
        key: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>> {
        let faults = self.draw();
        faults.read(self.store.get(key, read)).boxed()
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        let faults = self.draw();
        faults.read(self.store.list(prefix, read)).boxed()
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        let faults = self.draw();
        faults.write(self.store.compare_and_swap(key, expected, body)).boxed()
    }

    fn delete<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let faults = self.draw();
        faults.write(self.store.delete(key, expected)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    fn batch(number: u8) -> Batch {
        let id = BatchId::from_bytes([number; 16]);
        Batch { contest: "a".parse().unwrap(), id, shard: id.shard(1), packed: Bytes::new() }
    }

    /// Which of 200 puts were acknowledged, and how many were done.
    async fn history(settings: FaultSettings) -> (Vec<bool>, usize) {
        let store = FaultyStore::new(Arc::new(MemoryStore::new()), settings);
        let mut acknowledged = Vec::new();
        for number in 0..200 {
            acknowledged.push(store.put_batch(batch(number)).await.is_ok());
        }
        (acknowledged, store.inner().batches().len())
    }

    #[tokio::test]
    async fn a_seed_run_twice_gives_the_same_history() {
        let settings = FaultSettings { delayed: 0.0, ..FaultSettings::for_testing(7) };
        let history_7 = history(settings.clone()).await;
        assert_eq!(history(settings.clone()).await, history_7);
        assert_ne!(history(FaultSettings { seed: 8, ..settings }).await, history_7);
    }

    #[tokio::test]
    async fn a_refused_write_is_none_and_one_with_its_reply_lost_is_one() {
        let always = FaultSettings { write_refused: 1.0, ..FaultSettings::none(1) };
        assert_eq!(history(always).await, (vec![false; 200], 0));
        let always = FaultSettings { write_reply_lost: 1.0, ..FaultSettings::none(1) };
        assert_eq!(history(always).await, (vec![false; 200], 200));
        assert_eq!(history(FaultSettings::none(1)).await, (vec![true; 200], 200));
    }
}
