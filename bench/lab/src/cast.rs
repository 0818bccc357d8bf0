//! The contest of the lab and one ballot of it, as every design gets it.

use std::time::SystemTime;

use ballot::Timestamp;
use uuid::Uuid;

/// The contest's name.
pub const CONTEST: &str = "tv-series";
/// `series-00` to `series-09`.
pub const CHOICES: usize = 10;
/// Over how many suffixes or shards the designs spread that spread at all; Landslide's default.
pub const SHARDS: u16 = ballot::limits::SHARDS_DEFAULT;

/// One ballot, read and found good.
#[derive(Clone, Copy)]
pub struct Cast {
    pub ballot_id: Uuid,
    pub device: Uuid,
    pub choice: u16,
    pub recorded_at: Timestamp,
}

/// The number of a choice's name.
pub fn choice_number(slug: &str) -> Option<u16> {
    let digits = slug.strip_prefix("series-")?;
    // What Rust reads as a number may have a sign.
    let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().filter(|number| usize::from(*number) < CHOICES)
}

/// The name of a choice.
pub fn choice_slug(number: usize) -> String {
    format!("series-{number:02}")
}

pub fn now() -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_micros(since.as_micros() as i64)
}
