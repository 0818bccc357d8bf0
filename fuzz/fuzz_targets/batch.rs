//! Hostile bytes as a packed batch: no panic, and only valid rows. The first byte says whether the
//! checksum is made right (so that what lies behind it is reached); the key is taken from the bytes.
#![no_main]

use ballot::{
    Ballot, BallotId, Batch, BatchId, ChannelNumber, ChoiceNumber, RECORDED_AT_MAX, Shard,
    Timestamp, Voter, limits,
};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};
use xxhash_rust::xxh3::xxh3_64;

const SLUG: &str = "tv";

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((kind, bytes)) = input.split_first() else { return Corpus::Reject };
    let mut bytes = bytes.to_vec();
    if kind & 1 == 0 {
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
    }
    let id = bytes.get(8..24).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    let batch = Batch {
        contest: SLUG.parse().expect("a slug"),
        id: BatchId::from_bytes(id),
        shard: Shard(0),
        packed: bytes.into(),
    };
    let derive = |id: BallotId| Voter::from_bytes(*id.as_bytes());
    let Ok(rows) = batch.rows_deriving(derive) else { return Corpus::Keep };
    let ballots: Vec<Ballot> = rows.collect();
    assert!((1..=limits::BATCH_BALLOTS_MAX).contains(&ballots.len()));
    for ballot in &ballots {
        assert_eq!(BallotId::from_bytes(*ballot.id.as_bytes()), Some(ballot.id));
        assert!(ballot.choice.0 < 1_024 && ballot.channel.0 < 64);
        assert!((Timestamp::from_micros(0)..=RECORDED_AT_MAX).contains(&ballot.recorded_at));
    }
    // What can be read can be packed again, into other bytes perhaps, but the same ballots.
    let again = Batch::pack(&batch.contest, 1, batch.id, &ballots);
    assert_eq!(again.unpack().as_ref(), Ok(&ballots));
    Corpus::Keep
});

// Random bytes hardly ever become a batch. So an input that is none is replaced by one now and
// then, and mutation goes on from there.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if !data[..size].get(1..3).is_some_and(|magic| magic == b"LB") {
        let fresh = fresh_batch(seed);
        if fresh.len() <= max_size {
            data[..fresh.len()].copy_from_slice(&fresh);
            return libfuzzer_sys::fuzzer_mutate(data, fresh.len(), max_size);
        }
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
});

/// A kind byte and a small batch without its checksum.
fn fresh_batch(seed: u32) -> Vec<u8> {
    let word = |n: u32| {
        let word = u64::from(seed.wrapping_add(n)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word ^ (word >> 29)
    };
    let near = |n: u32, spread: u64| {
        Timestamp::from_micros(1_795_464_000_000_000 + (word(n) % spread) as i64)
    };
    let ballot = |n: u32| Ballot {
        id: BallotId::new(near(n, 1 << (seed % 50)), [word(n) as u8; 10]),
        voter: Voter::from_bytes([word(n) as u8; 16]),
        choice: ChoiceNumber((word(n) % u64::from(1 + seed % 1_000)) as u16),
        channel: ChannelNumber((word(n) % u64::from(1 + seed % 64)) as u8),
        recorded_at: near(n + 7, 1 << (seed % 40)),
    };
    let ballots: Vec<_> = (0..1 + seed % 24).map(ballot).collect();
    let id = BatchId::new(near(0, 1_000), [seed as u8; 10]);
    let slug = SLUG.parse().expect("a slug");
    let packed = match seed & 1 {
        0 => Batch::pack(&slug, 1, id, &ballots).packed,
        _ => Batch::pack_without_voters(&slug, 1, id, &ballots).packed,
    };
    [&[0], &packed[..packed.len() - 8]].concat()
}
