//! Ballot ids and batch ids (both UUIDv7, RFC 9562 section 5.7), and the shard of a batch.

use std::fmt;

use serde::{Serialize, Serializer};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::{Bucket, Timestamp};

/// The idempotency key of a ballot: a UUIDv7 that the client made before it sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BallotId([u8; 16]);

impl BallotId {
    /// Reads the hyphenated form, in either case.
    pub fn parse(text: &str) -> Result<Self, InvalidBallotId> {
        // `uuid` also reads the forms without hyphens, in braces and as a URN: by length, not ours.
        if text.len() != 36 {
            return Err(InvalidBallotId);
        }
        let id = Uuid::try_parse(text).map_err(|_| InvalidBallotId)?;
        Self::from_bytes(id.into_bytes()).ok_or(InvalidBallotId)
    }

    /// From its 16 bytes, if they are a UUID of version 7 and the RFC 9562 variant.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes[6] >> 4 == 7 && bytes[8] >> 6 == 0b10).then_some(Self(bytes))
    }

    /// Made from a time and 10 random bytes, of which 74 bits are used.
    pub fn new(time: Timestamp, random: [u8; 10]) -> Self {
        Self(uuid_v7(time, random))
    }

    /// From the low 48 bits of `millis`, and 74 random bits: the low 10 of `high`, and `low`. The
    /// version and the variant come by construction.
    pub(crate) fn from_parts(millis: u64, high: u16, low: u64) -> Self {
        let high = (u64::from(high & 0x3ff) << 2) | (low >> 62);
        let first = (millis << 16) | 0x7000 | high;
        let second = (0b10 << 62) | (low & (u64::MAX >> 2));
        let bytes = (u128::from(first) << 64) | u128::from(second);
        Self(bytes.to_be_bytes())
    }

    /// The 74 random bits, as [`Self::from_parts`] takes them.
    pub(crate) fn random_parts(&self) -> (u16, u64) {
        let bytes = u128::from_be_bytes(self.0);
        let (first, second) = ((bytes >> 64) as u64, bytes as u64);
        (((first >> 2) & 0x3ff) as u16, (first << 62) | (second & (u64::MAX >> 2)))
    }

    /// The 16 bytes, in the order they are written.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// When the client made it, by the client's clock; whole milliseconds.
    pub fn time(&self) -> Timestamp {
        uuid_time(&self.0)
    }
}

/// Not a UUIDv7 in the hyphenated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID of version 7 in its hyphenated form")]
pub struct InvalidBallotId;

impl fmt::Display for BallotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for BallotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for BallotId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A batch's id: a UUIDv7 whose time is the batch's creation, so that the id alone gives the
/// bucket, and with the contest's `shards` the whole key. A put of the same id is the same put.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId([u8; 16]);

impl BatchId {
    /// Made from the batch's creation and 10 random bytes, of which 74 bits are used.
    pub fn new(created_at: Timestamp, random: [u8; 10]) -> Self {
        Self(uuid_v7(created_at, random))
    }

    /// From its 16 bytes, as read from a store.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, in the order they are written.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// When the batch was made, by its node's clock; whole milliseconds.
    pub fn created_at(&self) -> Timestamp {
        uuid_time(&self.0)
    }

    /// The bucket of the batch's creation.
    pub fn bucket(&self) -> Bucket {
        self.created_at().bucket()
    }

    /// `xxh3_64(id) mod shards`: the calculated suffix of the key, the same on every retry.
    pub fn shard(&self, shards: u16) -> Shard {
        Shard((xxh3_64(&self.0) % u64::from(shards.max(1))) as u16)
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which part of a contest's batches; below the contest's `shards`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u16);

/// RFC 9562 section 5.7: 48 bits of Unix milliseconds, version, 12 random bits, variant, 62 random bits.
fn uuid_v7(time: Timestamp, random: [u8; 10]) -> [u8; 16] {
    let millis = (time.as_millis().max(0) as u64).to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis[2..]);
    bytes[6..].copy_from_slice(&random);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    bytes
}

fn uuid_time(bytes: &[u8; 16]) -> Timestamp {
    let [a, b, c, d, e, f, ..] = *bytes;
    let millis = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    Timestamp::from_micros(millis as i64 * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_example_of_the_rfc() {
        // RFC 9562, appendix A.6.
        let id = BallotId::parse("017F22E2-79B0-7CC3-98C4-DC0C0C07398F").unwrap();
        assert_eq!(id.to_string(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
        assert_eq!(id.time().to_string(), "2022-02-22T19:22:22Z");
    }

    #[test]
    fn refuses_other_versions_variants_and_forms() {
        for bad in [
            "",
            "017f22e279b07cc398c4dc0c0c07398f",
            "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
            "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",
            "017f22e2-79b0-7cc3-d8c4-dc0c0c07398f",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
            "017f22e2-79b0-7cc398-c4-dc0c0c07398f",
        ] {
            assert_eq!(BallotId::parse(bad), Err(InvalidBallotId), "{bad}");
        }
    }

    #[test]
    fn a_made_id_is_valid_and_keeps_its_time() {
        let time = Timestamp::from_micros(1_795_464_000_123_456);
        let id = BallotId::new(time, [0xff; 10]);
        assert_eq!(BallotId::from_bytes(*id.as_bytes()), Some(id));
        assert_eq!(id.time(), time.floor_to_millis());
        assert_eq!(BatchId::new(time, [1; 10]).bucket(), time.bucket());
    }

    #[test]
    fn shards_are_even() {
        let mut batches = [0; 16];
        for n in 0..16_000_u64 {
            let mut random = [0; 10];
            random[2..].copy_from_slice(&n.to_be_bytes());
            let id = BatchId::new(Timestamp::from_micros(1_795_464_000_000_000), random);
            batches[usize::from(id.shard(16).0)] += 1;
        }
        assert!(batches.iter().all(|n| (800..1200).contains(n)), "{batches:?}");
    }
}
