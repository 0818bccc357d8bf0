//! Counting again, from the ballots alone.

use std::{num::NonZero, sync::Arc};

use ballot::{BatchId, Bucket, Counts, CountsStatus, Slug, Timestamp, fold::Fold};
use parking_lot::Mutex;
use store::{BallotStore, ControlStore, Read};

use crate::{
    BatchSetError, CountError, TallyContest, TallySettings, batch_set, load_batch_set, load_counts,
    map::{self, LAST_BUCKET, Source},
    row,
    runtime::runtime,
    stop::Stop,
};

/// A published row, and the batches that it counts if it is final.
#[derive(Clone, Debug)]
pub struct Published {
    /// The row.
    pub counts: Counts,
    /// Its batches, ascending; `None` while it is provisional.
    pub batches: Option<Arc<[BatchId]>>,
}

impl Published {
    /// Reads the row of a contest, and its batch set. `None` before the first row.
    pub async fn load(
        control: &dyn ControlStore,
        contest: &Slug,
    ) -> Result<Option<Self>, BatchSetError> {
        let Some(counts) = load_counts(control, contest, Read::Serial).await? else {
            return Ok(None);
        };
        let batches = match &counts.batch_set {
            Some(set) => Some(load_batch_set(control, contest, set).await?.into()),
            None => None,
        };
        Ok(Some(Self { counts, batches }))
    }
}

/// What a recount gave.
#[derive(Clone, Debug)]
pub struct Recount {
    /// The numbers, with the status, generation and time of the published row if there is one.
    pub counts: Counts,
    /// What they were compared with.
    pub compared: Compared,
    /// Where they differ.
    pub differences: Vec<Difference>,
    /// Batches that the published count is of and the store no longer has, ascending.
    pub missing: Vec<BatchId>,
    /// Batches in the store that a final count is not of, ascending: they came after it, so none
    /// of their ballots was acknowledged in time. No disagreement.
    pub beyond: Vec<BatchId>,
}

impl Recount {
    /// Whether what could be compared is the same.
    pub fn agrees(&self) -> bool {
        self.differences.is_empty() && self.missing.is_empty()
    }
}

/// What a recount was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// A final row: the same batches, so every number.
    SameBatches,
    /// A provisional row. The store has at least the ballots of the row, and maybe newer ones:
    /// only that no recorded or late ballot is gone could be compared.
    AtLeast,
    /// There is no row.
    Nothing,
}

/// A number that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which number, such as `choice breaking-bad` or `recorded`.
    pub what: String,
    /// As published.
    pub published: u64,
    /// As counted again.
    pub recounted: u64,
}

/// Counts again with the given number of threads. Blocks; not to be called from async code.
/// `now` is what is counted through where no final row says it, `progress` hears of the rows so
/// far, about once a second.
pub fn recount(
    ballots: Arc<dyn BallotStore>,
    contest: &TallyContest,
    published: Option<&Published>,
    now: Timestamp,
    threads: NonZero<usize>,
    progress: &dyn Fn(u64),
) -> Result<Recount, CountError> {
    let set = published.and_then(|published| published.batches.clone());
    let beyond = Arc::new(Mutex::new(Vec::new()));
    let wanted = {
        let (set, beyond) = (set.clone(), Arc::clone(&beyond));
        move |id: &BatchId| {
            let counts = set.as_ref().is_none_or(|set| set.binary_search(id).is_ok());
            if !counts {
                beyond.lock().push(*id);
            }
            counts
        }
    };
    let stop = Stop::new();
    let source = Source {
        ballots,
        contest: contest.slug.clone(),
        shards: contest.contest.shards,
        buckets: Bucket(0)..=LAST_BUCKET,
        known: Arc::default(),
        wanted: Box::new(wanted),
        threads: threads.get(),
        chunk_rows: TallySettings::default().chunk_rows,
        pulse: Arc::default(),
        gate: None,
        is_long: true,
        stop: stop.listen(),
    };
    let counting = map::count_from_nothing(source, Fold::new(&contest.contest), progress);
    let counted = runtime(None)?.block_on(counting)?;

    let row = published.map(|published| &published.counts);
    let through = row.map_or(now, |row| if set.is_some() { row.counted_through } else { now });
    let mut counts = row::provisional(contest, &counted.fold, counted.rows, through);
    let mut compared = Compared::Nothing;
    let mut differences = Vec::new();
    if let Some(row) = row {
        (counts.status, counts.generation) = (row.status, row.generation);
        compared = match row.status {
            CountsStatus::Provisional => Compared::AtLeast,
            CountsStatus::Final | CountsStatus::Certified => Compared::SameBatches,
        };
        differences = compare(compared, row, &counts);
    }
    if set.is_some() {
        counts.batch_set = Some(batch_set::name(&counted.batches));
    }
    let counted_again = |id: &&BatchId| counted.batches.binary_search(id).is_ok();
    let missing =
        set.iter().flat_map(|set| set.iter()).filter(|id| !counted_again(id)).copied().collect();
    let mut beyond = std::mem::take(&mut *beyond.lock());
    beyond.sort_unstable();
    Ok(Recount { counts, compared, differences, missing, beyond })
}

fn compare(compared: Compared, published: &Counts, recounted: &Counts) -> Vec<Difference> {
    let (before, after) = (published.ballots, recounted.ballots);
    let mut pairs = vec![
        ("recorded".to_owned(), before.recorded, after.recorded),
        ("late".to_owned(), before.late, after.late),
    ];
    if compared == Compared::AtLeast {
        pairs.retain(|(_, published, recounted)| recounted < published);
    } else {
        pairs.push(("total".to_owned(), published.total, recounted.total));
        pairs.push(("counted".to_owned(), before.counted, after.counted));
        pairs.push(("duplicate".to_owned(), before.duplicate, after.duplicate));
        pairs.push(("void".to_owned(), before.void, after.void));
        pairs.extend(choice_votes(published, recounted));
        pairs.extend(channel_votes(published, recounted));
        pairs.retain(|(_, published, recounted)| recounted != published);
    }
    let difference = |(what, published, recounted)| Difference { what, published, recounted };
    pairs.into_iter().map(difference).collect()
}

fn choice_votes(published: &Counts, recounted: &Counts) -> Vec<(String, u64, u64)> {
    let mut votes = std::collections::BTreeMap::<_, (u64, u64)>::new();
    published.choices.iter().for_each(|c| votes.entry(&c.choice).or_default().0 += c.votes);
    recounted.choices.iter().for_each(|c| votes.entry(&c.choice).or_default().1 += c.votes);
    votes.into_iter().map(|(choice, (a, b))| (format!("choice {choice}"), a, b)).collect()
}

fn channel_votes(published: &Counts, recounted: &Counts) -> Vec<(String, u64, u64)> {
    let mut votes = std::collections::BTreeMap::<_, (u64, u64)>::new();
    published.channels.iter().for_each(|(name, n)| votes.entry(name).or_default().0 += n);
    recounted.channels.iter().for_each(|(name, n)| votes.entry(name).or_default().1 += n);
    votes.into_iter().map(|(channel, (a, b))| (format!("channel {channel}"), a, b)).collect()
}
