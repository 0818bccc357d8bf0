//! Which proxies are believed, and what they say of whoever asks.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use ipnet::IpNet;

use super::client::Client;

/// What proxies write, whoever they are.
const FORWARDING: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];

/// The networks of the proxies whose headers are believed.
#[derive(Clone, Debug)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Those of these networks, and no other.
    pub(crate) fn of(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether what this peer forwards is believed.
    pub(crate) fn trust(&self, peer: IpAddr) -> bool {
        is_in(peer, &self.0)
    }

    /// The voter's address: behind trusted proxies the last one in `X-Forwarded-For` that is not
    /// a trusted proxy itself. What stands before it could be made up by the voter.
    pub(crate) fn address(&self, client: Client, headers: &HeaderMap) -> IpAddr {
        let peer = client.peer.to_canonical();
        if !self.trust(peer) {
            return peer;
        }
        let mut address = peer;
        let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        let hops = lines.iter().rev().filter_map(|line| line.to_str().ok());
        for hop in hops.flat_map(|line| line.rsplit(',')) {
            let Some(hop) = hop_address(hop.trim()) else { break };
            address = hop.to_canonical();
            if !self.trust(address) {
                break;
            }
        }
        address
    }

    /// What a trusted proxy says of how it was asked: `Some(true)` by https, `None` where nobody
    /// who is believed says anything.
    pub(crate) fn asked_by_https(&self, client: Client, headers: &HeaderMap) -> Option<bool> {
        if !self.trust(client.peer) {
            return None;
        }
        // The last one was written by the proxy next to us.
        let line = headers.get_all("x-forwarded-proto").iter().next_back()?;
        let scheme = line.to_str().ok()?.rsplit(',').next()?;
        Some(scheme.trim().eq_ignore_ascii_case("https"))
    }

    /// Whether the voter's own connection is encrypted: as a trusted proxy says, else as ours is.
    pub(crate) fn is_secure(&self, client: Client, headers: &HeaderMap) -> bool {
        self.asked_by_https(client, headers).unwrap_or(client.is_secure)
    }
}

/// Whether a request comes from this machine and straight. Not from somewhere behind a proxy on it,
/// also one that nobody has named here: then the loopback is everybody.
pub(crate) fn is_from_this_machine(client: Client, headers: &HeaderMap) -> bool {
    // On a socket for both families IPv4's loopback comes as ::ffff:127.0.0.1.
    client.peer.to_canonical().is_loopback()
        && !client.is_behind_proxy
        && !FORWARDING.iter().any(|name| headers.contains_key(*name))
}

/// Whether an address is in one of these networks.
pub(crate) fn is_in(address: IpAddr, networks: &[IpNet]) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// One hop of `X-Forwarded-For`. Some proxies write the port too, and IPv6 in brackets.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    hop.parse().ok().or_else(with_port).or_else(in_brackets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str]) -> Proxies {
        Proxies::of(networks.iter().map(|network| network.parse().unwrap()).collect())
    }

    fn headers(name: &'static str, lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies = proxies(&["10.0.0.0/8", "127.0.0.1/32"]);
        for (peer, forwarded, address) in [
            ("9.9.9.9", &["1.1.1.1"][..], "9.9.9.9"),
            ("10.0.0.1", &["1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, junk, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1:443"], "1.1.1.1"),
            ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
        ] {
            let headers = headers("x-forwarded-for", forwarded);
            let found = proxies.address(Client::direct(peer, false), &headers);
            assert_eq!(found.to_string(), address, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_that_a_connection_is_secure() {
        let proxies = proxies(&["10.0.0.0/8"]);
        let secure = |peer: &str, is_secure: bool, forwarded: &[&'static str]| {
            let headers = headers("x-forwarded-proto", forwarded);
            proxies.is_secure(Client::direct(peer, is_secure), &headers)
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
    fn this_machine_is_who_comes_straight_from_the_loopback() {
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let client = Client::direct(peer, false);
            assert!(is_from_this_machine(client, &HeaderMap::new()), "{peer}");
            for name in FORWARDING {
                assert!(!is_from_this_machine(client, &headers(name, &["127.0.0.1"])), "{name}");
            }
            let behind = Client { is_behind_proxy: true, ..client };
            assert!(!is_from_this_machine(behind, &HeaderMap::new()), "{peer}");
        }
        for peer in ["10.0.0.1", "192.168.1.9", "fd00::1", "203.0.113.1"] {
            assert!(
                !is_from_this_machine(Client::direct(peer, false), &HeaderMap::new()),
                "{peer}"
            );
        }
    }
}
