//! What a run came to, for people and for programs.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use ballot::Slug;
use hdrhistogram::Histogram;
use indicatif::HumanCount;
use serde::Serialize;

use crate::{
    comparison::Comparison,
    latency::Latency,
    ledger::Ledger,
    row::{CountsRow, RowBallots},
    viewers::Streams,
};

/// The report of a run; `--json` prints it with these names.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) urls: Vec<String>,
    pub(crate) contest: Slug,
    pub(crate) seed: u64,
    /// From the first ballot to the last one's end.
    pub(crate) seconds: f64,
    /// Acknowledged.
    pub(crate) votes_per_second: f64,
    pub(crate) ballots: Ballots,
    pub(crate) requests: Requests,
    /// From when a ballot was due to its acknowledgement, retries included.
    pub(crate) latency_ms: Latency,
    /// Longest time without an acknowledgement, between the first and the last.
    pub(crate) silence_ms_max: f64,
    /// Of those who watched meanwhile, if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) streams: Option<Streams>,
    pub(crate) check: Verdict,
}

/// What became of the ballots: `begun = acknowledged + refused + unknown + not_recorded`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ballots {
    pub(crate) begun: u64,
    pub(crate) acknowledged: u64,
    /// With certainty, by problem type.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Given up; the server may have recorded them.
    pub(crate) unknown: u64,
    /// Given up; the server has certainly not recorded them.
    pub(crate) not_recorded: u64,
}

/// What was sent for it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Requests {
    pub(crate) sent: u64,
    pub(crate) retries: u64,
    /// Ballots sent again on purpose.
    pub(crate) copies: u64,
    /// Connections cut on purpose.
    pub(crate) cuts: u64,
    /// Attempts without a good reply, by why.
    pub(crate) failures: BTreeMap<String, u64>,
}

/// What the comparison of acknowledged and counted came to.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Counted is what was acknowledged.
    Equal(Checked),
    /// It is not.
    Different(Checked),
    /// Unknown: the server or its counts could not be reached in time.
    NotChecked { why: String },
    /// Not asked for.
    Skipped,
}

/// The comparison, and the row it was made with.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Checked {
    pub(crate) status: String,
    pub(crate) counted_through: String,
    /// What became of all ballots recorded, of this run and before.
    pub(crate) ballots: Option<RowBallots>,
    pub(crate) lost: u64,
    pub(crate) extra: u64,
    #[serde(flatten)]
    pub(crate) comparison: Comparison,
}

impl Verdict {
    pub(crate) fn of(comparison: Comparison, row: &CountsRow) -> Self {
        let checked = Checked {
            status: row.status.clone(),
            counted_through: row.counted_through.to_string(),
            ballots: row.ballots,
            lost: comparison.lost(),
            extra: comparison.extra(),
            comparison,
        };
        if checked.comparison.is_equal() { Self::Equal(checked) } else { Self::Different(checked) }
    }
}

impl Report {
    pub(crate) fn new(
        urls: Vec<String>,
        contest: Slug,
        seed: u64,
        elapsed: Duration,
        ledger: &Ledger,
        latencies: &Histogram<u64>,
        check: Verdict,
    ) -> Self {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        let acknowledged = ledger.acknowledged();
        let seconds = elapsed.as_secs_f64();
        Self {
            urls,
            contest,
            seed,
            seconds,
            votes_per_second: acknowledged as f64 / seconds.max(f64::MIN_POSITIVE),
            ballots: Ballots {
                begun: load(&ledger.begun),
                acknowledged,
                refused: ledger.refused(),
                unknown: load(&ledger.unknown),
                not_recorded: load(&ledger.not_recorded),
            },
            requests: Requests {
                sent: load(&ledger.requests),
                retries: load(&ledger.retries),
                copies: load(&ledger.copies),
                cuts: load(&ledger.cuts),
                failures: ledger.failures(),
            },
            latency_ms: Latency::of(latencies),
            silence_ms_max: ledger.longest_silence().as_secs_f64() * 1_000.0,
            streams: None,
            check,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ballots { begun, acknowledged, refused, unknown, not_recorded } = &self.ballots;
        let count = HumanCount;
        writeln!(f, "contest {}, seed {}", self.contest, self.seed)?;
        writeln!(
            f,
            "{} of {} ballots acknowledged in {:.1} s: {} votes/s",
            count(*acknowledged),
            count(*begun),
            self.seconds,
            count(self.votes_per_second as u64),
        )?;
        let Latency { p50, p90, p99, p99_9, max } = self.latency_ms;
        writeln!(
            f,
            "latency in ms: p50 {p50:.1}, p90 {p90:.1}, p99 {p99:.1}, p99.9 {p99_9:.1}, max {max:.1}"
        )?;
        writeln!(f, "longest time without an acknowledgement: {:.1} ms", self.silence_ms_max)?;
        let Requests { sent, retries, copies, cuts, failures } = &self.requests;
        writeln!(
            f,
            "{} requests; {} were retries, {} ballots were sent twice and {} connections cut on purpose",
            count(*sent),
            count(*retries),
            count(*copies),
            count(*cuts),
        )?;
        for (why, times) in failures {
            writeln!(f, "  without a good reply: {why}, {} times", count(*times))?;
        }
        for (problem, ballots) in refused {
            writeln!(f, "  refused: {} ballots, {problem}", count(*ballots))?;
        }
        if unknown + not_recorded > 0 {
            writeln!(
                f,
                "  given up: {} ballots; {} of them may be recorded all the same",
                count(unknown + not_recorded),
                count(*unknown)
            )?;
        }
        if let Some(Streams { opened, ended, events, bytes }) = self.streams {
            writeln!(
                f,
                "{} streams of results: {} events, {} bytes; {} ended early",
                count(opened),
                count(events),
                count(bytes),
                count(ended)
            )?;
        }
        writeln!(f)?;
        self.check.fmt(f)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped => writeln!(f, "not compared with the counts, as asked"),
            Self::NotChecked { why } => writeln!(f, "COULD NOT CHECK: {why}"),
            Self::Equal(checked) => {
                checked.fmt(f)?;
                writeln!(f, "EQUAL: every acknowledged vote is counted, once")
            }
            Self::Different(checked) => {
                checked.fmt(f)?;
                if checked.lost > 0 {
                    writeln!(
                        f,
                        "DIFFERENT: {} votes LOST: acknowledged and not counted",
                        HumanCount(checked.lost)
                    )?;
                }
                if checked.extra > 0 {
                    writeln!(
                        f,
                        "DIFFERENT: {} votes TOO MANY: counted twice, or cast by somebody else \
                         during the run",
                        HumanCount(checked.extra)
                    )?;
                }
                for fault in &checked.comparison.faults {
                    writeln!(f, "DIFFERENT: {fault}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TITLE_CHARS_MAX: usize = 36;
        let choices = &self.comparison.choices;
        writeln!(f, "counts: {}, through {}", self.status, self.counted_through)?;
        writeln!(
            f,
            "{:<TITLE_CHARS_MAX$} {:>14} {:>10} {:>14} {:>12}",
            "choice", "acknowledged", "unknown", "counted", "difference"
        )?;
        for line in choices {
            let title: String = line.title.chars().take(TITLE_CHARS_MAX).collect();
            let difference = match (line.lost, line.extra) {
                (0, 0) => "0".to_owned(),
                (lost, 0) => format!("-{lost}"),
                (_, extra) => format!("+{extra}"),
            };
            let counted = match u64::try_from(line.counted) {
                Ok(counted) => HumanCount(counted).to_string(),
                Err(_) => line.counted.to_string(),
            };
            writeln!(
                f,
                "{title:<TITLE_CHARS_MAX$} {:>14} {:>10} {counted:>14} {difference:>12}",
                HumanCount(line.acknowledged).to_string(),
                HumanCount(line.unknown).to_string(),
            )?;
        }
        if let Some(RowBallots { recorded, counted, duplicate, late, void }) = self.ballots {
            writeln!(
                f,
                "in all: {recorded} recorded = {counted} counted + {duplicate} duplicate + {late} \
                 late + {void} void"
            )?;
        }
        Ok(())
    }
}
