//! Which other pages' scripts may cast a ballot here: those of the service's own other addresses, so
//! that an outbox can go to the next one when the first does not answer. Nobody else: other sites
//! show a frame, which is of our own origin.

use axum::{
    extract::State,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use hyper::{
    HeaderMap, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
    },
};

use super::server::SharedWorker;

/// `OPTIONS /v1/contests/{contest}/ballots`: a browser's question before the first ballot.
pub(crate) async fn preflight(State(worker): State<SharedWorker>, request: Parts) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    if allow(headers, &request.headers, &worker.app.vote_addresses) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
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
