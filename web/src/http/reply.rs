//! Replies of one kind.

use axum::response::{IntoResponse, Response};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

/// JSON that no cache keeps.
pub(crate) fn json(body: &impl Serialize) -> Response {
    let text = serde_json::to_vec(body).expect("what we reply with has only string keys");
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], text).into_response()
}

/// CSV that no cache keeps.
pub(crate) fn csv(text: Vec<u8>) -> Response {
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (headers, text).into_response()
}

/// A line for an operator.
pub(crate) fn plain(text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (headers, text).into_response()
}
