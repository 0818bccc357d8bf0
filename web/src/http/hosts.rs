//! Which hosts a listener on the loopback answers to.
//!
//! A page of the web can let its own name point at 127.0.0.1 and so ask what listens there as if it were
//! the page's own origin (DNS rebinding). Its requests say the page's host, though.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::{
    HeaderMap, Uri,
    header::{HOST, HeaderValue},
    http::uri::Authority,
};

use super::problem::{Problem, ProblemKind};

/// The hosts that are ours, where the listener is on the loopback; elsewhere any is.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Option<Vec<String>>);

impl Hosts {
    /// Of a listener at this address, with the hosts (and ports) that the settings say are ours.
    pub(crate) fn of(listener: IpAddr, ours: impl IntoIterator<Item = String>) -> Self {
        let is_inside = listener.to_canonical().is_loopback();
        Self(
            is_inside
                .then(|| ours.into_iter().map(|host| without_port(&host).to_owned()).collect()),
        )
    }

    /// Refuses a request for another host. One that says none is no browser's.
    pub(crate) fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
        let Some(ours) = &self.0 else { return Ok(()) };
        // Over HTTP/2 it is part of the address.
        let asked = uri.authority().map(Authority::as_str);
        let asked = asked.or_else(|| headers.get(HOST).map(text));
        if asked.is_none_or(|asked| is_ours(asked, ours)) {
            return Ok(());
        }
        let detail = "This listener is for this machine. For another host name set public_url or \
                      vote_addresses; behind a proxy set trusted_proxies.";
        Err(Problem::new(ProblemKind::Misdirected, detail))
    }
}

fn text(host: &HeaderValue) -> &str {
    // Nobody's host has other bytes.
    host.to_str().unwrap_or("?")
}

fn is_ours(asked: &str, ours: &[String]) -> bool {
    let host = without_port(asked);
    if let Some(v6) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return v6.parse::<Ipv6Addr>().is_ok_and(|v6| v6.to_canonical().is_loopback());
    }
    if let Ok(v4) = host.parse::<Ipv4Addr>() {
        return v4.is_loopback() || ours.iter().any(|known| known == host);
    }
    let host = host.to_ascii_lowercase();
    // No browser asks the DNS for these names.
    host == "localhost" || host.ends_with(".localhost") || ours.contains(&host)
}

fn without_port(authority: &str) -> &str {
    let end = match authority.rfind(':') {
        // The colons of an address in brackets are its own.
        Some(colon) if !authority[colon..].contains(']') => colon,
        _ => authority.len(),
    };
    &authority[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(listener: &str, host: Option<&str>) -> bool {
        let ours = ["vote.example".to_owned(), "two.example:8443".to_owned()];
        let hosts = Hosts::of(listener.parse().unwrap(), ours);
        let host = host.map(|host| (HOST, host.parse().unwrap()));
        hosts.check(&HeaderMap::from_iter(host), &"/c/tv".parse().unwrap()).is_ok()
    }

    #[test]
    fn the_loopback_answers_to_its_own_names_and_to_those_of_the_settings() {
        for listener in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            for host in [
                "127.0.0.1",
                "127.0.0.1:8080",
                "127.9.9.9:1",
                "localhost",
                "LocalHost:8080",
                "tv.localhost",
                "[::1]",
                "[::1]:8080",
                "[::ffff:127.0.0.1]:80",
                "vote.example",
                "Vote.Example:8080",
                "two.example",
            ] {
                assert!(asked(listener, Some(host)), "{host}");
            }
            for host in [
                "evil.example",
                "evil.example:8080",
                "vote.example.evil.example",
                "10.0.0.1",
                "",
                "[::2]",
                "[fe80::1]:80",
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "0x7f.1",
                "evillocalhost",
                "[::1",
                "?",
                ":8080",
            ] {
                assert!(!asked(listener, Some(host)), "{host}");
            }
            assert!(asked(listener, None));
        }
        for listener in ["0.0.0.0", "::", "10.0.0.1"] {
            assert!(asked(listener, Some("evil.example")));
        }
    }

    #[test]
    fn over_http_2_the_host_is_part_of_the_address() {
        let hosts = Hosts::of(Ipv4Addr::LOCALHOST.into(), []);
        let check = |uri: &str| hosts.check(&HeaderMap::new(), &uri.parse().unwrap()).is_ok();
        assert!(check("https://localhost:8080/c/tv") && !check("https://evil.example/c/tv"));
    }
}
