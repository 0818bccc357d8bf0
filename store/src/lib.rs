//! The two store contracts, split by what they need from an engine, and their backends.
//!
//! No type of a backend's driver appears in a public signature.

use std::{collections::HashSet, sync::Arc};

#[cfg(feature = "cql")]
pub mod cql;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod embedded;
pub mod faulty;
pub mod memory;

#[cfg(feature = "conformance")]
pub mod conformance;

#[cfg(any(test, feature = "planted-bugs"))]
pub mod planted;

#[cfg(feature = "cql")]
pub use cql::{CqlSettings, CqlStore};
#[cfg(feature = "dynamodb")]
pub use dynamodb::{DynamoDbSettings, DynamoDbStore};
pub use embedded::{EmbeddedSettings, EmbeddedStore, OpenError};
pub use faulty::{FaultSettings, FaultyStore};
pub use memory::MemoryStore;

use ballot::{Batch, BatchId, Bucket, Shard, Slug, limits::BATCH_BYTES_MAX};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};

/// Ballots: bulk, available. Implementations are shared by all threads of a process.
pub trait BallotStore: Send + Sync + 'static {
    /// Makes a batch durable: on `Ok` it survives what the backend promises to survive (fsynced
    /// on the embedded store, a quorum of replicas on a cluster).
    ///
    /// A second put of the same batch changes nothing, so any error may be retried with the same
    /// batch. [`StoreError::Unavailable`] means *unknown*: the batch may be there or may appear
    /// later. Dropping the future means the same.
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Streams the batches of one shard of a contest whose bucket is in `buckets` (both ends
    /// included), in any order. Every batch that was durable before the call is seen; one that
    /// becomes durable meanwhile may be. Empty stretches cost nothing, however long.
    ///
    /// A batch is at most once in one stream. After an error the stream ends. The stream may
    /// block its thread while it reads; poll it where that is fine.
    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: std::ops::RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>>;

    /// The same, but batches in `already_read` may be left out, and are where that is less work: for a
    /// caller that reads the same buckets again and again for what is new in them.
    fn scan_except(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: std::ops::RangeInclusive<Bucket>,
        already_read: &Arc<HashSet<BatchId>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let _ = already_read;
        self.scan(contest, shard, buckets)
    }
}

/// Control documents: small, consistent. Every change is linearizable; a read says how it reads.
///
/// Keys are paths such as `contest/tv-series`: `[a-z0-9._/-]`, 1 to 200 bytes. A document is at
/// most [`DOCUMENT_BYTES_MAX`].
pub trait ControlStore: Send + Sync + 'static {
    /// The document, if there is one.
    fn get<'a>(
        &'a self,
        key: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>>;

    /// All documents whose key starts with `prefix`, in the order of their keys. Not a snapshot:
    /// each is as [`Self::get`] saw it at some moment of the call. With [`Read::Serial`] this costs a
    /// cluster a transaction for each document.
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>>;

    /// Writes the document if its version is still `expected` ([`Version::NONE`]: if there is
    /// none), durably, and returns its new version, which is larger.
    ///
    /// [`StoreError::Conflict`] means that nothing was written; [`StoreError::Unavailable`] means
    /// *unknown*: read again, serially, before a retry.
    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Version, StoreError>>;

    /// Removes the document if its version is still `expected`, durably.
    ///
    /// [`StoreError::Conflict`] means that nothing was removed, also where there is no document;
    /// [`StoreError::Unavailable`] means *unknown*: read again, serially, before a retry.
    ///
    /// A document that is made again under the key goes on where the former ended: its first version
    /// is larger than all that were there. So a late change of the former life is a conflict, and
    /// whoever compares versions never takes one life for the other. The embedded store, the one in
    /// memory and the one on Cassandra or ScyllaDB promise that in every case; DynamoDB does where the
    /// compare-and-swap that makes the document again was called after the delete had returned.
    fn delete<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// How documents are read. The backends for which one costs what the other does make no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// As they are: linearizable. Of a change whose outcome nobody knows such a read says what it came
    /// to, for good. For whoever changes the document next.
    Serial,
    /// As the last acknowledged change left them, or newer. Cheaper where many look and one writes; but
    /// a change of *unknown* outcome stays unknown: after one, and after a [`StoreError::Conflict`],
    /// read serially.
    Quorum,
}

/// Bytes of a control document, at most: a contest of 1,000 choices whose titles are 200
/// four-byte characters each fits. A backend whose items are smaller splits it.
pub const DOCUMENT_BYTES_MAX: usize = 1_000_000;

/// Bytes of a control document's key, at most.
pub const DOCUMENT_KEY_BYTES_MAX: usize = 200;

/// Whether a batch can be stored, on every backend.
fn check_batch(batch: &Batch) -> Result<(), StoreError> {
    let bytes = batch.packed.len();
    if bytes > BATCH_BYTES_MAX {
        let detail = format!("a batch of {bytes} bytes, of {BATCH_BYTES_MAX} at most");
        return Err(StoreError::Invalid(detail.into()));
    }
    Ok(())
}

/// Whether a document can be stored under the key, on every backend.
fn check_document(key: &str, body: &[u8]) -> Result<(), StoreError> {
    let plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'/' | b'-');
    if !(1..=DOCUMENT_KEY_BYTES_MAX).contains(&key.len()) || !key.as_bytes().iter().all(plain) {
        let detail = format!("the key {key:?} is not 1 to 200 of a-z, 0-9, '.', '_', '/' and '-'");
        return Err(StoreError::Invalid(detail.into()));
    }
    if body.len() > DOCUMENT_BYTES_MAX {
        let bytes = body.len();
        let detail = format!("a document of {bytes} bytes, of {DOCUMENT_BYTES_MAX} at most");
        return Err(StoreError::Invalid(detail.into()));
    }
    Ok(())
}

/// A control document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Which version of the document this is.
    pub version: Version,
    /// What it says; JSON by our convention, but any bytes for the store.
    pub body: Bytes,
}

/// A document's version: 1 for the first ever under its key, then growing, also through a
/// [`ControlStore::delete`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The version of a document that does not exist.
    pub const NONE: Self = Self(0);

    /// The version that follows.
    fn next(self) -> Result<Self, StoreError> {
        // There is no document of the last: none has been written so often.
        self.0.checked_add(1).map(Self).ok_or(StoreError::Conflict)
    }
}

/// Why a cluster's store could not be opened, by what the operator must do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address of the store is not one: a sentence that says what is.
    #[error("{0}")]
    Address(Arc<str>),
    /// Wait, or look at the cluster: it does not answer.
    #[error("the store does not answer: {0}")]
    Unavailable(Arc<str>),
    /// Run `landslide schema`: the tables are missing, or of another version.
    #[error("{0}")]
    Schema(Arc<str>),
    /// Change the cluster, or say that it is meant so: it does not keep what an acknowledgement
    /// promises.
    #[error("{0}")]
    Unsafe(Arc<str>),
}

/// What went wrong, by what the caller must do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Retry: the store is away, overloaded or slow. A write may or may not have happened.
    #[error("the store is unavailable: {0}")]
    Unavailable(Arc<str>),
    /// Read again: somebody else wrote or removed the document first. Nothing was written.
    #[error("somebody else wrote first")]
    Conflict,
    /// Fix the input: it can never be stored. Nothing was written.
    #[error("not storable: {0}")]
    Invalid(Arc<str>),
    /// Stop, and page someone: what is stored is damaged, or of a newer format.
    #[error("the store is damaged: {0}")]
    Corrupt(Arc<str>),
}
