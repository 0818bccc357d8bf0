//! A cluster's store in two tables of DynamoDB: `prefix-ballots` and `prefix-control`.
//!
//! On `Ok` a put, a swap or a delete is on the disks of several data centres of the region. Reads are
//! strongly consistent. See `docs/decisions/0007-dynamodb-backend.md`.

mod settings;

mod ballots;
mod control;
mod parts;

mod clients;
mod errors;
mod item;
mod schema;

use std::{ops::RangeInclusive, sync::Arc};

use ballot::{Batch, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};

use ballots::Ballots;
use clients::Clients;
use control::Control;
pub use settings::DynamoDbSettings;

use crate::{BallotStore, ConnectError, ControlStore, Document, Read, StoreError, Version};

/// Both contracts on DynamoDB. Needs a tokio runtime with time and network.
///
/// A put is sent once, with a time-out: throttling, a fault of the service, a lost connection are
/// [`StoreError::Unavailable`] at once, and the caller decides when to try again. Reads try again
/// themselves, for some seconds. A list is not a snapshot: each of its documents is as it was at
/// some moment of the call.
pub struct DynamoDbStore {
    ballots: Ballots,
    control: Control,
}

impl DynamoDbStore {
    /// Looks whether the tables are there, and are ours.
    pub async fn connect(settings: &DynamoDbSettings) -> Result<Arc<Self>, ConnectError> {
        let clients = Clients::new(settings).await;
        schema::check(&clients.retrying, settings).await?;
        Ok(Arc::new(Self {
            ballots: Ballots::new(&clients, settings),
            control: Control::new(&clients, settings),
        }))
    }

    /// The tables as JSON, for those who make them by their own means: an object whose members
    /// are commands of `aws dynamodb`, in the order in which they are to be given. Each element
    /// is what the command takes as `--cli-input-json`.
    pub fn schema(settings: &DynamoDbSettings) -> String {
        schema::schema(settings)
    }

    /// Makes the tables where they are missing, and waits until they are active. Returns a
    /// sentence on each thing that was done or found. Called again, it changes nothing.
    pub async fn apply_schema(settings: &DynamoDbSettings) -> Result<Vec<String>, ConnectError> {
        schema::apply(settings).await
    }
}

impl BallotStore for DynamoDbStore {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.ballots.put(batch))
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        Box::pin(self.ballots.scan(contest, shard, buckets))
    }
}

impl ControlStore for DynamoDbStore {
    fn get<'a>(
        &'a self,
        key: &'a str,
        _: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>> {
        Box::pin(self.control.get(key))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        _: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        Box::pin(self.control.list(prefix))
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(self.control.swap(key, expected, body))
    }

    fn delete<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.control.delete(key, expected))
    }
}
