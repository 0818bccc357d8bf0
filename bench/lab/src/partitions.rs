//! How the writes spread over partitions: counted by partition key and stretch of 10 s.

use std::collections::HashMap;

use ballot::{Bucket, Timestamp};
use parking_lot::Mutex;
use serde::Serialize;

/// Older stretches are forgotten, so that a long run stays small.
const STRETCHES_MAX: u64 = 60;

/// Counts writes. A key is a number that the design makes of its partition key.
#[derive(Default)]
pub struct Partitions(Mutex<HashMap<(Bucket, u32), u64>>);

/// How often a partition was written to in a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Writes {
    /// The stretch's number since 1970.
    pub stretch: u64,
    pub partition: u32,
    pub writes: u64,
}

impl Partitions {
    /// Notes a write.
    pub fn note(&self, at: Timestamp, partition: u32) {
        let bucket = at.bucket();
        let mut counted = self.0.lock();
        let before = counted.len();
        *counted.entry((bucket, partition)).or_default() += 1;
        if counted.len() > before {
            counted.retain(|(other, _), _| other.0 + STRETCHES_MAX > bucket.0);
        }
    }

    /// All writes noted so far.
    pub fn writes(&self) -> Vec<Writes> {
        let counted = self.0.lock();
        let all = counted.iter().map(|((stretch, partition), writes)| Writes {
            stretch: stretch.0,
            partition: *partition,
            writes: *writes,
        });
        all.collect()
    }
}
