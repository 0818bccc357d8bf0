//! Who made a browser ask: a page of ours, another site's, or nobody knows. The console goes by it, and
//! so does the voters' form.

use hyper::{
    HeaderMap, Method, Uri,
    header::{HOST, ORIGIN},
    http::{request::Parts, uri::Authority},
};

use super::administrators::Session;
use crate::http::problem::{Problem, ProblemKind};

/// The header with the session's second secret.
const CSRF_HEADER: &str = "x-csrf-token";

/// Who made the browser ask, as far as it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A page of ours.
    Own,
    /// A page of another site, also of a sibling one, or one that hides where it is from.
    Other,
    /// The person, by no page: a bookmark, a page that was restored.
    Person,
    /// It does not say: no browser, or an old one.
    Unsaid,
}

/// Who made it ask. `is_secure`: the connection is encrypted, so a page over plain HTTP is not ours.
/// `ours` are origins that are ours whatever host was asked.
pub(crate) fn asker(headers: &HeaderMap, uri: &Uri, is_secure: bool, ours: &[String]) -> Asker {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return match site {
            "same-origin" => Asker::Own,
            "none" => Asker::Person,
            _ => Asker::Other,
        };
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return Asker::Unsaid };
    let host = text(HOST.as_str()).or(uri.authority().map(Authority::as_str));
    let is_asked_host = origin.split_once("://").is_some_and(|(scheme, authority)| {
        Some(authority) == host && (scheme == "https" || scheme == "http" && !is_secure)
    });
    let is_own = is_asked_host || ours.iter().any(|own| own == origin);
    if is_own { Asker::Own } else { Asker::Other }
}

/// A browser sends the session's cookie also where another site made it send the request. What changes
/// something must come from the console's own script.
pub(crate) fn check_intended(
    session: &Session,
    parts: &Parts,
    asker: Asker,
) -> Result<(), Problem> {
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return Ok(());
    }
    check_console(asker)?;
    let given = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    let given = given.and_then(|text| blake3::Hash::from_hex(text).ok());
    // Compared as hashes are, in constant time.
    if given.is_some() && given == blake3::Hash::from_hex(&session.csrf).ok() {
        return Ok(());
    }
    let detail = "With a session, a change needs the X-CSRF-Token that GET /admin/session tells.";
    Err(Problem::new(ProblemKind::CrossSite, detail))
}

/// The console's script asks, or a program that says nothing and has both secrets.
pub(crate) fn check_console(asker: Asker) -> Result<(), Problem> {
    if matches!(asker, Asker::Own | Asker::Unsaid) {
        return Ok(());
    }
    let detail = "Another site's page has sent this. Use the console at /admin.";
    Err(Problem::new(ProblemKind::CrossSite, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(is_secure: bool, headers: &[(&'static str, &str)]) -> Asker {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let ours = ["https://two.example".to_owned()];
        asker(&map, &"/admin/session".parse().unwrap(), is_secure, &ours)
    }

    #[test]
    fn another_sites_page_is_told_apart() {
        let host = ("host", "vote.example:8080");
        assert_eq!(asked(false, &[host]), Asker::Unsaid);
        assert_eq!(asked(false, &[]), Asker::Unsaid);
        for origin in
            ["https://vote.example:8080", "http://vote.example:8080", "https://two.example"]
        {
            assert_eq!(asked(false, &[host, ("origin", origin)]), Asker::Own, "{origin}");
        }
        let own = ("origin", "https://vote.example:8080");
        assert_eq!(asked(false, &[host, ("sec-fetch-site", "same-origin")]), Asker::Own);
        assert_eq!(asked(false, &[host, own, ("sec-fetch-site", "none")]), Asker::Person);
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            let asked = asked(false, &[host, own, ("sec-fetch-site", site)]);
            assert_eq!(asked, Asker::Other, "{site}");
        }
        for origin in [
            "null",
            "https://vote.example",
            "https://evil.example",
            "http://two.example",
            "vote.example:8080",
            "ftp://vote.example:8080",
            "",
        ] {
            assert_eq!(asked(false, &[host, ("origin", origin)]), Asker::Other, "{origin}");
        }
        assert_eq!(asked(false, &[("origin", "https://vote.example")]), Asker::Other, "no host");
    }

    #[test]
    fn over_an_encrypted_connection_a_page_over_plain_http_is_not_ours() {
        let host = ("host", "vote.example");
        assert_eq!(asked(true, &[host, ("origin", "https://vote.example")]), Asker::Own);
        assert_eq!(asked(true, &[host, ("origin", "http://vote.example")]), Asker::Other);
    }

    #[test]
    fn over_http_2_the_host_is_part_of_the_address() {
        let uri: Uri = "https://vote.example/admin/session".parse().unwrap();
        let own = (ORIGIN, "https://vote.example".parse().unwrap());
        assert_eq!(asker(&HeaderMap::from_iter([own]), &uri, true, &[]), Asker::Own);
    }
}
