//! Landslide's own way: the ballots in flight at the same moment are one batch, one write.
//!
//! It is the product's own `intake` over its own `store`, counted by its own `tally`.

use std::{collections::HashSet, num::NonZero, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use ballot::{
    Ballot, BallotId, Batch, BatchId, Bucket, ChannelNumber, ChoiceNumber, Clock, Contest,
    ContestKey, Destination, Device, Entropy, Moment, NodeClock, Shard, Slug, Timestamp,
};
use futures_util::{future::BoxFuture, stream::BoxStream};
use intake::{Gatherer, Intake, IntakeSettings, Observer};
use store::{
    BallotStore, StoreError,
    cql::{CqlSettings, CqlStore},
};
use tally::TallyContest;
use tokio::time::Instant;

use crate::{
    cast::{CHOICES, CONTEST, Cast, SHARDS, choice_slug, now},
    cluster::Cluster,
    partitions::Partitions,
};

pub struct Batches {
    store: Arc<Watched>,
    gatherer: Arc<Gatherer>,
    clock: Arc<NodeClock>,
    destination: Destination,
    key: ContestKey,
    contest: TallyContest,
}

impl Batches {
    pub async fn make_schema(cluster: &Cluster) -> Result<()> {
        let settings: CqlSettings = cluster.url.parse().map_err(|error| anyhow!("{error}"))?;
        CqlStore::apply_schema(&settings).await.context("the schema")?;
        Ok(())
    }

    pub async fn open(cluster: &Cluster) -> Result<Self> {
        let settings: CqlSettings = cluster.url.parse().map_err(|error| anyhow!("{error}"))?;
        let store = CqlStore::connect(&settings).await.context("the store")?;
        let store = Arc::new(Watched { store, partitions: Partitions::default() });
        let clock = Arc::new(NodeClock::new(Arc::new(LabClock(Instant::now()))));
        let intake = Intake::new(
            Arc::clone(&store) as _,
            IntakeSettings::for_cluster(),
            Arc::new(Quiet),
            Arc::clone(&clock),
            Arc::new(LabEntropy),
        );
        let gatherer = Gatherer::new(intake);
        tokio::spawn(Arc::clone(&gatherer).run());
        let contest = contest()?;
        let destination = Destination { contest: contest.slug.clone(), shards: SHARDS };
        // All servers of the lab share one; the product makes one a contest.
        let key = ContestKey::from_bytes([7; 32]);
        Ok(Self { store, gatherer, clock, destination, key, contest })
    }

    pub async fn record(&self, cast: &Cast) -> Result<()> {
        let id = BallotId::from_bytes(cast.ballot_id.into_bytes()).context("no UUIDv7")?;
        let device = Device::parse(&cast.device.to_string()).context("no device")?;
        let ballot = Ballot {
            id,
            voter: self.key.voter_of_device(device),
            choice: ChoiceNumber(cast.choice),
            channel: ChannelNumber::WEB,
            recorded_at: cast.recorded_at,
        };
        self.gatherer.submit(&self.destination, ballot, self.clock.moment())?.await?;
        Ok(())
    }

    pub async fn counted(&self) -> Result<Vec<u64>> {
        let (store, contest) = (Arc::clone(&self.store), self.contest.clone());
        let counting = tokio::task::spawn_blocking(move || {
            tally::recount(store, &contest, None, now(), NonZero::<usize>::MIN, &|_| ())
        });
        let recount = counting.await?.context("counting")?;
        let votes: Vec<u64> = recount.counts.choices.iter().map(|choice| choice.votes).collect();
        anyhow::ensure!(votes.len() == CHOICES, "{} choices were counted", votes.len());
        Ok(votes)
    }

    pub fn partitions(&self) -> &Partitions {
        &self.store.partitions
    }
}

/// The lab's contest, open since before anybody voted.
fn contest() -> Result<TallyContest> {
    let choices: Vec<_> = (0..CHOICES)
        .map(|number| serde_json::json!({"choice": choice_slug(number), "title": "A series"}))
        .collect();
    let definition = serde_json::json!({
        "title": "Your favourite TV series",
        "opens_at": now().minus(Duration::from_secs(86_400)),
        "shards": SHARDS,
        "choices": choices,
    });
    let contest = Contest::from_json(definition.to_string().as_bytes())
        .map_err(|error| anyhow!("{}: {}", error.field, error.detail))?;
    let slug: Slug = CONTEST.parse()?;
    Ok(TallyContest { slug, contest: Arc::new(contest), channels: Vec::new() })
}

/// The product's store, with a note of what is written where.
struct Watched {
    store: Arc<CqlStore>,
    partitions: Partitions,
}

impl BallotStore for Watched {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        // The bucket is part of the key, and a stretch is as long as a bucket: the shard says
        // which partition of the stretch.
        self.partitions.note(batch.id.created_at(), u32::from(batch.shard.0));
        self.store.put_batch(batch)
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: std::ops::RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        self.store.scan(contest, shard, buckets)
    }

    fn scan_except(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: std::ops::RangeInclusive<Bucket>,
        known: &Arc<HashSet<BatchId>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        self.store.scan_except(contest, shard, buckets, known)
    }
}

/// This machine's clocks.
struct LabClock(Instant);

impl Clock for LabClock {
    fn wall(&self) -> Timestamp {
        now()
    }

    fn moment(&self) -> Moment {
        let passed = self.0.elapsed().as_micros();
        Moment::from_micros(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

/// Random enough for ids that nobody has to guess.
struct LabEntropy;

impl Entropy for LabEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        fastrand::fill(bytes);
    }
}

/// The clients' figures are all that is asked for.
struct Quiet;

impl Observer for Quiet {
    fn committed(&self, _: usize, _: usize, _: Duration) {}

    fn put_failed(&self, error: &StoreError, given_up: bool) {
        if given_up {
            eprintln!("a batch was given up: {error}");
        }
    }
}
