//! What a request makes its answer depend on: a version that the client has, an encoding it takes.

use hyper::{
    HeaderMap,
    header::{ACCEPT_ENCODING, IF_MATCH, IF_NONE_MATCH},
};

/// Whether `If-None-Match` names this version (weak comparison, RFC 9110 section 13.1.2).
pub(crate) fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// Whether a change may go ahead where the present version is `etag`: `If-Match` (strong comparison)
/// and `If-None-Match` (weak) of RFC 9110 section 13.1.
pub(crate) fn allows_change(headers: &HeaderMap, etag: Option<&str>) -> bool {
    let Some(etag) = etag else { return !headers.contains_key(IF_MATCH) };
    let values = headers.get_all(IF_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    let is_expected = !headers.contains_key(IF_MATCH) || tags.any(|tag| tag == "*" || tag == etag);
    is_expected && !matches(headers, etag)
}

/// Whether a client takes gzip (RFC 9110 section 12.5.3).
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(',')).map(|coding| {
        let (name, parameter) = coding.split_once(';').unwrap_or((coding, ""));
        (name.trim(), parameter.trim())
    });
    codings.any(|(name, parameter)| {
        let refused = parameter.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
        name.eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_for_whoever_takes_it() {
        for (accepted, takes) in [
            (None, false),
            (Some("br, gzip"), true),
            (Some("GZIP;q=0.5"), true),
            (Some("gzip;q=0, br"), false),
            (Some("gzip;q=0.000"), false),
            (Some("x-gzip, deflate"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accepted) = accepted {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            }
            assert_eq!(accepts_gzip(&headers), takes, "{accepted:?}");
        }
    }
}
