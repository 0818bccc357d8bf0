//! Who is one voter: an identity of the admission rule, kept only as a pseudonym.

use std::fmt;

use uuid::Uuid;

use crate::{BallotId, Slug};

/// A voter as the store knows one: 16 bytes of a hash keyed per contest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Voter([u8; 16]);

impl Voter {
    /// From its 16 bytes, as read from a store.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, in the order they are written.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Voter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The secret of a contest that turns identities into pseudonyms. Destroying it unlinks every
/// ballot from its voter's identity.
#[derive(Clone)]
pub struct ContestKey([u8; 32]);

impl ContestKey {
    /// From 32 random bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, to be stored; never to be logged.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The pseudonym of a device: keyed BLAKE3 of its id, cut to 16 bytes.
    pub fn voter_of_device(&self, device: Device) -> Voter {
        let mut input = [0; 17];
        input[0] = Domain::Device as u8;
        input[1..].copy_from_slice(&device.0);
        Voter(self.hash(&input))
    }

    /// The pseudonym of a gateway's voter: keyed BLAKE3 of channel and voter, cut to 16 bytes.
    pub fn voter_of_channel(&self, channel: &Slug, voter: &str) -> Voter {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[Domain::Channel as u8]);
        hasher.update(channel.as_str().as_bytes());
        // A slug has no NUL, so no channel and voter can be read as another pair.
        hasher.update(&[0]);
        hasher.update(voter.as_bytes());
        Voter(first_16(hasher.finalize()))
    }

    /// The edition of a contest that was made before contests had one: derived from its key, which was
    /// drawn when it was made.
    pub fn edition(&self) -> String {
        let hash = blake3::derive_key("landslide 2026-11-28 a contest's edition", &self.0);
        let [a, b, c, d, e, f, g, h, ..] = hash;
        format!("{:016x}", u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The device of a ballot that came without one: derived from the ballot id, so that a first
    /// vote retried on another node is still one voter.
    pub fn device_of_ballot(&self, ballot_id: BallotId) -> Device {
        let mut input = [0; 17];
        input[0] = Domain::DeviceOfBallot as u8;
        input[1..].copy_from_slice(ballot_id.as_bytes());
        let random = uuid::Builder::from_random_bytes(self.hash(&input));
        Device(random.into_uuid().into_bytes())
    }

    fn hash(&self, input: &[u8]) -> [u8; 16] {
        first_16(blake3::keyed_hash(&self.0, input))
    }
}

impl fmt::Debug for ContestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContestKey(..)")
    }
}

/// First byte of every hashed identity, so that no two kinds of identity collide.
#[repr(u8)]
enum Domain {
    Device = 1,
    Channel = 2,
    DeviceOfBallot = 3,
}

fn first_16(hash: blake3::Hash) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    bytes
}

/// What a client says it is: a UUIDv4 that it made once and keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device([u8; 16]);

impl Device {
    /// Reads a UUIDv4 in the hyphenated form; anything else is no device.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        let bytes = Uuid::try_parse(text).ok()?.into_bytes();
        (bytes[6] >> 4 == 4 && bytes[8] >> 6 == 0b10).then_some(Self(bytes))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: ContestKey = ContestKey::from_bytes([7; 32]);

    #[test]
    fn identities_do_not_collide_across_kinds_and_keys() {
        let id = BallotId::parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").unwrap();
        let device = KEY.device_of_ballot(id);
        assert_eq!(
            Device::parse(&device.to_string()),
            Some(device),
            "a derived device is a UUIDv4"
        );
        let (sms, sm) = ("sms".parse().unwrap(), "sm".parse().unwrap());
        let voters = [
            KEY.voter_of_device(device),
            ContestKey::from_bytes([8; 32]).voter_of_device(device),
            KEY.voter_of_channel(&sms, "1"),
            KEY.voter_of_channel(&sm, "s1"),
        ];
        for (n, voter) in voters.iter().enumerate() {
            assert!(!voters[..n].contains(voter));
        }
    }

    #[test]
    fn the_pseudonym_never_changes() {
        // Golden: a change would make two voters of everyone who voted before an upgrade.
        let device = Device::parse("11111111-2222-4333-8444-555555555555").unwrap();
        let sms = "sms".parse().unwrap();
        assert_eq!(
            format!("{:?} {:?}", KEY.voter_of_device(device), KEY.voter_of_channel(&sms, "+41")),
            "116e85210d4ff30947f2e719f35a623e d259079f3f6fb77ed87613e359b537cc"
        );
    }
}
