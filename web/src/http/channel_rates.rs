//! How many ballots a gateway's channel may send a second, where its key says so.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

use ballot::ChannelNumber;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;

use super::problem::{Problem, ProblemKind};

/// A contest's slug and a channel's number.
type Key = (String, ChannelNumber);

/// The rates of this node. As many as there are channels that have one.
#[derive(Debug, Default)]
pub(crate) struct ChannelRates {
    limiters: Mutex<HashMap<Key, (NonZeroU32, Arc<DefaultDirectRateLimiter>)>>,
}

impl ChannelRates {
    /// Counts a batch of so many ballots against the channel's rate: all of them, or none.
    pub(crate) fn check(
        &self,
        (contest, channel): (&str, ChannelNumber),
        rate: NonZeroU32,
        ballots: usize,
    ) -> Result<(), Problem> {
        let Some(ballots) = u32::try_from(ballots).ok().and_then(NonZeroU32::new) else {
            return Ok(());
        };
        let limiter = {
            let mut limiters = self.limiters.lock();
            let made = || (rate, Arc::new(RateLimiter::direct(Quota::per_second(rate))));
            let known = limiters.entry((contest.to_owned(), channel)).or_insert_with(made);
            // Its key was made anew, with another rate.
            if known.0 != rate {
                *known = made();
            }
            Arc::clone(&known.1)
        };
        let detail = match limiter.check_n(ballots) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(_)) => format!("The channel may send {rate} ballots a second."),
            Err(_) => format!(
                "A batch of this channel may have {rate} ballots, for it may send so many a second."
            ),
        };
        Err(Problem::new(ProblemKind::TooManyRequests, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_within_the_rate_as_a_whole_or_not_at_all() {
        let rates = ChannelRates::default();
        let rate = |n| NonZeroU32::new(n).unwrap();
        let check = |contest, channel, n, ballots| {
            rates.check((contest, ChannelNumber(channel)), rate(n), ballots).is_ok()
        };
        assert!(!check("tv", 1, 10, 11) && check("tv", 1, 10, 10) && !check("tv", 1, 10, 10));
        // Others are others; a new key with another rate begins anew; nothing is always within it.
        assert!(check("tv", 2, 10, 10) && check("film", 1, 10, 10) && check("tv", 1, 20, 20));
        assert!(check("tv", 2, 10, 0));
    }
}
