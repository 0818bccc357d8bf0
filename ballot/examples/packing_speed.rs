//! How fast ballots are packed and read again, one core:
//! `cargo run --release -p ballot --example packing_speed`.
#![expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]

use std::{hint::black_box, time::Instant};

use ballot::{Ballot, BallotId, Batch, BatchId, ChannelNumber, ChoiceNumber, Timestamp, Voter};

const BALLOTS: usize = 2_000_000;
const OPENING_US: i64 = 1_795_464_000_000_000;

fn main() {
    let slug = "tv-series".parse().expect("a slug");
    println!("ballots a batch | pack ns | bytes | rows ns | rows without voters ns | unpack ns");
    for size in [16, 100, 1_000, 8_000] {
        let chunks: Vec<Vec<Ballot>> = (0..BALLOTS / size).map(|n| ballots(n, size)).collect();
        let id = |n: usize| BatchId::new(time(n, 0), [n as u8; 10]);
        let pack = |n: usize| Batch::pack(&slug, 16, id(n), &chunks[n]);
        let (pack_ns, batches) = timed(|| (0..chunks.len()).map(pack).collect::<Vec<_>>());
        let bare = |n: usize| Batch::pack_without_voters(&slug, 16, id(n), &chunks[n]);
        let bare: Vec<_> = (0..chunks.len()).map(bare).collect();
        let bytes: usize = batches.iter().map(|batch| batch.packed.len()).sum();
        let rows_ns = fastest(|| {
            for batch in &batches {
                batch.rows().expect("packed above").for_each(|ballot| {
                    black_box(&ballot);
                });
            }
        });
        let derive = |id: BallotId| Voter::from_bytes(*id.as_bytes());
        let bare_ns = fastest(|| {
            for batch in &bare {
                batch.rows_deriving(derive).expect("packed above").for_each(|ballot| {
                    black_box(&ballot);
                });
            }
        });
        let unpack_ns = fastest(|| {
            for batch in &batches {
                black_box(batch.unpack().expect("packed above"));
            }
        });
        let bytes = bytes as f64 / (chunks.len() * size) as f64;
        println!(
            "{size:15} | {pack_ns:7.1} | {bytes:5.1} | {rows_ns:7.1} | {bare_ns:22.1} | {unpack_ns:9.1}"
        );
    }
}

/// Nanoseconds a ballot, the fastest of five.
fn fastest(mut work: impl FnMut()) -> f64 {
    (0..5).map(|_| timed(&mut work).0).fold(f64::INFINITY, f64::min)
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed().as_nanos() as f64 / BALLOTS as f64, done)
}

fn time(batch: usize, row: usize) -> Timestamp {
    Timestamp::from_micros(OPENING_US + (batch * 20_000 + row * 15) as i64)
}

/// Ballots of phones whose clocks are seconds off, and one in a hundred by hours.
fn ballots(batch: usize, size: usize) -> Vec<Ballot> {
    let ballot = |row: usize| {
        let random = word((batch * size + row) as u64);
        let hours = if random.is_multiple_of(100) { 7_200_000_000 } else { 0 };
        let clock_us = (random >> 8) as i64 % 4_000_000 + hours;
        let made_at = Timestamp::from_micros(time(batch, row).as_micros() - clock_us);
        let bytes = [word(random), word(!random)].map(u64::to_be_bytes).concat();
        let whole: [u8; 16] = bytes.try_into().expect("two words");
        let (ten, _) = whole.split_first_chunk().expect("of sixteen");
        Ballot {
            id: BallotId::new(made_at, *ten),
            voter: Voter::from_bytes(whole),
            choice: ChoiceNumber((random >> 40) as u16 % 10),
            channel: ChannelNumber::WEB,
            recorded_at: time(batch, row),
        }
    };
    (0..size).map(ballot).collect()
}

/// splitmix64.
fn word(n: u64) -> u64 {
    let mut word = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
