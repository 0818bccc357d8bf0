//! How much may come from one network.

use std::{net::IpAddr, num::NonZeroU32};

use ballot::Moment;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use hyper::HeaderMap;
use ipnet::IpNet;

use super::{
    attempts::{Attempts, TooMany},
    client::Client,
    network::Prefix,
    proxies::{Proxies, is_from_this_machine},
};

/// How much one network may ask for.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// Ballots a second from one network prefix.
    pub ballots_per_second: u32,
    /// Ballots at once from one network prefix, after a pause.
    pub ballots_burst: u32,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether a direct peer on the loopback is limited too.
    pub limit_loopback: bool,
}

/// A network has asked for more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// For ballots.
    Ballots,
    /// With wrong tokens or keys.
    RefusedLogins,
}

/// The limits of a node.
#[derive(Debug)]
pub(crate) struct Limits {
    proxies: Proxies,
    limit_loopback: bool,
    ballots: DefaultKeyedRateLimiter<IpAddr>,
    attempts: Attempts,
}

impl Limits {
    pub(crate) fn new(settings: LimitSettings) -> Self {
        let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let ballots = Quota::per_second(at_least_one(settings.ballots_per_second))
            .allow_burst(at_least_one(settings.ballots_burst));
        Self {
            proxies: Proxies::of(settings.trusted_proxies),
            limit_loopback: settings.limit_loopback,
            ballots: RateLimiter::keyed(ballots),
            attempts: Attempts::default(),
        }
    }

    /// Counts one ballot against its network.
    pub(crate) fn check_ballot(
        &self,
        client: Client,
        headers: &HeaderMap,
    ) -> Result<(), LimitReached> {
        let Some(address) = self.limited(client, headers) else { return Ok(()) };
        let network = Prefix::NETWORK.of(address);
        self.ballots.check_key(&network).map_err(|_| LimitReached::Ballots)
    }

    /// Whether a token or key is right, unless too many wrong ones came from there; a wrong one counts.
    pub(crate) fn look_at_token(
        &self,
        client: Client,
        headers: &HeaderMap,
        now: Moment,
        is_right: impl FnOnce() -> bool,
    ) -> Result<bool, LimitReached> {
        let Some(address) = self.limited(client, headers) else { return Ok(is_right()) };
        let looked = self.attempts.look(address, now, is_right);
        looked.map_err(|TooMany| LimitReached::RefusedLogins)
    }

    /// Counts one wrong token or key against whoever sent it.
    pub(crate) fn check_refused_login(
        &self,
        client: Client,
        headers: &HeaderMap,
        now: Moment,
    ) -> Result<(), LimitReached> {
        self.look_at_token(client, headers, now, || false).map(|_| ())
    }

    /// Whether the voter's own connection is encrypted: as a trusted proxy says, else as ours is.
    pub(crate) fn is_secure(&self, client: Client, headers: &HeaderMap) -> bool {
        self.proxies.is_secure(client, headers)
    }

    /// Which proxies are believed.
    pub(crate) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Forgets networks that have not been seen for a while.
    pub(crate) fn forget_idle(&self, now: Moment) {
        self.ballots.retain_recent();
        self.attempts.forget_idle(now);
    }

    /// The address that a request counts against; `None` if it is exempt.
    fn limited(&self, client: Client, headers: &HeaderMap) -> Option<IpAddr> {
        let is_exempt = !self.limit_loopback && is_from_this_machine(client, headers);
        (!is_exempt).then(|| self.proxies.address(client, headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_micros(1);

    fn limits(trusted: &[&str]) -> Limits {
        Limits::new(LimitSettings {
            ballots_per_second: 1,
            ballots_burst: 2,
            trusted_proxies: trusted.iter().map(|net| net.parse().unwrap()).collect(),
            limit_loopback: false,
        })
    }

    fn forwarded(address: &'static str) -> HeaderMap {
        HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), address.parse().unwrap())])
    }

    #[test]
    fn networks_are_limited_and_direct_loopback_is_not() {
        let limits = limits(&["127.0.0.1/32"]);
        let client = |peer: &str| Client::direct(peer, false);
        let none = HeaderMap::new();
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            for _ in 0..9 {
                limits.check_ballot(client(peer), &none).unwrap();
            }
        }
        for neighbour in ["1.2.3.4", "1.2.3.5"] {
            limits.check_ballot(client(neighbour), &none).unwrap();
        }
        assert!(limits.check_ballot(client("1.2.3.6"), &none).is_err());
        limits.check_ballot(client("1.2.4.6"), &none).unwrap();
        assert!(limits.check_ballot(client("127.0.0.1"), &forwarded("1.2.3.7")).is_err());
    }

    #[test]
    fn behind_a_proxy_that_nobody_has_named_the_loopback_is_limited() {
        let limits = limits(&[]);
        let proxy = Client::direct("127.0.0.1", false);
        let taken = (0..9).filter(|_| limits.check_ballot(proxy, &forwarded("1.2.3.4")).is_ok());
        assert_eq!(taken.count(), 2);
        let looks = |headers: &HeaderMap| {
            (0..30).filter(|_| limits.check_refused_login(proxy, headers, NOW).is_ok()).count()
        };
        assert_eq!(looks(&forwarded("1.2.3.4")), 10);
        assert_eq!(looks(&forwarded("1.2.3.5")), 0, "what it says is not believed");
        assert_eq!(looks(&HeaderMap::new()), 30, "the machine itself");
    }
}
