//! The pages: what a voter and an administrator see in a browser.
//!
//! Pure functions from domain values to HTML; nothing here knows the server. The voter's page
//! works as a plain form; `/assets/vote.js` turns it into an outbox that does not lose a ballot.
//! Whatever a person wrote (titles above all) is hostile and escaped by the templates.

pub(crate) mod assets;

pub(crate) mod moment;

mod numbers;

pub(crate) mod language;

pub(crate) mod words;

pub(crate) mod page;

pub(crate) mod subject;

pub(crate) mod headers;

pub(crate) mod render;

pub(crate) mod preview;

pub(crate) mod standings;

pub(crate) mod refusal;

pub(crate) mod refused;

pub(crate) mod form;

pub(crate) mod message;

pub(crate) mod index;

pub(crate) mod voter;

pub(crate) mod receipt;

pub(crate) mod voted;

pub(crate) mod confirm;

pub(crate) mod show;

#[cfg(feature = "card")]
pub(crate) mod card_text;

pub(crate) mod shells;

pub(crate) mod protocol;

pub(crate) mod swagger;

#[cfg(test)]
mod tests;
