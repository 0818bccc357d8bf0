//! Whether a browser asks because our own page made it ask.

use hyper::{
    HeaderMap, Method, Uri,
    header::{HOST, ORIGIN},
    http::{request::Parts, uri::Authority},
};

use super::administrators::Session;
use crate::http::problem::{Problem, ProblemKind};

/// The header with the session's second secret.
const CSRF_HEADER: &str = "x-csrf-token";

/// A browser sends the cookie also where another site made it send the request. What changes
/// something must come from the console's own script.
pub(crate) fn check_intended(session: &Session, parts: &Parts) -> Result<(), Problem> {
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return Ok(());
    }
    check_origin(&parts.headers, &parts.uri)?;
    let given = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    let given = given.and_then(|text| blake3::Hash::from_hex(text).ok());
    // Compared as hashes are, in constant time.
    if given.is_some() && given == blake3::Hash::from_hex(&session.csrf).ok() {
        return Ok(());
    }
    let detail = "With a session, a change needs the X-CSRF-Token that GET /admin/session tells.";
    Err(Problem::new(ProblemKind::CrossSite, detail))
}

/// Whether a page of another site made the browser ask, as far as the browser says so.
pub(crate) fn check_origin(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_own = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = text(HOST.as_str()).or(uri.authority().map(Authority::as_str));
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == host
        }
        // No browser.
        (None, None) => true,
    };
    if is_own {
        return Ok(());
    }
    let detail = "Another site's page has sent this. Use the console at /admin.";
    Err(Problem::new(ProblemKind::CrossSite, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_sites_page_is_told_apart() {
        let uri: Uri = "/admin/session".parse().unwrap();
        let check = |headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            check_origin(&map, &uri).is_ok()
        };
        let host = ("host", "vote.example:8080");
        assert!(check(&[host]) && check(&[]));
        assert!(check(&[host, ("origin", "https://vote.example:8080")]));
        assert!(check(&[host, ("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "none", ""] {
            let own = ("origin", "https://vote.example:8080");
            assert!(!check(&[host, own, ("sec-fetch-site", site)]), "{site}");
        }
        for origin in ["null", "https://vote.example", "https://evil.example", "vote.example:8080"]
        {
            assert!(!check(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(!check(&[("origin", "https://vote.example")]), "no host to compare with");
        let http2: Uri = "https://vote.example/admin/session".parse().unwrap();
        let mut map = HeaderMap::new();
        map.insert("origin", "https://vote.example".parse().unwrap());
        assert!(check_origin(&map, &http2).is_ok());
    }
}
