//! Times a full recount from the embedded store: as many voters as ballots, half of them for one
//! choice.
//!
//!     cargo run --release -p tally --example recount_speed -- 20000000 [folder]
//!
//! A folder that is there already is counted as it is, else it is filled; without one, a
//! temporary folder is.

#![allow(clippy::disallowed_methods, reason = "a measurement of real time")]
// An example may fail.
#![allow(clippy::unwrap_used)]

use std::{
    num::NonZero,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use ballot::{
    Ballot, BallotId, Batch, BatchId, ChannelNumber, ChoiceNumber, Contest, Timestamp, Voter,
};
use futures_util::{TryStreamExt, stream};
use rustix::time::{ClockId, clock_gettime};
use store::{BallotStore, EmbeddedSettings, EmbeddedStore};
use tally::TallyContest;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH_BALLOTS: u64 = 1_000;
const OPENS_AT: &str = "2026-11-23T20:00:00Z";
/// For the spread of the batches over buckets.
const BALLOTS_A_SECOND: u64 = 50_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let ballots: u64 = arguments.next().map_or(20_000_000, |text| text.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let folder = arguments.next().map_or_else(|| temporary.path().join("ballots"), Into::into);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if !folder.exists() {
        let started = Instant::now();
        let store = EmbeddedStore::open(&folder, EmbeddedSettings::default()).unwrap();
        runtime.block_on(fill(&store, ballots));
        drop(store);
        println!("filled in {:.1} s, {} MB", started.elapsed().as_secs_f64(), size(&folder) >> 20);
    }
    let store = EmbeddedStore::open(&folder, EmbeddedSettings::default()).unwrap();
    let cores = std::thread::available_parallelism().unwrap();
    for threads in [NonZero::<usize>::MIN, cores, cores, cores] {
        let (started, cpu_started) = (Instant::now(), cpu_time());
        let now = Timestamp::default();
        let recount =
            tally::recount(store.clone(), &contest(), None, now, threads, &|_| ()).unwrap();
        report(
            threads,
            recount.counts.ballots.recorded,
            started.elapsed(),
            cpu_time() - cpu_started,
        );
        assert_eq!(recount.counts.total, recount.counts.ballots.recorded);
    }
}

/// The wall's time is what is promised; the cores' time also says something on a busy machine.
fn report(threads: NonZero<usize>, ballots: u64, took: Duration, cpu: Duration) {
    let seconds = took.as_secs_f64();
    let (rate, each) = (ballots as f64 / seconds / 1e6, cpu.as_secs_f64() * 1e9 / ballots as f64);
    println!(
        "{ballots} ballots on {threads} threads in {seconds:.2} s: {rate:.1} M/s, \
         {each:.0} ns of core a ballot"
    );
}

/// Of all threads of this process.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

async fn fill(store: &Arc<EmbeddedStore>, ballots: u64) {
    let first: Timestamp = OPENS_AT.parse().unwrap();
    let puts = (0..ballots.div_ceil(BATCH_BALLOTS)).map(|n| {
        let start = n * BATCH_BALLOTS;
        let created_at = first.plus(Duration::from_micros(start * 1_000_000 / BALLOTS_A_SECOND));
        let count = BATCH_BALLOTS.min(ballots - start);
        let cast: Vec<_> = (0..count).map(|_| ballot(created_at)).collect();
        let id = BatchId::new(created_at, random());
        Ok(store.put_batch(Batch::pack(&contest().slug, contest().contest.shards, id, &cast)))
    });
    stream::iter(puts).try_for_each_concurrent(64, |put| put).await.unwrap();
}

fn ballot(created_at: Timestamp) -> Ballot {
    let recorded_at = created_at.plus(Duration::from_micros(fastrand::u64(0..20_000)));
    Ballot {
        id: BallotId::new(
            recorded_at.minus(Duration::from_millis(fastrand::u64(5..500))),
            random(),
        ),
        voter: Voter::from_bytes(random()),
        choice: ChoiceNumber(if fastrand::bool() { 0 } else { fastrand::u16(1..10) }),
        channel: ChannelNumber::WEB,
        recorded_at,
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fastrand::fill(&mut bytes);
    bytes
}

fn contest() -> TallyContest {
    let choices: Vec<_> =
        (0..10).map(|n| format!(r#"{{"choice": "c{n}", "title": "C"}}"#)).collect();
    let text = format!(
        r#"{{"title": "t", "opens_at": "{OPENS_AT}", "policy": "one", "choices": [{}]}}"#,
        choices.join(",")
    );
    TallyContest {
        slug: "vote".parse().unwrap(),
        contest: Arc::new(Contest::from_json(text.as_bytes()).unwrap()),
        channels: vec![],
    }
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.metadata().unwrap() {
            metadata if metadata.is_dir() => size(&entry.path()),
            metadata => metadata.len(),
        })
        .sum()
}
