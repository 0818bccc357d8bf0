//! Which other pages' scripts may do what here. Casting a ballot: those of the service's own other
//! addresses, so that an outbox can go to the next one when the first does not answer. Nobody else:
//! other sites show a frame, which is of our own origin. Reading results: those of sites that may frame
//! the contest.

use hyper::{
    HeaderMap,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
    },
};

/// Answers a browser's question before the first ballot.
pub(crate) fn allow_ballots(reply: &mut HeaderMap, request: &HeaderMap, addresses: &[String]) {
    if allow(reply, request, addresses) {
        reply.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        reply.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("content-type, ballot-id"),
        );
        reply.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
}

/// Lets the page that asks read the reply, if it is of one of these addresses.
pub(crate) fn allow(reply: &mut HeaderMap, request: &HeaderMap, addresses: &[String]) -> bool {
    // Nothing depends on the origin where there are no other addresses, which is the usual case.
    if addresses.is_empty() {
        return false;
    }
    reply.insert(VARY, HeaderValue::from_static("Origin"));
    let is_ours = |origin: &&HeaderValue| {
        addresses.iter().any(|address| address.as_bytes() == origin.as_bytes())
    };
    let Some(origin) = request.get(ORIGIN).filter(is_ours) else { return false };
    reply.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    reply.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    true
}
