//! The counts row in the control store, `counts/{contest}`, and its fence.

use std::sync::Arc;

use ballot::{Counts, CountsStatus, Slug, Timestamp};
use bytes::Bytes;
use store::{ControlStore, Document, Read, StoreError, Version};

/// A worker's hold on a counts row. Every write needs the version that the last one left, so
/// after another worker has claimed the row, no write of this one succeeds.
pub(crate) struct CountsRow {
    control: Arc<dyn ControlStore>,
    key: String,
    version: Version,
    /// Of the row as it is in the store; 0 if there is none.
    generation: u64,
    counted_through: Timestamp,
}

/// What is there when a worker claims a row.
pub(crate) enum Claim {
    /// The row is this worker's to write.
    Claimed(CountsRow),
    /// The count is final: the tally writes it no more.
    Finished(Counts),
}

impl CountsRow {
    /// Claims the row by raising its generation: what its former holder writes late is refused.
    /// Where there is no row yet, whoever writes the first has it.
    pub(crate) async fn claim(
        control: Arc<dyn ControlStore>,
        contest: &Slug,
    ) -> Result<Claim, StoreError> {
        let key = key(contest);
        let Some(document) = control.get(&key, Read::Serial).await? else {
            let (version, counted_through) = (Version::NONE, Timestamp::default());
            let row = Self { control, key, version, generation: 0, counted_through };
            return Ok(Claim::Claimed(row));
        };
        let counts = read(&key, &document)?;
        if counts.status >= CountsStatus::Final {
            return Ok(Claim::Finished(counts));
        }
        let (version, generation) = (document.version, counts.generation);
        let counted_through = counts.counted_through;
        let row = Self { control, key, version, generation, counted_through };
        let (row, _) = row.write(counts).await?;
        Ok(Claim::Claimed(row))
    }

    /// What the row claims to count. Whoever scans after it was claimed has seen all that its writer
    /// saw, so the next row may claim as much, also by a clock that is behind.
    pub(crate) fn counted_through(&self) -> Timestamp {
        self.counted_through
    }

    /// Writes the row with the next generation. After an error it is unknown whose the row is:
    /// claim it again.
    pub(crate) async fn write(mut self, counts: Counts) -> Result<(Self, Counts), StoreError> {
        let counts = Counts { generation: self.generation + 1, ..counts };
        let body = Bytes::from(serde_json::to_vec(&counts).expect("counts are plain JSON"));
        self.version = self.control.compare_and_swap(&self.key, self.version, body).await?;
        self.generation = counts.generation;
        self.counted_through = counts.counted_through;
        Ok((self, counts))
    }
}

pub(crate) fn key(contest: &Slug) -> String {
    format!("counts/{contest}")
}

pub(crate) fn read(key: &str, document: &Document) -> Result<Counts, StoreError> {
    serde_json::from_slice(&document.body)
        .map_err(|error| StoreError::Corrupt(format!("{key}: {error}").into()))
}
