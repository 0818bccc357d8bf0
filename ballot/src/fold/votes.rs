//! Counted ballots, by choice and by channel.

use super::entry::{Entry, Rules};

/// Counted ballots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Votes {
    /// By choice number, as many as the contest has choices.
    pub choices: Vec<u64>,
    /// By channel number, always [`CHANNELS_MAX`](crate::limits::CHANNELS_MAX)` + 1` of them.
    pub channels: Vec<u64>,
}

impl Votes {
    pub(super) fn none(rules: Rules) -> Self {
        let choices = vec![0; usize::from(rules.choices())];
        Self { choices, channels: vec![0; crate::limits::CHANNELS_MAX + 1] }
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        self.choices[entry.choice()] += 1;
        self.channels[entry.channel()] += 1;
    }

    pub(super) fn subtract(&mut self, entry: &Entry) {
        self.choices[entry.choice()] -= 1;
        self.channels[entry.channel()] -= 1;
    }

    /// Counted ballots in all.
    pub fn total(&self) -> u64 {
        self.choices.iter().sum()
    }
}
