//! What is wrong between a node and its store.

use std::{collections::HashSet, ops::RangeInclusive, sync::Arc, time::Duration};

use ballot::{Batch, BatchId, Bucket, Contest, Counts, CountsStatus, Shard, Slug, Voter, timing};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::StreamExt;
use store::{BallotStore, ControlStore, Document, Read, StoreError, Version};
use tokio::time::sleep;

use super::Bug;
use crate::{
    store::{Contract, Documents},
    truth,
};

/// A node's stores, with the bug.
pub(crate) fn stores<S: BallotStore + Documents>(
    bug: Option<Bug>,
    store: Arc<S>,
) -> (Arc<dyn BallotStore>, Arc<dyn ControlStore>) {
    match bug {
        None => (Arc::clone(&store) as _, Arc::new(Contract(store))),
        Some(bug) => {
            let wrong = Arc::new(Wrong { store, bug });
            (Arc::clone(&wrong) as _, Arc::new(Contract(wrong)))
        }
    }
}

/// What the node's contests are read from: the same, but for a bug.
pub(crate) fn for_contests(
    bug: Option<Bug>,
    control: &Arc<dyn ControlStore>,
) -> Arc<dyn ControlStore> {
    match bug {
        // What has been counted raises nobody's floor, and closes no contest.
        Some(Bug::FloorOff) => Arc::new(WithoutCounts(Arc::clone(control))),
        _ => Arc::clone(control),
    }
}

struct WithoutCounts(Arc<dyn ControlStore>);

impl ControlStore for WithoutCounts {
    fn get<'a>(
        &'a self,
        key: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Option<Document>, StoreError>> {
        if key.starts_with("counts/") {
            return Box::pin(std::future::ready(Ok(None)));
        }
        self.0.get(key, read)
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
        self.0.compare_and_swap(key, expected, body)
    }

    fn delete<'a>(
        &'a self,
        key: &'a str,
        expected: Version,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.delete(key, expected)
    }
}

struct Wrong<S> {
    store: Arc<S>,
    bug: Bug,
}

impl<S: BallotStore> BallotStore for Wrong<S> {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        match self.bug {
            Bug::AcknowledgedBeforePut => {
                let store = Arc::clone(&self.store);
                tokio::spawn(async move { store.put_batch(batch).await });
                Box::pin(std::future::ready(Ok(())))
            }
            Bug::PutErrorIgnored => Box::pin(async {
                match self.store.put_batch(batch).await {
                    Err(StoreError::Unavailable(_)) => Ok(()),
                    outcome => outcome,
                }
            }),
            Bug::NewBatchId => self.store.put_batch(under_another_id(batch)),
            _ => self.store.put_batch(batch),
        }
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let batches = self.store.scan(contest, shard, buckets);
        self.spoilt(batches)
    }

    fn scan_except(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
        already_read: &Arc<HashSet<BatchId>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let (start, end) = buckets.into_inner();
        let start = match self.bug {
            Bug::BucketLeftEarly if start != Bucket(0) => {
                let now = truth::now().minus(Duration::from_millis(1));
                start.max(now.bucket())
            }
            _ => start,
        };
        let batches = self.store.scan_except(contest, shard, start..=end, already_read);
        self.spoilt(batches)
    }
}

impl<S> Wrong<S> {
    fn spoilt(
        &self,
        batches: BoxStream<'static, Result<Batch, StoreError>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        match self.bug {
            Bug::RetriesCounted => {
                batches.map(|batch| batch.map(|batch| of_other_voters(&batch))).boxed()
            }
            _ => batches,
        }
    }
}

/// The same ballots, in a batch of an id of its own.
fn under_another_id(batch: Batch) -> Batch {
    let ballots = batch.unpack().unwrap_or_default();
    // Any number of shards gives the ids' places; the batch stays in its own.
    let mut id = batch.id;
    for _ in 0..10_000 {
        let mut random = [0; 10];
        fastrand::fill(&mut random);
        id = BatchId::new(batch.id.created_at(), random);
        let same = |shards| id.shard(shards) == batch.id.shard(shards);
        if (1..=3).all(same) {
            break;
        }
    }
    Batch { shard: batch.shard, ..Batch::pack(&batch.contest, 1, id, &ballots) }
}

/// A ballot's voter is another in every batch.
fn of_other_voters(batch: &Batch) -> Batch {
    let mut ballots = batch.unpack().unwrap_or_default();
    let id = u128::from_be_bytes(*batch.id.as_bytes());
    for ballot in &mut ballots {
        let voter = u128::from_be_bytes(*ballot.voter.as_bytes());
        ballot.voter = Voter::from_bytes((voter ^ id).to_be_bytes());
    }
    Batch { shard: batch.shard, ..Batch::pack(&batch.contest, 1, batch.id, &ballots) }
}

impl<S: Documents> Documents for Wrong<S> {
    fn read(&self, key: &str, read: Read) -> BoxFuture<'_, Result<Option<Document>, StoreError>> {
        let is_look = self.bug == Bug::HalfDoneClose && key.starts_with("contest/");
        self.store.read(key, if is_look { Read::Quorum } else { read })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        Box::pin(async move {
            let all = self.store.list(prefix, read).await?;
            if self.bug == Bug::UnreadableBlinds && prefix == "contest/" {
                for (key, document) in &all {
                    let json: serde_json::Value =
                        serde_json::from_slice(&document.body).unwrap_or_default();
                    Contest::from_json(json["definition"].to_string().as_bytes())
                        .map_err(|error| StoreError::Corrupt(format!("{key}: {error}").into()))?;
                }
            }
            Ok(all)
        })
    }

    fn swap(
        &self,
        key: &str,
        expected: Version,
        body: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Version, StoreError>> {
        let key = key.to_owned();
        Box::pin(async move {
            match self.bug {
                Bug::SlowClose if key.starts_with("contest/") && expected != Version::NONE => {
                    sleep(Duration::from_millis(fastrand::u64(2_000..16_000))).await;
                    self.store.swap(&key, expected, body).await
                }
                Bug::LeaseWithoutFence if key.starts_with("counts/") => {
                    let now = self.store.read(&key, Read::Serial).await?;
                    let expected = now.map_or(Version::NONE, |document| document.version);
                    self.store.swap(&key, expected, body).await
                }
                Bug::ThroughWithoutSkew if key.starts_with("counts/") => {
                    let body = body.map(|body| through_without_skew(&body));
                    self.store.swap(&key, expected, body).await
                }
                _ => self.store.swap(&key, expected, body).await,
            }
        })
    }
}

fn through_without_skew(body: &Bytes) -> Bytes {
    let Ok(mut counts) = serde_json::from_slice::<Counts>(body) else { return body.clone() };
    if counts.status == CountsStatus::Provisional {
        counts.counted_through = counts.counted_through.plus(timing::CLOCK_SKEW);
    }
    serde_json::to_vec(&counts).map_or(body.clone(), Bytes::from)
}
