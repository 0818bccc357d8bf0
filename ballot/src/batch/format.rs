//! What reading and writing a packed batch have in common: its bounds, and what is wrong with bytes.

use crate::Timestamp;

/// The last moment that a packed ballot can have been recorded at, the end of the year 9999: what
/// RFC 3339 can write. The first is the Unix epoch.
pub const RECORDED_AT_MAX: Timestamp = Timestamp::from_micros(253_402_300_799_999_999);
/// Choice numbers are below this: 10 bits, as in [`crate::limits::CHOICES_MAX`].
pub(super) const CHOICE_NUMBERS: u64 = 1 << 10;
/// Channel numbers are below this: 6 bits, as in [`crate::limits::CHANNELS_MAX`].
pub(super) const CHANNEL_NUMBERS: u64 = 1 << 6;

/// Bytes that are not a packed batch, or not the one that the key says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("corrupt batch: {0}")]
pub struct CorruptBatch(pub &'static str);
