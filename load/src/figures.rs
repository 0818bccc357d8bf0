//! Figures once a second, on standard error.

use std::{
    io::IsTerminal,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::{
    latency::{Latency, histogram, merge},
    ledger::Ledger,
};

/// Draws the figures, in place on a terminal and line by line elsewhere.
pub struct LiveFigures {
    bar: Option<ProgressBar>,
    acknowledged: u64,
    looked: Instant,
    latencies: Histogram<u64>,
}

/// The figures of the last stretch.
pub struct Figures {
    /// Acknowledged.
    pub votes_per_second: f64,
    /// Of those acknowledged.
    pub latency: Latency,
}

impl LiveFigures {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self { bar, acknowledged: 0, looked: Instant::now(), latencies: histogram() }
    }

    /// Draws nothing: for those who look and draw themselves.
    pub fn silent() -> Self {
        Self { bar: None, acknowledged: 0, looked: Instant::now(), latencies: histogram() }
    }

    /// Takes the figures since the last look.
    pub fn look(&mut self, ledger: &Ledger) -> Figures {
        let recent = ledger.take_latencies();
        merge(&mut self.latencies, &recent);
        let acknowledged = ledger.acknowledged();
        let elapsed = self.looked.elapsed().as_secs_f64();
        self.looked = Instant::now();
        let since = acknowledged.saturating_sub(self.acknowledged) as f64;
        self.acknowledged = acknowledged;
        let votes_per_second = if elapsed > 0.0 { since / elapsed } else { 0.0 };
        Figures { votes_per_second, latency: Latency::of(&recent) }
    }

    /// Draws the figures since the last look.
    pub(crate) fn draw(&mut self, ledger: &Ledger) {
        let figures = self.look(ledger);
        let refused: u64 = ledger.refused().values().sum();
        let given_up = ledger.unknown.load(Relaxed) + ledger.not_recorded.load(Relaxed);
        let line = format!(
            "{} votes/s, p50 {:.1} ms, p99 {:.1} ms, {} acknowledged, {} in flight, {} retries, \
             {} refused, {} given up",
            HumanCount(figures.votes_per_second as u64),
            figures.latency.p50,
            figures.latency.p99,
            HumanCount(self.acknowledged),
            HumanCount(ledger.in_flight()),
            HumanCount(ledger.retries.load(Relaxed)),
            HumanCount(refused),
            HumanCount(given_up),
        );
        self.say(line);
    }

    /// Shows what is going on instead of figures.
    pub(crate) fn say(&self, line: impl Into<String>) {
        match &self.bar {
            Some(bar) => bar.set_message(line.into()),
            None => eprintln!("{}", line.into()),
        }
    }

    /// Takes the drawing away and returns the latencies of the whole run.
    pub(crate) fn finish(mut self, ledger: &Ledger) -> Histogram<u64> {
        self.look(ledger);
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.latencies
    }
}
