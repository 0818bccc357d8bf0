//! What a crowd sends, where and when; and its run.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::{
    address::Address, ballots::Source, ledger::Ledger, profile::Profile, retry::RetryPolicy,
    route::Route,
};

/// What to send, where and when.
#[derive(Clone)]
pub struct Offer {
    /// The nodes; the next one is used when one fails.
    pub addresses: Arc<[Address]>,
    /// How ballots become requests.
    pub route: Route,
    /// What ballots.
    pub source: Source,
    /// When.
    pub pace: Pace,
    /// Stop after so many ballots.
    pub votes_max: Option<u64>,
    /// Connections over all threads.
    pub connections: u32,
    /// Threads, each with its share of the connections.
    pub threads: u32,
    /// Share of ballots sent twice.
    pub duplicates: f64,
    /// Share of requests cut off.
    pub cut: f64,
    /// How a client retries.
    pub retry: RetryPolicy,
    /// How long to wait for a reply.
    pub timeout: Duration,
}

/// When ballots are sent.
#[derive(Clone, Debug)]
pub enum Pace {
    /// Each connection's next one after the last one's reply, for so long.
    Closed(Option<Duration>),
    /// When they are due, whatever the server does.
    Open(Profile),
}

/// An offer under way: what the crowd's threads have in common.
pub(crate) struct Run {
    pub(crate) offer: Offer,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) started: Instant,
}

impl Run {
    /// The ballots of request `n`, from the first up to but not including the end; `None` past
    /// the last.
    pub(crate) fn ballots_of(&self, n: u64) -> Option<(u64, u64)> {
        let each = self.offer.source.ballots_per_request();
        let first = n.checked_mul(each)?;
        let end = (first + each).min(self.offer.votes_max.unwrap_or(u64::MAX));
        (first < end).then_some((first, end))
    }

    /// When request `n` is due; `None` when there is none.
    pub(crate) fn due(&self, n: u64, now: Instant) -> Option<Instant> {
        let (first, _) = self.ballots_of(n)?;
        match &self.offer.pace {
            Pace::Closed(duration) => {
                let over = duration.is_some_and(|duration| now >= self.started + duration);
                (!over).then_some(now)
            }
            Pace::Open(profile) => Some(self.started + profile.due(first)?),
        }
    }

    /// Notes that all ballots with these choices are begun.
    pub(crate) fn note_begun(&self, ballots: usize) {
        self.ledger.begun.fetch_add(ballots as u64, Relaxed);
    }
}
