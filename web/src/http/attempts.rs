//! Wrong tokens and keys: how many one machine may try, and one network.
//!
//! An attempt is refused before it is looked at, once there were too many: over the limit, a right
//! guess is not told from a wrong one. A right token costs nothing, and what others try elsewhere does
//! not keep it out.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use ballot::Moment;
use parking_lot::Mutex;

use super::network::Prefix;

/// One machine: ten at once, and ten a minute.
const MACHINE: Rate = Rate { prefix: Prefix::MACHINE, at_once: 10, one_in: Duration::from_secs(6) };
/// A whole network: looser, so that no neighbour alone can use it up.
const NETWORK: Rate =
    Rate { prefix: Prefix::NETWORK, at_once: 100, one_in: Duration::from_millis(600) };
/// What is remembered at most, some 5 MB. Whoever has more addresses than that is not stopped by a limit;
/// a token of at least 16 characters stops them.
const REMEMBERED_MAX: usize = 100_000;

/// So many attempts at once, and then one in so long.
struct Rate {
    prefix: Prefix,
    at_once: u32,
    one_in: Duration,
}

/// The attempts that failed, by machine and by network.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    machines: Mutex<Failed>,
    networks: Mutex<Failed>,
}

/// Until when each has used up what it has tried: the generic cell rate algorithm.
type Failed = HashMap<IpAddr, Moment>;

/// There were too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Attempts {
    /// Looks at one attempt, unless there were too many; one that is wrong counts.
    pub(crate) fn look(
        &self,
        from: IpAddr,
        now: Moment,
        is_right: impl FnOnce() -> bool,
    ) -> Result<bool, TooMany> {
        let (mut machines, mut networks) = (self.machines.lock(), self.networks.lock());
        if MACHINE.is_used_up(&machines, from, now) || NETWORK.is_used_up(&networks, from, now) {
            return Err(TooMany);
        }
        // Under the locks: a hundred guesses at the same moment are a hundred.
        let is_right = is_right();
        if !is_right {
            MACHINE.count(&mut machines, from, now);
            NETWORK.count(&mut networks, from, now);
        }
        Ok(is_right)
    }

    /// Forgets who has long had all attempts again.
    pub(crate) fn forget_idle(&self, now: Moment) {
        for failed in [&self.machines, &self.networks] {
            failed.lock().retain(|_, until| *until > now);
        }
    }
}

impl Rate {
    fn is_used_up(&self, failed: &Failed, from: IpAddr, now: Moment) -> bool {
        let until = failed.get(&self.prefix.of(from));
        let most = self.one_in * (self.at_once - 1);
        until.is_some_and(|until| until.since(now) > most)
    }

    fn count(&self, failed: &mut Failed, from: IpAddr, now: Moment) {
        if failed.len() >= REMEMBERED_MAX {
            failed.retain(|_, until| *until > now);
        }
        let key = self.prefix.of(from);
        if failed.len() >= REMEMBERED_MAX && !failed.contains_key(&key) {
            return;
        }
        let until = failed.entry(key).or_insert(now);
        *until = (*until).max(now).plus(self.one_in);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_micros(seconds * 1_000_000)
    }

    fn guesses(attempts: &Attempts, from: &str, now: Moment, n: usize) -> usize {
        let from = from.parse().unwrap();
        (0..n).filter(|_| attempts.look(from, now, || false).is_ok()).count()
    }

    #[test]
    fn ten_a_minute_and_a_right_one_is_not_told_from_a_wrong_one() {
        let (attempts, from) = (Attempts::default(), "203.0.113.1".parse().unwrap());
        for _ in 0..100 {
            assert_eq!(attempts.look(from, at(9), || true), Ok(true), "right ones cost nothing");
        }
        assert_eq!(guesses(&attempts, "203.0.113.1", at(9), 30), 10);
        assert_eq!(attempts.look(from, at(9), || true), Err(TooMany));
        assert_eq!(guesses(&attempts, "203.0.113.1", at(9 + 6), 30), 1);
        assert_eq!(guesses(&attempts, "203.0.113.1", at(9 + 3_600), 30), 10);
    }

    #[test]
    fn a_neighbour_locks_nobody_out_and_a_whole_network_is_limited() {
        let attempts = Attempts::default();
        assert_eq!(guesses(&attempts, "203.0.113.1", at(9), 1_000), 10);
        assert_eq!(attempts.look("203.0.113.2".parse().unwrap(), at(9), || true), Ok(true));
        assert_eq!(guesses(&attempts, "2001:db8::1", at(9), 30), 10);
        assert_eq!(guesses(&attempts, "2001:db8::2", at(9), 30), 0, "the same machine");
        let all: usize =
            (0..=255).map(|n| guesses(&attempts, &format!("198.51.100.{n}"), at(9), 30)).sum();
        assert_eq!(all, 100);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let attempts = Attempts::default();
        for n in 0..u32::try_from(REMEMBERED_MAX).unwrap() + 10 {
            // Each in a network of its own.
            let from = std::net::Ipv4Addr::from_bits(n << 8).into();
            assert_eq!(attempts.look(from, at(9), || false), Ok(false));
        }
        assert_eq!(attempts.machines.lock().len(), REMEMBERED_MAX);
        attempts.forget_idle(at(15));
        assert!(attempts.machines.lock().is_empty());
    }
}
