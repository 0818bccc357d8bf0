//! The pages: what a voter and an administrator see in a browser.
//!
//! Pure functions from domain values to HTML; nothing here knows the server. The voter's page
//! works as a plain form; `/assets/vote.js` turns it into an outbox that does not lose a ballot.
//! Whatever a person wrote (titles above all) is hostile and escaped by the templates.

mod assets;
pub(crate) use assets::{ASSET_CACHE_CONTROL, Asset, static_asset};

pub(crate) mod console;
pub(crate) use console::{ballots, share, status};

mod docs;
pub(crate) use docs::{docs, docs_asset};

mod form;
pub(crate) use form::Form;

mod refusal;
pub(crate) use refusal::Refusal;

mod words;
pub(crate) use words::visibility;

mod voter;
pub(crate) use voter::{RecordedPage, VoterPage, contests, not_found};

use askama::Template;

/// What every page is served under: nothing from another host, nothing inline.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

/// Every page's other headers. `no-store`, because a page holds a ballot id that is one voter's.
/// Not `no-referrer`: a form would then be posted with `Origin: null`.
pub(crate) const HEADERS: [(&str, &str); 4] = [
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
];

/// A page's HTML. The templates only write domain values into a `String`.
fn render(template: &impl Template) -> String {
    template.render().expect("neither a String nor the Display of our values fails to write")
}
