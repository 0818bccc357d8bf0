//! Counts rows for all who ask: ten thousand viewers cost the store one read.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ballot::{Counts, Moment, NodeClock, Slug};
use parking_lot::Mutex;
use store::{ControlStore, Read, StoreError};

/// The counts rows of a node's contests, as the tally left them, read again when they have some age.
pub(crate) struct CountsRows {
    control: Arc<dyn ControlStore>,
    clock: Arc<NodeClock>,
    age_max: Duration,
    rows: Mutex<HashMap<Slug, Row>>,
}

/// Locked while it is read: whoever comes meanwhile waits for the same read.
type Row = Arc<tokio::sync::Mutex<Option<(Moment, Option<Arc<Counts>>)>>>;

impl CountsRows {
    /// Rows are read again after `age_max`; zero reads them every time.
    pub(crate) fn new(
        control: Arc<dyn ControlStore>,
        clock: Arc<NodeClock>,
        age_max: Duration,
    ) -> Self {
        Self { control, clock, age_max, rows: Mutex::default() }
    }

    /// A contest's row; `None` before its first count.
    pub(crate) async fn get(&self, slug: &Slug) -> Result<Option<Arc<Counts>>, StoreError> {
        if self.age_max.is_zero() {
            return self.read(slug).await;
        }
        let row = Arc::clone(self.rows.lock().entry(slug.clone()).or_default());
        let mut row = row.lock().await;
        // The age counts from before the read: an older row is never taken for a newer one.
        let now = self.clock.moment();
        if let Some((read_at, counts)) = &*row
            && now.since(*read_at) < self.age_max
        {
            return Ok(counts.clone());
        }
        let counts = self.read(slug).await?;
        *row = Some((now, counts.clone()));
        Ok(counts)
    }

    /// The same for whoever does without: a failure is logged, and there is none.
    pub(crate) async fn get_if_readable(&self, slug: &Slug) -> Option<Arc<Counts>> {
        self.get(slug).await.unwrap_or_else(|error| {
            tracing::error!(%error, contest = %slug, "the counts could not be read");
            None
        })
    }

    async fn read(&self, slug: &Slug) -> Result<Option<Arc<Counts>>, StoreError> {
        Ok(tally::load_counts(&*self.control, slug, Read::Quorum).await?.map(Arc::new))
    }
}

impl std::fmt::Debug for CountsRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CountsRows").field("age_max", &self.age_max).finish_non_exhaustive()
    }
}
