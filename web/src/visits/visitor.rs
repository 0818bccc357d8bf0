//! Who visits a page.

use hyper::{HeaderMap, Uri, header::ACCEPT_LANGUAGE};

use crate::pages::{language::Language, page::Page};

/// In which language a visitor reads: what the address asks for, else what the browser does.
pub(crate) fn visitor(uri: &Uri, headers: &HeaderMap, embedded: bool) -> Page {
    let query = uri.query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let asked = pairs.find(|(name, _)| name == "lang");
    let asked = asked.and_then(|(_, tag)| Language::of_tag(&tag));
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = asked.unwrap_or_else(|| Language::accepted(accepted.unwrap_or_default()));
    Page { language, by_address: asked.is_some(), embedded }
}
