//! One voter's selection.

use crate::{BallotId, Timestamp, Voter};

/// A choice's position in its contest's definition, from 0; below [`crate::limits::CHOICES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChoiceNumber(pub u16);

/// The way a ballot came: 0 is `web`, voters' own; gateways' channels are numbered from 1, up to
/// [`crate::limits::CHANNELS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(pub u8);

impl ChannelNumber {
    /// Voters' own ballots.
    pub const WEB: Self = Self(0);
    /// The name of [`Self::WEB`] in the counts.
    pub const WEB_NAME: &'static str = "web";
}

/// One voter's selection, as an intake node recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The idempotency key; one id within a contest.
    pub id: BallotId,
    /// The voter's pseudonym.
    pub voter: Voter,
    /// What was chosen.
    pub choice: ChoiceNumber,
    /// How it came.
    pub channel: ChannelNumber,
    /// When the request was taken in, by the node's clock.
    pub recorded_at: Timestamp,
}
