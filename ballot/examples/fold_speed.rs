//! Times the fold alone, on one thread: ballots by as many voters, then the same ballots again,
//! then a small increment.
//!
//!     cargo run --release -p ballot --example fold_speed -- 20000000 [one|latest|up_to|unlimited]

// An example has a clock and may fail.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use ballot::{
    Ballot, BallotId, ChannelNumber, ChoiceNumber, Contest, Timestamp, Voter,
    fold::{Fold, Rows},
};

const CHUNK: u64 = 8_000_000;
const OPENS_AT: i64 = 1_795_464_000_000_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let ballots: u64 = arguments.next().map_or(20_000_000, |text| text.parse().unwrap());
    let policy = match arguments.next().as_deref() {
        Some("up_to") => r#"{"up_to": 20}"#.to_owned(),
        Some(word) => format!(r#""{word}""#),
        None => r#""one""#.to_owned(),
    };
    let contest = Contest::from_json(
        format!(
            r#"{{"title": "t", "opens_at": "2026-01-01T00:00:00Z", "policy": {policy},
            "choices": [{{"choice": "a", "title": "A"}}, {{"choice": "b", "title": "B"}}]}}"#
        )
        .as_bytes(),
    )
    .unwrap();
    let mut fold = Fold::new(&contest);
    let mut rows = Rows::new(fold.rules());
    for pass in ["first", "again"] {
        let (mut push, mut absorb) = (Duration::ZERO, Duration::ZERO);
        let mut next = 0;
        while next < ballots {
            let end = ballots.min(next + CHUNK);
            let (took_push, took_absorb) = chunk(&mut fold, &mut rows, next, end);
            (push, absorb) = (push + took_push, absorb + took_absorb);
            next = end;
        }
        report(pass, ballots, push, absorb);
    }
    assert_eq!(fold.votes().total(), ballots);
    println!("{:.2} bytes a voter", fold.memory_bytes() as f64 / ballots as f64);
    let (push, absorb) = chunk(&mut fold, &mut rows, ballots, ballots + 100_000);
    report("increment", 100_000, push, absorb);
    println!("{:.2} bytes a voter", fold.memory_bytes() as f64 / (ballots + 100_000) as f64);
}

fn chunk(fold: &mut Fold, rows: &mut Rows, next: u64, end: u64) -> (Duration, Duration) {
    rows.clear();
    let mut push = Duration::ZERO;
    for start in (next..end).step_by(1_000) {
        let batch: Vec<_> = (start..end.min(start + 1_000)).map(ballot).collect();
        let started = Instant::now();
        batch.iter().for_each(|ballot| rows.push(ballot).unwrap());
        push += started.elapsed();
    }
    let started = Instant::now();
    fold.absorb_rows(&[rows]);
    (push, started.elapsed())
}

fn report(what: &str, ballots: u64, push: Duration, absorb: Duration) {
    let each = |took: Duration| took.as_nanos() as f64 / ballots as f64;
    println!("{what}: push {:.1} ns, absorb {:.1} ns a ballot", each(push), each(absorb));
}

fn ballot(n: u64) -> Ballot {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&mix(n).to_be_bytes());
    let voter = u128::from(mix(n)) << 64 | u128::from(mix(!n));
    Ballot {
        id: BallotId::new(Timestamp::from_micros(OPENS_AT + n as i64), random),
        voter: Voter::from_bytes(voter.to_be_bytes()),
        choice: ChoiceNumber(u16::from(n % 10 > 4)),
        channel: ChannelNumber::WEB,
        recorded_at: Timestamp::from_micros(OPENS_AT + n as i64),
    }
}

/// SplitMix64.
fn mix(n: u64) -> u64 {
    let z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
