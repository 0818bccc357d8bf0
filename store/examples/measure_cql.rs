//! Figures of the store on a cluster, for `docs/decisions/0006`, and how it takes a node's fault:
//! kill or pause one while it puts.
//!
//! ```text
//! measure_cql ADDRESS put IN_FLIGHT BALLOTS SECONDS   batches as an intake puts them
//! measure_cql ADDRESS scan CONTEST                    all shards of what a put left there
//! ```
//!
//! `ADDRESS` is as in `cql://127.0.0.1/landslide`; the schema is made if it is missing.

#![allow(clippy::disallowed_methods, reason = "a measurement of real time")]

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ballot::{Batch, BatchId, Bucket, Shard, Slug, Timestamp, timing::COMMIT_DEADLINE};
use futures_util::{StreamExt, TryStreamExt, future::join_all};
use parking_lot::Mutex;
use store::{BallotStore, CqlSettings, CqlStore};

const SHARDS: u16 = 16;
/// A packed ballot with a random voter.
const BALLOT_BYTES: usize = 36;
/// The intake's pauses before it tries again.
const RETRY_MIN: Duration = Duration::from_millis(10);
const RETRY_MAX: Duration = Duration::from_millis(500);

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [address, ref rest @ ..] = args[..] else { return Err("an address is missing".into()) };
    let settings: CqlSettings = address.parse()?;
    CqlStore::apply_schema(&settings).await?;
    let started = Instant::now();
    let store = CqlStore::connect(&settings).await?;
    println!("connected in {:?}", started.elapsed());
    match *rest {
        ["put", in_flight, ballots, seconds] => {
            let seconds = Duration::from_secs(seconds.parse()?);
            put(store, in_flight.parse()?, ballots.parse()?, seconds).await
        }
        ["scan", contest] => scan(store, contest.parse()?).await,
        _ => Err("see the first lines of this file for what to ask".into()),
    }
}

#[derive(Default)]
struct Puts {
    /// When each batch was acknowledged, and after how long.
    acknowledged: Vec<(Instant, Duration)>,
    failed_tries: usize,
    given_up: usize,
}

async fn put(store: Arc<CqlStore>, in_flight: usize, ballots: usize, time: Duration) -> Outcome {
    let contest: Slug = format!("measure-{:016x}", fastrand::u64(..)).parse()?;
    let (puts, started) = (Mutex::new(Puts::default()), Instant::now());
    let producers = (0..in_flight).map(async |_| {
        while started.elapsed() < time {
            put_one(&store, batch(&contest, ballots), &puts).await;
        }
    });
    join_all(producers).await;
    let elapsed = started.elapsed();
    let Puts { mut acknowledged, failed_tries, given_up } = puts.into_inner();
    let count = acknowledged.len();
    acknowledged.sort_unstable();
    let moments = acknowledged.iter().map(|(at, _)| *at);
    let (mut gap_max, mut before) = (Duration::ZERO, started);
    for moment in moments.chain([started + elapsed]) {
        gap_max = gap_max.max(moment - before);
        before = moment;
    }
    let mut latencies: Vec<_> = acknowledged.iter().map(|(_, latency)| *latency).collect();
    latencies.sort_unstable();
    let at = |share: usize| latencies.get(count * share / 1_000).copied().unwrap_or_default();
    let a_second = (count * ballots) as f64 / elapsed.as_secs_f64();
    println!("{contest}: {count} batches of {ballots}, {a_second:.0} ballots/s");
    println!("p50 {:?}, p99 {:?}, p99.9 {:?}", at(500), at(990), at(999));
    println!("slowest {:?}", latencies.last().copied().unwrap_or_default());
    println!("{failed_tries} tries failed, {given_up} batches given up");
    println!("longest time without an acknowledgement {gap_max:?}");
    Ok(())
}

/// As the intake does it: the same batch, until it is acknowledged or too old.
async fn put_one(store: &CqlStore, batch: Batch, puts: &Mutex<Puts>) {
    let (created, mut pause) = (tokio::time::Instant::now(), RETRY_MIN);
    let deadline = created + COMMIT_DEADLINE;
    loop {
        let put = tokio::time::timeout_at(deadline, store.put_batch(batch.clone())).await;
        if matches!(put, Ok(Ok(()))) && created.elapsed() < COMMIT_DEADLINE {
            return puts.lock().acknowledged.push((Instant::now(), created.elapsed()));
        }
        puts.lock().failed_tries += 1;
        if created.elapsed() >= COMMIT_DEADLINE {
            puts.lock().given_up += 1;
            return;
        }
        tokio::time::sleep(pause.mul_f64(fastrand::f64())).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

fn batch(contest: &Slug, ballots: usize) -> Batch {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    let id = BatchId::new(Timestamp::from_micros(now.as_micros() as i64), random);
    let mut packed = vec![0; ballots * BALLOT_BYTES];
    fastrand::fill(&mut packed);
    Batch { contest: contest.clone(), id, shard: id.shard(SHARDS), packed: packed.into() }
}

/// Two shards at a time, as a count on two cores does.
async fn scan(store: Arc<CqlStore>, contest: Slug) -> Outcome {
    let started = Instant::now();
    let shards = futures_util::stream::iter(0..SHARDS).map(|shard| {
        let (store, contest) = (store.clone(), contest.clone());
        tokio::spawn(async move {
            let batches = store.scan(&contest, Shard(shard), Bucket(0)..=Bucket(u64::MAX));
            let add = async |(batches, bytes), batch: Batch| {
                Ok((batches + 1, bytes + batch.packed.len()))
            };
            batches.try_fold((0_usize, 0_usize), add).await
        })
    });
    let mut shards = shards.buffer_unordered(2);
    let (mut batches, mut bytes) = (0, 0);
    while let Some(shard) = shards.next().await {
        let shard = shard??;
        batches += shard.0;
        bytes += shard.1;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{batches} batches, {bytes} bytes in {seconds:.2} s");
    let ballots = (bytes / BALLOT_BYTES) as f64 / seconds;
    println!("{:.0} batches/s, {ballots:.0} ballots/s", batches as f64 / seconds);
    Ok(())
}
