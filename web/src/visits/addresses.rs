//! Addresses of contests as people type them: printed in capitals, with a slash at the end, mistyped.

use axum::response::{IntoResponse, Response};
use hyper::{
    HeaderMap, Method, StatusCode, Uri,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION},
};

use super::{served::not_there, visitor::visitor};
use crate::pages::page::Page;

const PROBLEM: &str = "application/problem+json";

/// How long a browser goes to the right address by itself: the rule does not change.
const KEPT: &str = "public, max-age=86400";

/// The way to where an address leads, if it is not quite right. Whether anything is there does not matter: it
/// would tell.
pub(crate) fn redirect(method: &Method, uri: &Uri) -> Option<Response> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let mut location = right(uri.path())?;
    if let Some(query) = uri.query() {
        location.push('?');
        location.push_str(query);
    }
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::try_from(location).ok()?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(KEPT));
    Some(response)
}

/// The right spelling of a path below `/c/`, if it has another: contests are named in small letters.
fn right(path: &str) -> Option<String> {
    if !is_contests(path) {
        return None;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // A name has no other signs; what has is no contest, and nothing to be sent anywhere.
    let is_plain =
        |part: &&str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    if parts.len() < 2 || !parts.iter().all(is_plain) {
        return None;
    }
    let right = format!("/{}", parts.join("/").to_ascii_lowercase());
    (right != path).then_some(right)
}

fn is_contests(path: &str) -> bool {
    path.starts_with("/c/") || path.starts_with("/C/")
}

/// Who asks for what is below `/c/`: a person, who gets a page also where nothing is there.
pub(crate) fn person(uri: &Uri, headers: &HeaderMap) -> Option<Page> {
    let is_person = is_contests(uri.path()) || uri.path() == "/c";
    is_person.then(|| visitor(uri, headers, false))
}

/// What a person gets where a program would be told of a problem.
pub(crate) fn page_of_404(response: Response, page: Page) -> Response {
    let is_page = response.headers().get(CONTENT_TYPE).is_some_and(|is| is != PROBLEM);
    if response.status() != StatusCode::NOT_FOUND || is_page { response } else { not_there(page) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_and_slashes_lead_to_the_right_address() {
        for (path, wanted) in [
            ("/c/TV-Series", Some("/c/tv-series")),
            ("/c/tv-series/", Some("/c/tv-series")),
            ("/c/tv-series//", Some("/c/tv-series")),
            ("/c//tv-series", Some("/c/tv-series")),
            ("/C/TV/Results/", Some("/c/tv/results")),
            ("/c/tv/wall/", Some("/c/tv/wall")),
            ("/c/TV/QR.svg", Some("/c/tv/qr.svg")),
            ("/c/tv", None),
            ("/c/tv/embed", None),
            ("/c/", None),
            ("/c//", None),
            ("/c/%54V", None),
            ("/c//evil.example/x:y", None),
            ("/v1/contests/TV", None),
            ("/", None),
        ] {
            assert_eq!(right(path).as_deref(), wanted, "{path}");
        }
    }

    #[test]
    fn the_question_goes_along_and_forms_do_not() {
        let uri: Uri = "/c/TV/?lang=de&x=%41".parse().unwrap();
        let response = redirect(&Method::GET, &uri).unwrap();
        assert_eq!(response.status(), 308);
        assert_eq!(response.headers()[LOCATION], "/c/tv?lang=de&x=%41");
        assert!(redirect(&Method::POST, &uri).is_none());
    }
}
