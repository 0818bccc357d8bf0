//! The pages: what a voter and an administrator see in a browser.
//!
//! Pure functions from domain values to HTML; nothing here knows the server. The voter's page
//! works as a plain form; `/assets/vote.js` turns it into an outbox that does not lose a ballot.
//! Whatever a person wrote (titles above all) is hostile and escaped by the templates.

mod assets;
pub(crate) use assets::{Asset, asset_url, gzip, static_asset};

pub(crate) mod console;
pub(crate) use console::{ballots, share, status};

mod docs;
pub(crate) use docs::{docs, docs_asset};

mod form;
pub(crate) use form::Form;

mod refusal;
pub(crate) use refusal::Refusal;

mod language;
pub(crate) use language::Language;

mod words;
pub(crate) use words::visibility;

mod show;
#[cfg(feature = "card")]
pub(crate) use show::card_text;
pub(crate) use show::{ResultsPage, WallLook, WallPage};

mod voter;
pub(crate) use voter::{ConfirmPage, Page, RecordedPage, VoterPage, contests, not_found, not_now};

use std::collections::BTreeSet;

use askama::Template;
use ballot::{Choice, Contest};

/// What a page is served under: nothing from another host but a contest's pictures, nothing inline
/// but the one style whose hash is named, in no frame but the contest's own embeds. Scripts speak to us
/// alone, under whichever of these addresses.
pub(crate) fn content_security_policy(
    shown: Option<&Contest>,
    embedded: bool,
    addresses: &[String],
) -> String {
    let style = &assets::VOTER_STYLE.csp_source;
    let pictures = shown.iter().flat_map(|contest| &contest.choices);
    let pictures: BTreeSet<&str> = pictures.filter_map(Choice::picture_origin).collect();
    let pictures: String = pictures.iter().map(|origin| format!(" {origin}")).collect();
    let framed_by = shown.filter(|contest| embedded && !contest.embed_origins.is_empty());
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

/// A page's HTML. The templates only write domain values into a `String`.
fn render(template: &impl Template) -> String {
    template.render().expect("neither a String nor the Display of our values fails to write")
}
