//! A node's store with the checker beside it: what a tally was given to count, and what it tries to
//! publish then.

use std::{collections::HashSet, ops::RangeInclusive, sync::Arc};

use ballot::{Batch, BatchId, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::StreamExt;
use store::{BallotStore, Document, Read, StoreError, Version};

use super::Documents;
use crate::{
    checker::{Checker, Life},
    truth::note,
};

/// Both stores of one life of a node.
pub(crate) struct Watched<S> {
    store: Arc<S>,
    checker: Arc<Checker>,
    life: Life,
}

impl<S> Watched<S> {
    pub(crate) fn new(store: Arc<S>, checker: Arc<Checker>, life: Life) -> Arc<Self> {
        Arc::new(Self { store, checker, life })
    }

    fn seen(
        &self,
        contest: &Slug,
        shard: Shard,
        from_nothing: bool,
        batches: BoxStream<'static, Result<Batch, StoreError>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let (checker, life) = (Arc::clone(&self.checker), self.life.clone());
        if from_nothing {
            checker.counts_from_nothing(&life, contest, shard);
        }
        batches
            .inspect(move |batch| {
                if let Ok(batch) = batch {
                    checker.counts(&life, batch);
                }
            })
            .boxed()
    }
}

impl<S: BallotStore> BallotStore for Watched<S> {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        self.checker.puts(&batch);
        let id = batch.id;
        let put = self.store.put_batch(batch);
        Box::pin(async move {
            let outcome = put.await;
            match &outcome {
                Ok(()) => note!(self.life.name, "batch {id} is durable"),
                Err(error) => note!(self.life.name, "batch {id}: {error}"),
            }
            outcome
        })
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let from_nothing = *buckets.start() == Bucket(0);
        let batches = self.store.scan(contest, shard, buckets);
        self.seen(contest, shard, from_nothing, batches)
    }

    fn scan_except(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
        already_read: &Arc<HashSet<BatchId>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let from_nothing = *buckets.start() == Bucket(0) && already_read.is_empty();
        let batches = self.store.scan_except(contest, shard, buckets, already_read);
        self.seen(contest, shard, from_nothing, batches)
    }
}

impl<S: Documents> Documents for Watched<S> {
    fn read(&self, key: &str, read: Read) -> BoxFuture<'_, Result<Option<Document>, StoreError>> {
        self.store.read(key, read)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        self.store.list(prefix, read)
    }

    fn swap(
        &self,
        key: &str,
        expected: Version,
        body: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Version, StoreError>> {
        if let Some(body) = &body {
            self.checker.attempts(&self.life, key, body);
        }
        let swap = self.store.swap(key, expected, body);
        let key = key.to_owned();
        Box::pin(async move {
            let outcome = swap.await;
            if !key.starts_with("node/") {
                match &outcome {
                    Ok(version) => note!(self.life.name, "{key} is of version {} now", version.0),
                    Err(error) => {
                        note!(self.life.name, "{key} after version {}: {error}", expected.0);
                    }
                }
            }
            outcome
        })
    }
}
