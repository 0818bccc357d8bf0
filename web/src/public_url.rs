//! Where the public finds this site: a node behind a balancer cannot know it by itself.

use std::{fmt, str::FromStr};

use hyper::http::uri::{Authority, Uri};
use serde::{Deserialize, Deserializer, de};

/// Bytes of a host and port, at most: a name in the DNS has 253.
const AUTHORITY_BYTES_MAX: usize = 261;

/// The site's origin, such as `https://vote.example`: no path, no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicUrl {
    origin: String,
    authority_at: usize,
}

impl PublicUrl {
    /// The origin of a scheme, `http` or `https`, and of a host with its port as in a `Host`
    /// header; `None` for what is no plain host.
    pub(crate) fn new(is_secure: bool, authority: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if authority.len() > AUTHORITY_BYTES_MAX || !authority.bytes().all(plain) {
            return None;
        }
        let parsed: Authority = authority.parse().ok()?;
        if parsed.host().is_empty() || authority.ends_with(':') {
            return None;
        }
        let scheme = if is_secure { "https://" } else { "http://" };
        let origin = format!("{scheme}{}", authority.to_ascii_lowercase());
        Some(Self { origin, authority_at: scheme.len() })
    }

    /// Whether the public finds it by https.
    pub(crate) fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// The host, with its port where that is not the scheme's own.
    pub(crate) fn authority(&self) -> &str {
        &self.origin[self.authority_at..]
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is not where a site is, such as https://vote.example: without a path")
        };
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        if uri.path() != "/" || uri.query().is_some() {
            return Err(wrong());
        }
        let authority = uri.authority().map(Authority::as_str).unwrap_or_default();
        Self::new(is_secure, authority).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for PublicUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_and_nothing_else_is_read() {
        for (text, origin, authority) in [
            ("https://Vote.Example/", "https://vote.example", "vote.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://[::1]:80", "http://[::1]:80", "[::1]:80"),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((&*url.to_string(), url.authority()), (origin, authority));
        }
        for wrong in [
            "",
            "vote.example",
            "ftp://vote.example",
            "https://",
            "https://vote.example/tv",
            "https://vote.example?a",
            "https://me@vote.example",
            "https://a b",
            "https://vote.example:",
            "https://<b>",
            "javascript:alert(1)",
        ] {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_host_that_is_no_plain_host_is_refused() {
        for wrong in ["", "a/b", "a@b", "a\"b", "a?b", "a#b", "a b", ":80", "a'b", "ä", "[::1"] {
            assert_eq!(PublicUrl::new(true, wrong), None, "{wrong}");
        }
        assert_eq!(PublicUrl::new(true, &"a".repeat(300)), None);
    }
}
