//! The embedded store, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod conformance;
mod failed_write;
mod folder;
mod full_disk;
mod kill;

use std::sync::Arc;

use ballot::{Batch, BatchId, Bucket, Shard, Slug, Timestamp};
use futures_util::StreamExt;
use store::{BallotStore, EmbeddedStore};

fn contest() -> Slug {
    "tv-series".parse().unwrap()
}

/// A batch whose ballots can be told from its id.
fn batch_of(id: BatchId, bytes: usize) -> Batch {
    let seed = u128::from_be_bytes(*id.as_bytes()) as u64;
    let mut packed = vec![0; bytes];
    fastrand::Rng::with_seed(seed).fill(&mut packed);
    Batch { contest: contest(), id, shard: Shard(0), packed: packed.into() }
}

/// A new batch.
fn batch(bytes: usize) -> Batch {
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    batch_of(BatchId::new(Timestamp::from_micros(1_795_464_000_000_000), random), bytes)
}

/// All batches stored, in the order of their ids.
async fn stored(store: &Arc<EmbeddedStore>) -> Vec<Batch> {
    let all = Bucket(0)..=Bucket(u64::MAX);
    store.scan(&contest(), Shard(0), all).map(Result::unwrap).collect().await
}
