//! The one place where the time of day is read: ballot ids carry it.

use std::time::{SystemTime, UNIX_EPOCH};

use ballot::Timestamp;

/// Now, by this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(since.as_micros() as i64)
}
