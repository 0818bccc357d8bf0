//! The store's contract over what the models offer.

use std::sync::Arc;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use store::{ControlStore, Document, Read, StoreError, Version};

/// Documents, as the models offer them.
pub(crate) trait Documents: Send + Sync + 'static {
    fn read(&self, key: &str, read: Read) -> BoxFuture<'_, Result<Option<Document>, StoreError>>;

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>>;

    /// No body deletes.
    fn swap(
        &self,
        key: &str,
        expected: Version,
        body: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Version, StoreError>>;
}

/// A [`ControlStore`] of [`Documents`].
pub(crate) struct Contract(pub(crate) Arc<dyn Documents>);

impl ControlStore for Contract {
    fn get<'a>(
        &'a self,
        key: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>> {
        self.0.read(key, read)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        self.0.list(prefix, read)
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        self.0.swap(key, expected, Some(body))
    }

    fn delete<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.0.swap(key, expected, None).await.map(|_| ()) })
    }
}
