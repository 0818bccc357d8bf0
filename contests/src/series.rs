//! How a contest's counts grew: a point for every published row, kept in the control store so
//! that a console opened late, or after a restart, shows the whole evening.
//!
//! Points are written into rings of parts, one ring for every resolution: each publish of the last
//! hour, one point in 10 s of the last day, one a minute of the last week, and so on up to the
//! longest contest. Every ring keeps some of the same points, so a reader takes the union, and
//! nothing is ever merged, moved or deleted: a ring overwrites its oldest part. That bounds the
//! documents of a contest, however long it runs.
//!
//! Totals only, by channel but not by choice: who leads is in the counts row, and a copy of it for
//! every second would be larger than the ballots of a small contest.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ballot::{BallotCounts, Counts, CountsStatus, Slug, Timestamp};
use serde::{Deserialize, Serialize};
use store::{ControlStore, Read, StoreError, Version};
use tokio::sync::mpsc;

/// One resolution.
struct Ring {
    /// One point in so many milliseconds.
    step_millis: i64,
    /// A part holds the points of so many milliseconds.
    part_millis: i64,
    /// Parts, of which the oldest is overwritten.
    parts: i64,
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// At most 360 points a part, and one part more than the time that the ring is meant for.
const RINGS: [Ring; 5] = [
    Ring { step_millis: 1, part_millis: 5 * MINUTE, parts: 14 },
    Ring { step_millis: 10_000, part_millis: HOUR, parts: 26 },
    Ring { step_millis: MINUTE, part_millis: 6 * HOUR, parts: 30 },
    Ring { step_millis: 10 * MINUTE, part_millis: 60 * HOUR, parts: 26 },
    // Up to five years, the longest that a contest's hours may be.
    Ring { step_millis: 4 * HOUR, part_millis: 1_440 * HOUR, parts: 32 },
];

/// A part that would be larger, by many channels, is thinned out.
const PART_BYTES_MAX: usize = 90_000;
/// Rows that wait to be noted. A lost point is harmless: the next one has all it had.
const WAITING_MAX: usize = 64;
/// How often a part that another node has written meanwhile is read again.
const TRIES: usize = 3;

/// A moment of a contest's counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Of the row.
    pub counted_through: Timestamp,
    /// What had become of the recorded ballots by then.
    pub ballots: BallotCounts,
    /// Counted votes, in the order of [`Series::channels`]; fewer where one is newer.
    pub channels: Vec<u64>,
}

/// All that is known of how the counts grew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// Their names.
    pub channels: Vec<String>,
    /// By time, each once.
    pub points: Vec<Point>,
}

impl Series {
    /// Ballots recorded a second in the stretch that ends with the point; none for the first.
    pub fn votes_per_second(&self, n: usize) -> Option<f64> {
        let (before, point) = (self.points.get(n.checked_sub(1)?)?, self.points.get(n)?);
        let seconds = point.counted_through.since(before.counted_through).as_secs_f64();
        let votes = point.ballots.recorded.saturating_sub(before.ballots.recorded);
        (seconds > 0.0).then(|| (votes as f64 / seconds * 10.0).round() / 10.0)
    }
}

/// The document `series/{contest}/{ring}-{part}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    /// Which stretch of time; another one's points are overwritten.
    stretch: i64,
    channels: Vec<String>,
    /// `[counted_through in ms, recorded, counted, duplicate, late, void, votes by channel..]`
    points: Vec<Vec<u64>>,
}

/// Columns of a stored point before those of the channels.
const FIXED: usize = 6;

impl Part {
    /// Appends the row's point; `false` if the part has one of its step, or a later one.
    fn append(&mut self, counts: &Counts, ring: &Ring) -> bool {
        let millis = counts.counted_through.as_millis();
        let step = |millis: i64| millis.div_euclid(ring.step_millis);
        let last = self.points.last().map(|point| point[0] as i64);
        if last.is_some_and(|last| step(last) >= step(millis)) {
            return false;
        }
        for channel in counts.channels.keys() {
            if !self.channels.contains(channel) {
                self.channels.push(channel.clone());
            }
        }
        let BallotCounts { recorded, counted, duplicate, late, void } = counts.ballots;
        let mut point = vec![millis as u64, recorded, counted, duplicate, late, void];
        let votes = |channel| counts.channels.get(channel).copied().unwrap_or(0);
        point.extend(self.channels.iter().map(votes));
        self.points.push(point);
        true
    }

    /// As it is stored, with every second point dropped until it is small enough.
    fn body(&mut self) -> Vec<u8> {
        loop {
            let body = serde_json::to_vec(self).expect("a part has only string keys");
            if body.len() <= PART_BYTES_MAX || self.points.len() < 4 {
                return body;
            }
            // The newest stays: it is what the next one is compared with.
            let newest = self.points.len() - 1;
            let mut n = 0;
            self.points.retain(|_| {
                n += 1;
                n % 2 == 1 || n > newest
            });
        }
    }

    fn read(body: &[u8]) -> Option<Self> {
        let part: Self = serde_json::from_slice(body).ok()?;
        let fits = |point: &Vec<u64>| {
            (FIXED..=FIXED + part.channels.len()).contains(&point.len())
                && i64::try_from(point[0]).is_ok_and(|millis| millis < i64::MAX / 1_000)
        };
        part.points.iter().all(fits).then_some(part)
    }
}

/// A part that is being appended to.
struct Open {
    version: Version,
    part: Part,
}

/// Notes published rows, beside the tally.
#[derive(Clone, Debug)]
pub struct Recorder(mpsc::Sender<Arc<Counts>>);

impl Recorder {
    /// Starts noting, on the present runtime. It ends with the last clone.
    pub fn start(control: Arc<dyn ControlStore>) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Arc<Counts>>(WAITING_MAX);
        tokio::spawn(async move {
            let mut writer = Writer { control, open: HashMap::new() };
            while let Some(counts) = receiver.recv().await {
                writer.note(&counts).await;
            }
        });
        Self(sender)
    }

    /// Notes a row, if there is room; never waits.
    pub fn note(&self, counts: &Arc<Counts>) {
        let _ = self.0.try_send(Arc::clone(counts));
    }
}

struct Writer {
    control: Arc<dyn ControlStore>,
    /// By contest and ring.
    open: HashMap<(Slug, usize), Open>,
}

impl Writer {
    async fn note(&mut self, counts: &Counts) {
        for ring in 0..RINGS.len() {
            if let Err(error) = self.append(counts, ring).await {
                self.open.remove(&(counts.contest.clone(), ring));
                tracing::warn!(%error, contest = %counts.contest, "a point of the series is lost");
            }
        }
        if counts.status >= CountsStatus::Final {
            self.open.retain(|(contest, _), _| *contest != counts.contest);
        }
    }

    async fn append(&mut self, counts: &Counts, n: usize) -> Result<(), StoreError> {
        let ring = &RINGS[n];
        let stretch = counts.counted_through.as_millis().div_euclid(ring.part_millis);
        let key = key(&counts.contest, n, stretch);
        let name = (counts.contest.clone(), n);
        for _ in 0..TRIES {
            let known = self.open.remove(&name).filter(|open| open.part.stretch >= stretch);
            let mut open = match known {
                Some(open) => open,
                None => self.read(&key, stretch).await?,
            };
            // A clock was set back: what is known is newer.
            if open.part.stretch > stretch || !open.part.append(counts, ring) {
                self.open.insert(name, open);
                return Ok(());
            }
            let body = open.part.body().into();
            match self.control.compare_and_swap(&key, open.version, body).await {
                Ok(version) => {
                    self.open.insert(name, Open { version, ..open });
                    return Ok(());
                }
                // The node that counted before has written its last point: read it again.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    async fn read(&self, key: &str, stretch: i64) -> Result<Open, StoreError> {
        let empty = || Part { stretch, ..Part::default() };
        let Some(document) = self.control.get(key, Read::Serial).await? else {
            return Ok(Open { version: Version::NONE, part: empty() });
        };
        let part = Part::read(&document.body).filter(|part| part.stretch >= stretch);
        Ok(Open { version: document.version, part: part.unwrap_or_else(empty) })
    }
}

fn key(contest: &Slug, ring: usize, stretch: i64) -> String {
    format!("series/{contest}/{ring}-{:02}", stretch.rem_euclid(RINGS[ring].parts))
}

/// The series of a contest, from all its rings.
pub async fn load(control: &dyn ControlStore, contest: &Slug) -> Result<Series, StoreError> {
    let documents = control.list(&format!("series/{contest}/"), Read::Quorum).await?;
    // One that another version wrote otherwise says nothing to this one.
    let parts = documents.iter().filter_map(|(_, document)| Part::read(&document.body));
    Ok(union(parts))
}

fn union(parts: impl Iterator<Item = Part>) -> Series {
    let mut channels: Vec<String> = Vec::new();
    let mut points = BTreeMap::new();
    for part in parts {
        let places: Vec<usize> = part
            .channels
            .iter()
            .map(|channel| {
                channels.iter().position(|known| known == channel).unwrap_or_else(|| {
                    channels.push(channel.clone());
                    channels.len() - 1
                })
            })
            .collect();
        for stored in &part.points {
            let mut of_channels = vec![0; channels.len()];
            for (votes, place) in stored[FIXED..].iter().zip(&places) {
                of_channels[*place] = *votes;
            }
            let ballots = BallotCounts {
                recorded: stored[1],
                counted: stored[2],
                duplicate: stored[3],
                late: stored[4],
                void: stored[5],
            };
            let counted_through = Timestamp::from_micros(stored[0] as i64 * 1_000);
            let point = Point { counted_through, ballots, channels: of_channels };
            points.insert(counted_through, point);
        }
    }
    let width = channels.len();
    let mut points: Vec<Point> = points.into_values().collect();
    for point in &mut points {
        point.channels.resize(width, 0);
    }
    Series { channels, points }
}

#[cfg(test)]
mod tests {
    use store::{EmbeddedSettings, EmbeddedStore};

    use super::*;

    fn counts(seconds: i64, recorded: u64, channels: &[(&str, u64)]) -> Counts {
        Counts {
            contest: "tv".parse().unwrap(),
            status: CountsStatus::Provisional,
            generation: 1,
            counted_through: Timestamp::from_micros(seconds * 1_000_000),
            closed_at: None,
            total: recorded,
            choices: Vec::new(),
            ballots: BallotCounts { recorded, counted: recorded, ..BallotCounts::default() },
            channels: channels.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
            batch_set: None,
        }
    }

    fn store() -> (tempfile::TempDir, Arc<dyn ControlStore>) {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedSettings::default()).unwrap();
        (folder, store)
    }

    fn writer(control: &Arc<dyn ControlStore>) -> Writer {
        Writer { control: Arc::clone(control), open: HashMap::new() }
    }

    async fn times(control: &Arc<dyn ControlStore>) -> Vec<i64> {
        let series = load(&**control, &"tv".parse().unwrap()).await.unwrap();
        series.points.iter().map(|point| point.counted_through.as_millis() / 1_000).collect()
    }

    #[tokio::test]
    async fn points_survive_a_restart_and_a_second_writer() {
        let (_folder, control) = store();
        let (mut a, mut b) = (writer(&control), writer(&control));
        a.note(&counts(100, 1, &[("web", 1)])).await;
        b.note(&counts(102, 5, &[("web", 3), ("sms", 2)])).await;
        // Did not see b's, and does not overwrite it; a row that came before is noted once.
        a.note(&counts(104, 9, &[("web", 9)])).await;
        writer(&control).note(&counts(104, 9, &[("web", 9)])).await;
        a.note(&counts(90, 1, &[])).await;
        assert_eq!(times(&control).await, [100, 102, 104]);
        let series = load(&*control, &"tv".parse().unwrap()).await.unwrap();
        assert_eq!(series.channels.len(), 2);
        let sms = series.channels.iter().position(|name| name == "sms").unwrap();
        let votes: Vec<_> = series.points.iter().map(|point| point.channels[sms]).collect();
        assert_eq!(votes, [0, 2, 0]);
        let rates: Vec<_> = (0..4).map(|n| series.votes_per_second(n)).collect();
        assert_eq!(rates, [None, Some(2.0), Some(2.0), None]);
    }

    #[tokio::test]
    async fn a_long_contest_is_bounded_and_fine_at_its_end() {
        let (_folder, control) = store();
        let mut writer = writer(&control);
        let end = 30 * 3_600;
        for seconds in (0..=end).step_by(30) {
            writer.note(&counts(seconds, seconds as u64, &[("web", 1)])).await;
        }
        let times = times(&control).await;
        assert_eq!((times[0], *times.last().unwrap()), (0, end));
        let since = |seconds: i64| times.iter().filter(|time| **time > end - seconds).count();
        // A day at 30 s each, the rest at a minute.
        assert_eq!(since(24 * 3_600), 24 * 120);
        assert!(times.len() < 30 * 120, "{}", times.len());
        let documents = control.list("series/tv/", Read::Quorum).await.unwrap();
        let most: i64 = RINGS.iter().map(|ring| ring.parts).sum();
        assert!(documents.len() < most as usize);
        assert!(documents.iter().all(|(_, document)| document.body.len() <= PART_BYTES_MAX));
    }

    #[test]
    fn the_rings_reach_from_one_to_the_next() {
        for pair in RINGS.windows(2) {
            let reach = pair[0].part_millis * (pair[0].parts - 1);
            assert!(reach >= pair[1].part_millis, "{reach}");
            assert!(pair[1].part_millis / pair[1].step_millis <= 360);
        }
        let last = &RINGS[RINGS.len() - 1];
        let longest = ballot::limits::HOURS_MAX.as_millis() as i64;
        assert!(last.part_millis * (last.parts - 1) >= longest);
    }

    #[test]
    fn a_part_with_many_channels_is_thinned_out() {
        let names: Vec<String> = (0..64).map(|n| format!("channel-number-{n}")).collect();
        let mut part = Part::default();
        for n in 0..300 {
            let channels: Vec<_> =
                names.iter().map(|name| (name.as_str(), 9_000_000_000 + n)).collect();
            assert!(part.append(&counts(n as i64 * 2, n, &channels), &RINGS[0]));
            assert!(part.body().len() <= PART_BYTES_MAX);
        }
        assert_eq!(part.points.last().unwrap()[0], 299 * 2_000, "the newest stays");
        assert_eq!(part.points[0][0], 0, "and the oldest");
        assert!(part.points.len() > 60);
    }

    #[test]
    fn what_is_damaged_is_left_out() {
        for bad in ["", "{}", r#"{"stretch":0,"channels":[],"points":[[1]]}"#] {
            assert_eq!(Part::read(bad.as_bytes()), None, "{bad}");
        }
        let far = format!(r#"{{"stretch":0,"channels":[],"points":[[{},0,0,0,0,0]]}}"#, u64::MAX);
        assert_eq!(Part::read(far.as_bytes()), None);
    }
}
