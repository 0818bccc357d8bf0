//! What the store has at the end, to be read without any time passing.

use std::{collections::BTreeMap, ops::RangeInclusive};

use ballot::{Batch, BatchId, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::{StreamExt, stream};
use store::{BallotStore, Document, Read, StoreError, Version};

use super::Documents;

/// Batches and documents that change no more.
pub(crate) struct Audit {
    batches: BTreeMap<BatchId, Batch>,
    documents: BTreeMap<String, Document>,
}

impl Audit {
    pub(crate) fn new(
        batches: BTreeMap<BatchId, Batch>,
        documents: BTreeMap<String, Document>,
    ) -> Self {
        Self { batches, documents }
    }
}

impl BallotStore for Audit {
    fn put_batch(&self, _: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(std::future::ready(Err(read_only())))
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let of = |batch: &&Batch| {
            batch.contest == *contest && batch.shard == shard && buckets.contains(&batch.bucket())
        };
        let batches: Vec<_> = self.batches.values().filter(of).cloned().map(Ok).collect();
        stream::iter(batches).boxed()
    }
}

impl Documents for Audit {
    fn read(&self, key: &str, _: Read) -> BoxFuture<'_, Result<Option<Document>, StoreError>> {
        Box::pin(std::future::ready(Ok(self.documents.get(key).cloned())))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        _: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        let named = self.documents.iter().filter(|(key, _)| key.starts_with(prefix));
        let all = named.map(|(key, document)| (key.clone(), document.clone())).collect();
        Box::pin(std::future::ready(Ok(all)))
    }

    fn swap(
        &self,
        _: &str,
        _: Version,
        _: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Version, StoreError>> {
        Box::pin(std::future::ready(Err(read_only())))
    }
}

fn read_only() -> StoreError {
    StoreError::Invalid("an audit changes nothing".into())
}
