//! What every page is served under.

use std::collections::BTreeSet;

use ballot::{Choice, Contest};

use super::assets::VOTER_STYLE;

/// What a page is served under: nothing from another host but a contest's pictures, nothing inline
/// but the one style whose hash is named, in no frame but, where a page may be framed, those of the sites that the contest names. Scripts speak to us
/// alone, under whichever of these addresses.
pub(crate) fn content_security_policy(
    shown: Option<&Contest>,
    may_be_framed: bool,
    addresses: &[String],
) -> String {
    let style = &VOTER_STYLE.csp_source;
    let pictures = shown.iter().flat_map(|contest| &contest.choices);
    let pictures: BTreeSet<&str> = pictures.filter_map(Choice::picture_origin).collect();
    let pictures: String = pictures.iter().map(|origin| format!(" {origin}")).collect();
    let framed_by = shown.filter(|contest| may_be_framed && !contest.embed_origins.is_empty());
    let ancestors = framed_by.map_or("'none'".to_owned(), |by| by.embed_origins.join(" "));
    let addresses: String = addresses.iter().map(|address| format!(" {address}")).collect();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' {style}; connect-src 'self'{addresses}; \
         img-src 'self' data:{pictures}; form-action 'self'; base-uri 'none'; \
         frame-ancestors {ancestors}"
    )
}

/// Every page's other headers. Not `no-referrer`: a form would then be posted with `Origin: null`.
pub(crate) const HEADERS: [(&str, &str); 3] = [
    ("content-type", "text/html; charset=utf-8"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
];
