//! What a tally is told: settings, and what it calls.

use std::{fmt, num::NonZero, str::FromStr, sync::Arc, time::Duration};

use ballot::{Counts, Slug, Timestamp, timing};

/// Plain data, read once.
#[derive(Clone, Debug)]
pub struct TallySettings {
    /// When to run.
    pub schedule: Schedule,
    /// This process, among all that share the store. A name that a restart keeps lets the next
    /// process take over its own lease at once, but no two may run under one name.
    pub holder: String,
    /// How far the clocks of two nodes may lie apart; zero where one process is all there is.
    pub clock_skew: Duration,
    /// How long a lease lasts that is not renewed.
    pub lease_ttl: Duration,
    /// How often a worker without the lease counts along, so that it can take over a large contest
    /// at once. `None`: never; a take-over begins from nothing.
    pub standby: Option<Duration>,
    /// Threads that count. One: the caller's, and nothing is spawned.
    pub threads: NonZero<usize>,
    /// Rows read before they are absorbed, over all contests and threads; 40 bytes of memory each.
    pub chunk_rows: usize,
    /// How nice the tally's threads are to the rest of the process (Linux; 0 to 19).
    pub niceness: i32,
}

impl Default for TallySettings {
    fn default() -> Self {
        Self {
            schedule: Schedule::default(),
            holder: format!("pid-{}", std::process::id()),
            clock_skew: Duration::ZERO,
            lease_ttl: timing::LEASE_TTL,
            standby: None,
            threads: std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            chunk_rows: 8_000_000,
            niceness: 5,
        }
    }
}

impl TallySettings {
    /// Two threads and small chunks, so that a small test goes every way.
    pub fn for_testing() -> Self {
        Self {
            threads: const { NonZero::new(2).expect("2 is not 0") },
            chunk_rows: 64,
            niceness: 0,
            ..Self::default()
        }
    }
}

/// A cron expression of six fields: second, minute, hour, day, month, weekday (UTC).
#[derive(Clone, PartialEq)]
pub struct Schedule(croner::Cron);

/// Not a cron expression with seconds.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a cron expression with seconds, such as \"*/2 * * * * *\": {1}")]
pub struct InvalidSchedule(String, String);

impl Schedule {
    /// How long after `now` the next run is due; an hour if never, so that a stop is noticed.
    pub(crate) fn wait(&self, now: Timestamp) -> Duration {
        const NEVER: Duration = Duration::from_secs(3_600);
        let Some(time) = chrono::DateTime::from_timestamp_micros(now.as_micros()) else {
            return NEVER;
        };
        match self.0.find_next_occurrence(&time, false) {
            Ok(next) => (next - time).to_std().unwrap_or(NEVER).min(NEVER),
            Err(_) => NEVER,
        }
    }
}

impl FromStr for Schedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let parser = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Required)
            .year(croner::parser::Year::Disallowed)
            .build();
        parser
            .parse(text)
            .map(Self)
            .map_err(|error| InvalidSchedule(text.to_owned(), error.to_string()))
    }
}

impl Default for Schedule {
    fn default() -> Self {
        "*/2 * * * * *".parse().expect("the default is a cron expression with seconds")
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.as_str(), f)
    }
}

/// Hears of a published row.
pub type OnPublish = Arc<dyn Fn(&Arc<Counts>) + Send + Sync>;
/// Hears of a visit.
pub type OnRun = Arc<dyn Fn(&RunReport) + Send + Sync>;

/// What a tally calls. All are called on the tally's thread: be quick.
#[derive(Clone)]
pub struct Hooks {
    /// Hears of every row published, a contest's in the order of their generations, and once of the final
    /// row of a contest that was finished before.
    pub on_publish: OnPublish,
    /// Hears of every visit to a contest that it was this worker's turn to count; for metrics.
    pub on_run: OnRun,
}

impl Default for Hooks {
    /// Nobody listens.
    fn default() -> Self {
        Self { on_publish: Arc::new(|_| ()), on_run: Arc::new(|_| ()) }
    }
}

/// One visit to one contest.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// Which contest.
    pub contest: Slug,
    /// When the visit began, by the worker's clock.
    pub started_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What came of it.
    pub outcome: RunOutcome,
}

/// What came of a visit to a contest.
#[derive(Clone, Debug)]
pub enum RunOutcome {
    /// A row was published.
    Published(Arc<Counts>),
    /// Another worker holds the lease.
    NotHeld,
    /// Nothing was published; it is tried again after a while. The sentence was logged.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_has_seconds() {
        let every_two = Schedule::default();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(every_two.wait(at("2026-11-23T20:00:00Z")), Duration::from_secs(2));
        assert_eq!(every_two.wait(at("2026-11-23T20:00:01.5Z")), Duration::from_millis(500));
        assert!("* * * * *".parse::<Schedule>().is_err(), "without seconds");
        assert!("*/2 * * * * * 2026".parse::<Schedule>().is_err(), "with a year");
        assert!("now".parse::<Schedule>().is_err());
    }
}
