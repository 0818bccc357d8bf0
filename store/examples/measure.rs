//! Figures of the embedded store on this machine, for `docs/decisions/0002`.
//!
//! ```text
//! measure commit PRODUCERS BALLOTS SECONDS    puts, each as soon as the last one returned
//! measure fill DIR BALLOTS BATCH [flush]      fills a folder and prints bytes a ballot
//! measure open DIR                            how long it takes until ready
//! measure scan DIR THREADS                    a full scan, one shard a thread at a time
//! ```

#![allow(clippy::disallowed_methods, reason = "a measurement of real time")]

use std::{
    error::Error,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use ballot::{Batch, BatchId, Bucket, Shard, Slug, Timestamp};
use futures_util::StreamExt;
use store::{BallotStore, EmbeddedSettings, EmbeddedStore};

const SHARDS: u16 = 16;
/// A packed ballot with a random voter.
const BALLOT_BYTES: usize = 36;
/// As many ballots a second as a busy vote has, for the spread over buckets.
const BALLOTS_A_SECOND: u64 = 50_000;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["commit", producers, ballots, seconds] => {
            let seconds = Duration::from_secs(seconds.parse()?);
            commit(producers.parse()?, ballots.parse()?, seconds).await
        }
        ["fill", dir, ballots, batch, ref flush @ ..] => {
            fill(dir.as_ref(), ballots.parse()?, batch.parse()?, !flush.is_empty()).await
        }
        ["open", dir] => open(dir.as_ref()).map(drop),
        ["scan", dir, threads] => scan(dir.as_ref(), threads.parse()?),
        _ => Err("see the first lines of this file for what to ask".into()),
    }
}

fn contest() -> Slug {
    "tv-series".parse().expect("a slug")
}

fn batch(created_at: Timestamp, ballots: usize) -> Batch {
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    let id = BatchId::new(created_at, random);
    let mut packed = vec![0; ballots * BALLOT_BYTES];
    fastrand::fill(&mut packed);
    Batch { contest: contest(), id, shard: id.shard(SHARDS), packed: packed.into() }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_micros(since.as_micros() as i64)
}

async fn commit(producers: usize, ballots: usize, time: Duration) -> Outcome {
    let dir = tempfile::tempdir()?;
    let store = EmbeddedStore::open(dir.path(), EmbeddedSettings::default())?;
    let start = Instant::now();
    let producers = (0..producers).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut micros = Vec::new();
            while start.elapsed() < time {
                let batch = batch(now(), ballots);
                let begin = Instant::now();
                store.put_batch(batch).await?;
                micros.push(begin.elapsed().as_micros() as u64);
            }
            Ok::<_, store::StoreError>(micros)
        })
    });
    let mut micros = Vec::new();
    for producer in producers.collect::<Vec<_>>() {
        micros.extend(producer.await??);
    }
    let seconds = start.elapsed().as_secs_f64();
    micros.sort_unstable();
    let at = |part: f64| micros[((micros.len() - 1) as f64 * part) as usize];
    println!(
        "{:>8.0} puts/s  {:>9.0} ballots/s  p50 {} us  p99 {} us  max {} us",
        micros.len() as f64 / seconds,
        (micros.len() * ballots) as f64 / seconds,
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

async fn fill(dir: &Path, ballots: u64, size: usize, flush: bool) -> Outcome {
    let store = EmbeddedStore::open(dir, EmbeddedSettings::default())?;
    let (start, begin) = (now(), Instant::now());
    let batches = ballots / size as u64;
    let next = Arc::new(AtomicU64::new(0));
    let producers = (0..64).map(|_| {
        let (store, next) = (store.clone(), next.clone());
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Relaxed);
                if n >= batches {
                    return Ok::<_, store::StoreError>(());
                }
                let age = Duration::from_micros(n * size as u64 * 1_000_000 / BALLOTS_A_SECOND);
                store.put_batch(batch(start.plus(age), size)).await?;
            }
        })
    });
    for producer in producers.collect::<Vec<_>>() {
        producer.await??;
    }
    println!("filled in {:.1} s", begin.elapsed().as_secs_f64());
    if flush {
        let begin = Instant::now();
        store.flush().await?;
        println!("flushed in {:.3} s", begin.elapsed().as_secs_f64());
    }
    let bytes = disk_bytes(dir)?;
    println!(
        "{bytes} bytes on disk, {:.1} a ballot of {BALLOT_BYTES}",
        bytes as f64 / ballots as f64
    );
    if !flush {
        // As kill -9 would leave it.
        std::process::abort();
    }
    Ok(())
}

fn disk_bytes(dir: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            bytes += disk_bytes(&entry.path())?;
        }
    }
    Ok(bytes)
}

fn open(dir: &Path) -> Result<Arc<EmbeddedStore>, Box<dyn Error>> {
    let begin = Instant::now();
    let store = EmbeddedStore::open(dir, EmbeddedSettings::default())?;
    println!("opened in {:.3} s", begin.elapsed().as_secs_f64());
    Ok(store)
}

fn scan(dir: &Path, threads: usize) -> Outcome {
    let store = open(dir)?;
    for _ in 0..3 {
        let begin = Instant::now();
        let (shard, bytes, batches) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let shard = shard.fetch_add(1, Relaxed) as u16;
                        if shard >= SHARDS {
                            return;
                        }
                        let all = Bucket(0)..=Bucket(u64::MAX);
                        let stream = store.scan(&contest(), Shard(shard), all);
                        let mut stream = iterate(stream);
                        for batch in &mut stream {
                            let batch = batch.expect("a batch");
                            bytes.fetch_add(batch.packed.len() as u64, Relaxed);
                            batches.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        let (seconds, bytes) = (begin.elapsed().as_secs_f64(), bytes.into_inner());
        let batches = batches.into_inner();
        println!(
            "{batches} batches, {bytes} bytes in {seconds:.3} s: {:.2} GB/s, {:.1} M ballots/s",
            bytes as f64 / seconds / 1e9,
            (bytes / BALLOT_BYTES as u64) as f64 / seconds / 1e6
        );
    }
    Ok(())
}

/// The stream as an iterator: it never waits but for the disk.
fn iterate<T>(mut stream: impl StreamExt<Item = T> + Unpin) -> impl Iterator<Item = T> {
    std::iter::from_fn(move || {
        use futures_util::FutureExt;
        stream.next().now_or_never().flatten()
    })
}
