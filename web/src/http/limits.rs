//! How much may come from one network, and which proxies say truly which one it is.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use hyper::HeaderMap;
use ipnet::IpNet;

use super::client::Client;

/// IPv4 addresses are limited one by one in groups of 256 neighbours: a /24 is one network.
const PREFIX_V4_BITS: u8 = 24;
/// One subscriber usually gets a /56 of IPv6.
const PREFIX_V6_BITS: u8 = 56;
/// Wrong tokens and keys a second from one prefix; the burst is ten seconds of it.
const REFUSED_LOGINS_PER_SECOND: u32 = 1;

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
    settings: LimitSettings,
    ballots: DefaultKeyedRateLimiter<IpAddr>,
    refused_logins: DefaultKeyedRateLimiter<IpAddr>,
}

impl Limits {
    pub(crate) fn new(settings: LimitSettings) -> Self {
        let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let ballots = Quota::per_second(at_least_one(settings.ballots_per_second))
            .allow_burst(at_least_one(settings.ballots_burst));
        let logins = Quota::per_second(at_least_one(REFUSED_LOGINS_PER_SECOND))
            .allow_burst(at_least_one(10 * REFUSED_LOGINS_PER_SECOND));
        Self {
            settings,
            ballots: RateLimiter::keyed(ballots),
            refused_logins: RateLimiter::keyed(logins),
        }
    }

    /// Counts one ballot against its network.
    pub(crate) fn check_ballot(
        &self,
        client: Client,
        headers: &HeaderMap,
    ) -> Result<(), LimitReached> {
        let Some(prefix) = self.prefix(client, headers) else { return Ok(()) };
        self.ballots.check_key(&prefix).map_err(|_| LimitReached::Ballots)
    }

    /// Counts one wrong token or key against its network.
    pub(crate) fn check_refused_login(
        &self,
        client: Client,
        headers: &HeaderMap,
    ) -> Result<(), LimitReached> {
        let Some(prefix) = self.prefix(client, headers) else { return Ok(()) };
        self.refused_logins.check_key(&prefix).map_err(|_| LimitReached::RefusedLogins)
    }

    /// Whose request it is, as far as proxies that are trusted say.
    pub(crate) fn address_of(&self, client: Client, headers: &HeaderMap) -> IpAddr {
        self.address(client.peer, headers)
    }

    /// Whether the voter's own connection is encrypted: as a trusted proxy says, else as ours is.
    pub(crate) fn is_secure(&self, client: Client, headers: &HeaderMap) -> bool {
        // The last one was written by the proxy next to us.
        let line = headers.get_all("x-forwarded-proto").iter().next_back();
        let line = line.and_then(|line| line.to_str().ok()).filter(|_| self.trusts(client.peer));
        let scheme = line.and_then(|line| line.rsplit(',').next());
        scheme.map_or(client.is_secure, |scheme| scheme.trim().eq_ignore_ascii_case("https"))
    }

    /// Whether the request comes from a private network and straight, not from somewhere behind a
    /// proxy: from the operator's own machines, as far as an address tells.
    pub(crate) fn is_near(&self, client: Client, headers: &HeaderMap) -> bool {
        let peer = client.peer.to_canonical();
        let forwarded = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];
        if !self.trusts(peer) && forwarded.iter().any(|name| headers.contains_key(*name)) {
            return false;
        }
        match self.address(peer, headers) {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
            IpAddr::V6(v6) => {
                v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
            }
        }
    }

    /// Whether what this peer forwards is believed.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.settings.trusted_proxies.iter().any(|net| net.contains(&peer))
    }

    /// Forgets networks that have not been seen for a while.
    pub(crate) fn forget_idle(&self) {
        self.ballots.retain_recent();
        self.refused_logins.retain_recent();
    }

    /// The network that a request counts against; `None` if it is exempt.
    fn prefix(&self, client: Client, headers: &HeaderMap) -> Option<IpAddr> {
        let address = self.address(client.peer, headers);
        // On a socket for both families IPv4's loopback comes as ::ffff:127.0.0.1.
        let is_direct = address == client.peer.to_canonical();
        if is_direct && address.is_loopback() && !self.settings.limit_loopback {
            return None;
        }
        Some(prefix(address))
    }

    /// The voter's address: behind trusted proxies the last one in `X-Forwarded-For` that is not
    /// a trusted proxy itself. What stands before it could be made up by the voter.
    fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let mut address = peer;
        let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        let hops = lines.iter().rev().filter_map(|line| line.to_str().ok());
        for hop in hops.flat_map(|line| line.rsplit(',')) {
            let Some(hop) = hop_address(hop.trim()) else { break };
            address = hop.to_canonical();
            if !self.trusts(address) {
                break;
            }
        }
        address
    }
}

/// One hop of `X-Forwarded-For`. Some proxies write the port too, and IPv6 in brackets.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    hop.parse().ok().or_else(with_port).or_else(in_brackets)
}

fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << (32 - PREFIX_V4_BITS))))
        }
        IpAddr::V6(v6) => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - PREFIX_V6_BITS))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(trusted: &[&str]) -> Limits {
        Limits::new(LimitSettings {
            ballots_per_second: 1,
            ballots_burst: 2,
            trusted_proxies: trusted.iter().map(|net| net.parse().unwrap()).collect(),
            limit_loopback: false,
        })
    }

    fn address(limits: &Limits, peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        limits.address(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let limits = limits(&["10.0.0.0/8", "127.0.0.1/32"]);
        assert_eq!(address(&limits, "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(address(&limits, "10.0.0.1", &["1.1.1.1"]), "1.1.1.1");
        assert_eq!(address(&limits, "10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"]), "1.1.1.1");
        assert_eq!(address(&limits, "10.0.0.1", &["6.6.6.6", "1.1.1.1"]), "1.1.1.1");
        assert_eq!(address(&limits, "10.0.0.1", &["6.6.6.6, junk, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(address(&limits, "10.0.0.1", &["6.6.6.6, 1.1.1.1:443"]), "1.1.1.1");
        assert_eq!(address(&limits, "10.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(address(&limits, "10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(address(&limits, "10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(address(&limits, "::ffff:10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn only_a_trusted_proxy_says_that_a_connection_is_secure() {
        let limits = limits(&["10.0.0.0/8"]);
        let secure = |peer: &str, is_secure: bool, forwarded: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-proto", value.parse().unwrap());
            }
            limits.is_secure(Client { peer: peer.parse().unwrap(), is_secure }, &headers)
        };
        assert!(secure("1.2.3.4", true, &[]) && secure("1.2.3.4", true, &["http"]));
        assert!(!secure("1.2.3.4", false, &["https"]));
        assert!(
            secure("10.0.0.1", false, &["HTTPS"]) && secure("::ffff:10.0.0.1", false, &["https"])
        );
        assert!(secure("10.0.0.1", false, &["http", "http, https"]));
        assert!(!secure("10.0.0.1", false, &["https, http"]) && !secure("10.0.0.1", false, &[]));
        // Encrypted from the proxy to us says nothing of the way to the proxy.
        assert!(!secure("10.0.0.1", true, &["http"]) && secure("10.0.0.1", true, &[]));
    }

    #[test]
    fn only_who_comes_straight_from_a_private_network_is_near() {
        let limits = limits(&["10.0.0.1/32"]);
        let near = |peer: &str, forwarded: Option<&str>| {
            let client = Client { peer: peer.parse().unwrap(), is_secure: false };
            let mut headers = HeaderMap::new();
            if let Some(value) = forwarded {
                headers.insert("x-forwarded-for", value.parse().unwrap());
            }
            limits.is_near(client, &headers)
        };
        for peer in ["127.0.0.1", "192.168.1.9", "10.0.0.1", "::1", "fd00::1", "::ffff:10.2.3.4"] {
            assert!(near(peer, None), "{peer}");
        }
        for peer in ["203.0.113.1", "2001:db8::1", "::ffff:203.0.113.1"] {
            assert!(!near(peer, None), "{peer}");
        }
        assert!(!near("10.0.0.1", Some("203.0.113.1")), "a voter behind the balancer");
        assert!(near("10.0.0.1", Some("192.168.1.9")));
        assert!(!near("10.0.0.2", Some("192.168.1.9")), "a proxy that nobody has vouched for");
    }

    #[test]
    fn networks_are_limited_and_direct_loopback_is_not() {
        let limits = limits(&["127.0.0.1/32"]);
        let client = |peer: &str| Client { peer: peer.parse().unwrap(), is_secure: false };
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
        let mut forwarded = HeaderMap::new();
        forwarded.insert("x-forwarded-for", "1.2.3.7".parse().unwrap());
        assert!(limits.check_ballot(client("127.0.0.1"), &forwarded).is_err());
    }
}
