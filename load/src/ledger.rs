//! What a run has sent and what became of it: counters by choice, not ballots.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use crate::latency::{LATENCY_MAX, histogram, merge};

/// The counters of a run; one for all threads. Ballots unless it says requests.
pub struct Ledger {
    /// By choice, in the contest's order.
    choices: Vec<ChoiceCounters>,
    /// Ballots begun: sent, or just about to be.
    pub(crate) begun: AtomicU64,
    /// Ballots whose end is known, whichever.
    pub(crate) ended: AtomicU64,
    /// Ballots given up although the server may have recorded them.
    pub(crate) unknown: AtomicU64,
    /// Ballots given up that the server has certainly not recorded.
    pub(crate) not_recorded: AtomicU64,
    /// Requests sent, whichever.
    pub(crate) requests: AtomicU64,
    /// Requests sent because the one before had no or no good reply.
    pub(crate) retries: AtomicU64,
    /// Ballots sent again on purpose.
    pub(crate) copies: AtomicU64,
    /// Connections cut on purpose.
    pub(crate) cuts: AtomicU64,
    /// Ballots refused with certainty, by problem type.
    refused: Mutex<BTreeMap<String, u64>>,
    /// Requests without a good reply, by why.
    failures: Mutex<BTreeMap<String, u64>>,
    /// Latencies by thread since they were last taken, in microseconds.
    latencies: Vec<Mutex<Histogram<u64>>>,
    silence: Silence,
}

/// The longest time without an acknowledgement. Moments are microseconds since `since`, 0 for none.
struct Silence {
    since: Instant,
    last: AtomicU64,
    longest: AtomicU64,
}

#[derive(Default)]
struct ChoiceCounters {
    acknowledged: AtomicU64,
    unknown: AtomicU64,
}

/// What the check needs to know of one choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChoiceBallots {
    /// Ballots acknowledged.
    pub acknowledged: u64,
    /// Ballots that the server may have recorded although it never said so.
    pub unknown: u64,
}

impl Ledger {
    /// An empty ledger for that many choices and threads.
    pub(crate) fn new(choices: usize, threads: usize) -> Self {
        Self {
            choices: (0..choices).map(|_| ChoiceCounters::default()).collect(),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            not_recorded: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            copies: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            refused: Mutex::default(),
            failures: Mutex::default(),
            latencies: (0..threads).map(|_| Mutex::new(histogram())).collect(),
            silence: Silence {
                since: Instant::now(),
                last: AtomicU64::new(0),
                longest: AtomicU64::new(0),
            },
        }
    }

    /// Ballots acknowledged and unknown, by choice.
    pub fn by_choice(&self) -> Vec<ChoiceBallots> {
        let of = |choice: &ChoiceCounters| ChoiceBallots {
            acknowledged: choice.acknowledged.load(Relaxed),
            unknown: choice.unknown.load(Relaxed),
        };
        self.choices.iter().map(of).collect()
    }

    /// Ballots acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.choices.iter().map(|choice| choice.acknowledged.load(Relaxed)).sum()
    }

    /// Ballots begun whose end is not known yet.
    pub fn in_flight(&self) -> u64 {
        // In this order, or a ballot that ends in between makes it negative.
        let ended = self.ended.load(Relaxed);
        self.begun.load(Relaxed).saturating_sub(ended)
    }

    /// Notes one acknowledged ballot.
    pub(crate) fn acknowledge(&self, choice: u16) {
        if let Some(choice) = self.choices.get(usize::from(choice)) {
            choice.acknowledged.fetch_add(1, Relaxed);
        }
    }

    /// Notes one ballot that was given up; `maybe_recorded` widens what may be counted.
    pub(crate) fn give_up(&self, choice: u16, maybe_recorded: bool) {
        if maybe_recorded {
            self.unknown.fetch_add(1, Relaxed);
            self.widen(choice);
        } else {
            self.not_recorded.fetch_add(1, Relaxed);
        }
    }

    /// Notes one ballot that was refused; `maybe_recorded` if an earlier request of it may have
    /// succeeded all the same.
    pub(crate) fn refuse(&self, choice: u16, problem: &str, maybe_recorded: bool) {
        add(&self.refused, problem);
        if maybe_recorded {
            self.widen(choice);
        }
    }

    fn widen(&self, choice: u16) {
        if let Some(choice) = self.choices.get(usize::from(choice)) {
            choice.unknown.fetch_add(1, Relaxed);
        }
    }

    /// Notes a request without a good reply.
    pub(crate) fn fail(&self, why: &str) {
        add(&self.failures, why);
    }

    /// Notes the latency of `ballots` acknowledged together.
    pub(crate) fn note_latency(&self, thread: usize, latency: Duration, ballots: u64) {
        if let Some(histogram) = self.latencies.get(thread) {
            let micros = latency.min(LATENCY_MAX).as_micros() as u64;
            histogram.lock().saturating_record_n(micros, ballots);
        }
    }

    /// Notes that an acknowledgement came at this moment.
    pub(crate) fn note_acknowledgement(&self, now: Instant) {
        let now = now.duration_since(self.silence.since).as_micros().max(1) as u64;
        // The threads' clocks are one, but they may come here in another order.
        let last = self.silence.last.fetch_max(now, Relaxed);
        if last != 0 {
            self.silence.longest.fetch_max(now.saturating_sub(last), Relaxed);
        }
    }

    /// The longest time without an acknowledgement, between the first and the last.
    pub(crate) fn longest_silence(&self) -> Duration {
        Duration::from_micros(self.silence.longest.load(Relaxed))
    }

    /// Ballots refused, by problem type.
    pub(crate) fn refused(&self) -> BTreeMap<String, u64> {
        self.refused.lock().clone()
    }

    /// Requests without a good reply, by why.
    pub(crate) fn failures(&self) -> BTreeMap<String, u64> {
        self.failures.lock().clone()
    }

    /// The latencies of all threads since they were last taken, in microseconds.
    pub(crate) fn take_latencies(&self) -> Histogram<u64> {
        let mut taken = histogram();
        for latencies in &self.latencies {
            let mut latencies = latencies.lock();
            merge(&mut taken, &latencies);
            latencies.reset();
        }
        taken
    }
}

fn add(counters: &Mutex<BTreeMap<String, u64>>, name: &str) {
    let mut counters = counters.lock();
    match counters.get_mut(name) {
        Some(counter) => *counter += 1,
        None => {
            counters.insert(name.to_owned(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silence_lies_between_acknowledgements() {
        let ledger = Ledger::new(1, 1);
        let at = |ms| ledger.note_acknowledgement(ledger.silence.since + Duration::from_millis(ms));
        // Before the first there is none.
        at(5_000);
        assert_eq!(ledger.longest_silence(), Duration::ZERO);
        at(5_100);
        at(7_350);
        at(7_400);
        assert_eq!(ledger.longest_silence(), Duration::from_millis(2_250));
        // A thread that comes late does not make a silence that was none.
        at(6_000);
        at(9_000);
        assert_eq!(ledger.longest_silence(), Duration::from_millis(2_250));
    }
}
