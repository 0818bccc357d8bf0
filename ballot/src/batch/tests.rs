use proptest::{collection::vec, prelude::*};
use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::Timestamp;
use crate::{ChannelNumber, ChoiceNumber, limits};

/// 2026-11-23T20:00:00Z.
const OPENING: Timestamp = Timestamp::from_micros(1_795_464_000_000_000);
const SHARDS: u16 = 16;

fn contest() -> Slug {
    "tv-series".parse().unwrap()
}

fn batch_id() -> BatchId {
    BatchId::new(OPENING, [0xb7; 10])
}

fn pack(ballots: &[Ballot]) -> Batch {
    Batch::pack(&contest(), SHARDS, batch_id(), ballots)
}

/// Ballot `n` of a sequence that looks random and never changes (the constants are splitmix64's).
fn word(n: u64) -> u64 {
    let mut word = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn voter(n: u64) -> Voter {
    let [high, low] = [word(n), word(!n)].map(u128::from);
    Voter::from_bytes(((high << 64) | low).to_be_bytes())
}

fn ballot_id(time_ms: i64, n: u64) -> BallotId {
    let random = [word(n ^ 0xaaaa), word(n ^ 0x5555)].map(u64::to_be_bytes).concat();
    BallotId::new(Timestamp::from_micros(time_ms * 1_000), random[..10].try_into().unwrap())
}

/// Ballots in the order they were recorded, over `spread`; clocks of phones are off by up to
/// `clocks_ms` either way, and one in a hundred by hours.
fn ballots(n: usize, choices: u64, channels: u64, spread_us: i64, clocks_ms: i64) -> Vec<Ballot> {
    let mut times: Vec<i64> =
        (0..n as u64).map(|n| word(n + 1) as i64 & i64::MAX).map(|time| time % spread_us).collect();
    times.sort_unstable();
    let ballot = |(n, after): (u64, i64)| {
        let recorded_at = Timestamp::from_micros(OPENING.as_micros() + after);
        let hours = if word(n ^ 0xc10c).is_multiple_of(100) {
            word(n ^ 0xff) as i64 % 36_000_000
        } else {
            0
        };
        let clock = word(n ^ 0x71e) as i64 % clocks_ms + hours;
        Ballot {
            id: ballot_id(recorded_at.as_millis() + clock, n),
            voter: voter(n),
            choice: ChoiceNumber((word(n ^ 0xf00) % choices) as u16),
            channel: ChannelNumber((word(n ^ 0xba5) % channels) as u8),
            recorded_at,
        }
    };
    (0..).zip(times).map(ballot).collect()
}

fn wide(n: usize) -> Vec<Ballot> {
    ballots(n, 1_000, 64, 5_000_000, 15 * 60_000)
}

fn usual(n: usize) -> Vec<Ballot> {
    ballots(n, 10, 1, 20_000, 2_000)
}

/// `batch` with its bytes changed, and the checksum made right again.
fn rechecksummed(batch: &Batch, change: impl FnOnce(&mut Vec<u8>)) -> Batch {
    let mut bytes = batch.packed.to_vec();
    bytes.truncate(bytes.len() - layout::CHECKSUM_BYTES);
    change(&mut bytes);
    let checksum = xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Batch { packed: bytes.into(), ..batch.clone() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The batch of [`the_bytes_never_change`]. What is stored must stay readable: a new format gets a
/// new version, and this test stays.
const GOLDEN: &str = "\
    4c4201000906040001a209fe720077b7b7b7b7b7b7b7b7b774762d7365726965730188110000000200250000\
    00034d0d00000004040300000005010200000006004000000001ba010006000700a80200478e01f65dfe5ca1\
    fabb8633894b3530803a29dd042ec1ccaaff14da9ecd706d1b5f7d1d4d213c7111141702bd03027212000000\
    9840e405007280000c0000000000000000336503c6b835bec0e220a8397b1dcdaf61bc8ea8124999d46e789e\
    6aa1b965f46061eff69a95c91c06c45d188009454f1ac88c3adb3504ffa7541417a52ceed0";

#[test]
fn the_bytes_never_change() {
    let mut ballots = ballots(4, 10, 2, 20_000, 100);
    ballots[2].id = ballot_id(1, 2);
    let batch = pack(&ballots);
    assert_eq!(hex(&batch.packed), GOLDEN);
    assert_eq!(batch.unpack().as_deref(), Ok(&*ballots));
}

#[test]
fn sizes() {
    let bytes = |ballots: &[Ballot]| {
        let without = Batch::pack_without_voters(&contest(), SHARDS, batch_id(), ballots);
        let each = |batch: &Batch| batch.packed.len() as f64 / ballots.len() as f64;
        (each(&pack(ballots)), each(&without))
    };
    for n in [16, 64, 100, 1_000, 8_000] {
        println!("{n} ballots: usual {:?}, wide {:?}", bytes(&usual(n)), bytes(&wide(n)));
    }
    for (ballots, with, without) in [
        (wide(1_000), 32.1, 16.0),
        (usual(1_000), 28.4, 12.4),
        (usual(100), 29.6, 13.6),
        (usual(16), 35.5, 19.5),
    ] {
        let (n, bytes) = (ballots.len(), bytes(&ballots));
        assert!(bytes.0 <= with && bytes.1 <= without, "{n} ballots: {bytes:?} bytes each");
    }
}

#[test]
fn the_largest_batch_fits_whatever_it_holds() {
    let ballot = |n: u64| Ballot {
        id: ballot_id((word(n) >> 16) as i64, n),
        recorded_at: Timestamp::from_micros(word(n ^ 1) as i64),
        ..wide(1)[0]
    };
    let ballots: Vec<_> = (0..limits::BATCH_BALLOTS_MAX as u64).map(ballot).collect();
    let batch = pack(&ballots);
    assert!(batch.packed.len() <= limits::BATCH_BYTES_MAX, "{} bytes", batch.packed.len());
    assert_eq!(batch.rows().unwrap().len(), ballots.len());
}

#[test]
fn voters_may_be_derived() {
    let derive = |id: BallotId| Voter::from_bytes(*id.as_bytes());
    let mut ballots = usual(20);
    ballots.iter_mut().for_each(|ballot| ballot.voter = derive(ballot.id));
    let without = Batch::pack_without_voters(&contest(), SHARDS, batch_id(), &ballots);
    assert_eq!(without.rows_deriving(derive).unwrap().collect::<Vec<_>>(), ballots);
    assert_eq!(without.unpack(), Err(CorruptBatch("the voters are not stored")));
    let with = pack(&ballots);
    let other = |_| Voter::from_bytes([0; 16]);
    let stored: Vec<_> = with.rows_deriving(other).unwrap().collect();
    assert_eq!(stored, ballots, "stored voters come before derived ones");
}

#[test]
#[should_panic(expected = "0 ballots")]
fn an_empty_batch_cannot_be_packed() {
    pack(&[]);
}

#[test]
#[should_panic(expected = "choice")]
fn a_choice_number_past_the_limit_cannot_be_packed() {
    pack(&[Ballot { choice: ChoiceNumber(1_024), ..usual(1)[0] }]);
}

#[test]
fn the_key_must_be_the_batchs() {
    let batch = pack(&usual(3));
    let read = |contest: &str, id| {
        Batch::read(contest.parse().unwrap(), id, batch.shard, batch.packed.clone()).map(|_| ())
    };
    assert_eq!(read("tv-series", batch.id), Ok(()));
    let another = CorruptBatch("another contest's ballots");
    assert_eq!(read("tv-serie", batch.id), Err(another.clone()));
    assert_eq!(read("tv-serief", batch.id), Err(another));
    let id = BatchId::new(OPENING, [0xb8; 10]);
    assert_eq!(read("tv-series", id), Err(CorruptBatch("another batch's ballots")));
}

#[test]
fn newer_formats_are_refused_and_optional_columns_skipped() {
    let ballots = usual(5);
    let batch = pack(&ballots);
    for byte in [2, 3] {
        let newer = rechecksummed(&batch, |bytes| bytes[byte] ^= 2);
        assert_eq!(newer.unpack(), Err(CorruptBatch("a newer format")));
    }
    let with_column = |tag: u8| {
        rechecksummed(&batch, |bytes| {
            bytes[5] += 1;
            let directory_end = layout::HEADER_BYTES + contest().as_str().len() + 6 * 6;
            bytes.splice(directory_end..directory_end, [tag, 9, 3, 0, 0, 0]);
            bytes.extend_from_slice(b"new");
        })
    };
    assert_eq!(with_column(0x80).unpack(), Ok(ballots));
    assert_eq!(with_column(7).unpack(), Err(CorruptBatch("a column of a newer format")));
    assert_eq!(with_column(6).unpack(), Err(CorruptBatch("columns out of order")));
}

#[test]
fn numbers_past_their_limits_are_refused() {
    let mut ballots = usual(3);
    ballots.iter_mut().for_each(|ballot| ballot.choice = ChoiceNumber(1_023));
    let batch = pack(&ballots);
    let directory = layout::HEADER_BYTES + contest().as_str().len();
    let length = |bytes: &[u8], n: usize| bytes[directory + 6 * n + 2] as usize;
    // The constants stand after their length byte: 2 of the choice, none of the channel (0).
    let choice_at =
        |bytes: &[u8]| directory + 6 * 6 + (0..3).map(|n| length(bytes, n)).sum::<usize>() + 1;
    let choice = rechecksummed(&batch, |bytes| {
        let at = choice_at(bytes);
        assert_eq!(bytes[at - 1..at + 2], [2, 0xff, 0x03]);
        bytes[at + 1] = 4;
    });
    assert_eq!(choice.unpack(), Err(CorruptBatch("a choice number is too large")));
    let channel = rechecksummed(&batch, |bytes| {
        let at = choice_at(bytes) + 2;
        assert_eq!(bytes[at], 0);
        bytes[at] = 1;
        bytes.insert(at + 1, 64);
        bytes[directory + 6 * 4 + 2] += 1;
    });
    assert_eq!(channel.unpack(), Err(CorruptBatch("a channel number is too large")));
}

#[test]
fn cut_and_flipped_bytes_are_noticed() {
    let batch = pack(&usual(17));
    let with = |packed: Vec<u8>| Batch { packed: packed.into(), ..batch.clone() }.unpack();
    for length in 0..batch.packed.len() {
        assert!(with(batch.packed[..length].to_vec()).is_err(), "cut to {length} bytes");
    }
    for bit in 0..batch.packed.len() * 8 {
        let mut bytes = batch.packed.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(with(bytes).is_err(), "bit {bit} flipped");
    }
    assert!(with(vec![0; limits::BATCH_BYTES_MAX + 1]).is_err());
}

#[test]
fn cuts_are_noticed_without_the_checksum_too() {
    for ballots in [usual(17), wide(200)] {
        let batch = pack(&ballots);
        for length in 0..batch.packed.len() - layout::CHECKSUM_BYTES {
            let cut = rechecksummed(&batch, |bytes| bytes.truncate(length));
            assert!(cut.unpack().is_err(), "cut to {length} bytes");
        }
    }
}

/// Whatever the bytes say: no panic, and rows that are valid.
fn read_hostile(batch: &Batch) -> Result<(), CorruptBatch> {
    let rows = batch.rows_deriving(|id| Voter::from_bytes(*id.as_bytes()))?;
    let expected = rows.len();
    assert!((1..=limits::BATCH_BALLOTS_MAX).contains(&expected));
    let mut seen = 0;
    for ballot in rows {
        assert_eq!(BallotId::from_bytes(*ballot.id.as_bytes()), Some(ballot.id));
        assert!(ballot.choice.0 < 1_024 && ballot.channel.0 < 64);
        assert!((Timestamp::from_micros(0)..=RECORDED_AT_MAX).contains(&ballot.recorded_at));
        seen += 1;
    }
    assert_eq!(seen, expected);
    Ok(())
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    let near = OPENING.as_micros();
    prop_oneof![
        10 => near - 1_000_000..near + 1_000_000,
        1 => 0..=RECORDED_AT_MAX.as_micros(),
        1 => prop_oneof![Just(0), Just(1), Just(RECORDED_AT_MAX.as_micros())],
    ]
    .prop_map(Timestamp::from_micros)
}

fn any_ballot() -> impl Strategy<Value = Ballot> {
    let id_ms = prop_oneof![
        10 => any_time().prop_map(|time| time.as_millis().min((1 << 48) - 1)),
        1 => prop_oneof![Just(0), Just(1), Just((1_i64 << 48) - 1), 0..1_i64 << 48],
    ];
    (id_ms, any::<u64>(), any::<[u8; 16]>(), 0..1_024_u16, 0..64_u8, any_time()).prop_map(
        |(id_ms, random, voter, choice, channel, recorded_at)| Ballot {
            id: ballot_id(id_ms, random),
            voter: Voter::from_bytes(voter),
            choice: ChoiceNumber(choice),
            channel: ChannelNumber(channel),
            recorded_at,
        },
    )
}

proptest! {
    #[test]
    fn what_is_packed_is_unpacked(
        mut ballots in vec(any_ballot(), 1..300),
        sorted: bool,
        created_ms in prop_oneof![Just(0), Just((1_i64 << 48) - 1), Just(OPENING.as_millis())],
    ) {
        if sorted {
            ballots.sort_by_key(|ballot| (ballot.recorded_at, ballot.id));
        }
        let id = BatchId::new(Timestamp::from_micros(created_ms * 1_000), [9; 10]);
        let batch = Batch::pack(&contest(), SHARDS, id, &ballots);
        prop_assert_eq!(batch.shard, id.shard(SHARDS));
        let unpacked = batch.unpack().unwrap();
        prop_assert_eq!(&unpacked, &ballots);
        let without = Batch::pack_without_voters(&contest(), SHARDS, id, &ballots);
        let voter = Voter::from_bytes([1; 16]);
        for (row, ballot) in without.rows_deriving(|_| voter).unwrap().zip(&ballots) {
            prop_assert_eq!(row, Ballot { voter, ..*ballot });
        }
    }

    #[test]
    fn a_time_past_the_limits_becomes_the_nearest(micros: i64) {
        let recorded_at = Timestamp::from_micros(micros);
        let batch = pack(&[Ballot { recorded_at, ..usual(1)[0] }]);
        let nearest = recorded_at.clamp(Timestamp::from_micros(0), RECORDED_AT_MAX);
        prop_assert_eq!(batch.unpack().unwrap()[0].recorded_at, nearest);
    }

    #[test]
    fn hostile_bytes_with_a_right_checksum_do_no_harm(
        n in 1..40_usize,
        from_wide: bool,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        // Header, directory and the columns' own headers are where the danger is.
        near_start: bool,
    ) {
        let batch = pack(&if from_wide { wide(n) } else { usual(n) });
        let changed = rechecksummed(&batch, |bytes| for (index, byte) in changes {
            let range = if near_start { 120.min(bytes.len()) } else { bytes.len() };
            bytes[index.index(range)] = byte;
        });
        let _ = read_hostile(&changed);
    }

    #[test]
    fn any_column_bytes_do_no_harm(
        encoding: u8, column in vec(any::<u8>(), 0..200), rows in 1..40_usize,
    ) {
        let whole = [&column[..], &[0xff; 8]].concat();
        if let Ok(mut integers) =
            integers::Integers::parse(&whole, 0, column.len(), encoding, rows)
        {
            let below = integers.is_below(1_024);
            for _ in 0..rows {
                let number = integers.next();
                prop_assert!(!below || (0..1_024).contains(&number));
            }
        }
    }

    #[test]
    fn integers_of_any_spread_are_kept(
        mut values in vec(prop_oneof![-5_000..5_000_i64, -(1_i64 << 61)..1 << 61], 1..200),
        scale in 0..50_u32,
        sorted: bool,
    ) {
        values.iter_mut().for_each(|value| *value >>= scale);
        if sorted {
            values.sort_unstable();
        }
        let mut column = Vec::new();
        let encoding = integers::write(&values, &mut column);
        let whole = [&column[..], &[0xff; 8]].concat();
        let mut integers =
            integers::Integers::parse(&whole, 0, column.len(), encoding, values.len()).unwrap();
        let read: Vec<_> = values.iter().map(|_| integers.next()).collect();
        prop_assert_eq!(read, values);
    }
}
