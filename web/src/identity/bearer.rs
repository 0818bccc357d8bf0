//! The bearer's token of a request.

use hyper::{HeaderMap, header::AUTHORIZATION};

/// The bearer's token, if there is one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    // Not `to_str`, which is for ASCII: a token may have any letters.
    let value = str::from_utf8(headers.get(AUTHORIZATION)?.as_bytes()).ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
