//! The demo in the terminal: a bar for each series, redrawn in place; or plain lines.

use ballot::Timestamp;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use load::{CountsRow, Figures};

/// What is drawn.
pub(super) struct Picture<'a> {
    /// The counts, once there are any.
    pub(super) row: Option<&'a CountsRow>,
    pub(super) figures: Figures,
    /// Acknowledged votes, of all runs.
    pub(super) acknowledged: u64,
    pub(super) in_flight: u64,
    /// Acknowledged votes that the row should hold and does not.
    pub(super) missing: u64,
    pub(super) now: Timestamp,
    /// What to do, or what is going on.
    pub(super) hint: &'a str,
}

/// Where it is drawn: in place, or line by line.
pub(super) enum Screen {
    /// One "bar" whose message is the whole picture.
    Terminal(ProgressBar),
    Plain,
}

/// Columns of the longest bar; with its title and its figures a line has 80.
const BAR_CHARS: usize = 38;

impl Screen {
    pub(super) fn new(is_plain: bool) -> Self {
        if is_plain {
            return Self::Plain;
        }
        let style = ProgressStyle::with_template("{msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self::Terminal(ProgressBar::new_spinner().with_style(style))
    }

    pub(super) fn draw(&self, picture: &Picture<'_>) {
        match self {
            Self::Terminal(bar) => bar.set_message(drawn(picture)),
            Self::Plain => println!("{}", plain(picture)),
        }
    }

    /// Leaves the last picture standing.
    pub(super) fn finish(&self) {
        if let Self::Terminal(bar) = self {
            bar.abandon();
        }
    }
}

fn drawn(picture: &Picture<'_>) -> String {
    let mut lines = vec![String::new()];
    if let Some(row) = picture.row {
        let width = row.choices.iter().map(|line| line.title.chars().count()).max().unwrap_or(0);
        let most = row.choices.iter().map(|line| line.votes).max().unwrap_or(0).max(1);
        lines.extend(row.choices.iter().map(|line| {
            let full = (line.votes as f64 / most as f64 * BAR_CHARS as f64).round() as usize;
            format!(
                "{:<width$} {}{} {:>12} {:>5.1}%",
                line.title,
                "█".repeat(full),
                "░".repeat(BAR_CHARS - full.min(BAR_CHARS)),
                HumanCount(line.votes).to_string(),
                share(line.votes, row.total)
            )
        }));
        lines.push(String::new());
    }
    lines.extend([speed(picture), counts(picture), picture.hint.to_owned()]);
    lines.join("\n")
}

fn share(votes: u64, total: u64) -> f64 {
    100.0 * votes as f64 / total.max(1) as f64
}

fn speed(picture: &Picture<'_>) -> String {
    format!(
        "{} votes/s, p99 {:.0} ms, {} acknowledged, {} in flight",
        HumanCount(picture.figures.votes_per_second as u64),
        picture.figures.latency.p99,
        HumanCount(picture.acknowledged),
        HumanCount(picture.in_flight),
    )
}

fn counts(picture: &Picture<'_>) -> String {
    match picture.row {
        None => "no counts yet".to_owned(),
        Some(row) => format!(
            "{} counted through {} ({:.1} s ago), missing: {}",
            HumanCount(row.total),
            clock(row.counted_through),
            picture.now.since(row.counted_through).as_secs_f64(),
            HumanCount(picture.missing),
        ),
    }
}

/// The time of day, in UTC.
pub(super) fn clock(time: Timestamp) -> String {
    let text = time.to_string();
    text.get(11..19).map_or_else(|| text.clone(), |clock| format!("{clock} UTC"))
}

fn plain(picture: &Picture<'_>) -> String {
    let mut line = format!("{}; {}", speed(picture), counts(picture));
    let first = picture.row.and_then(|row| row.choices.iter().max_by_key(|line| line.votes));
    if let (Some(row), Some(first)) = (picture.row, first) {
        line += &format!("; {} leads with {:.1}%", first.title, share(first.votes, row.total));
    }
    line
}
