//! The documents that say what a contest is, as they lie in the control store.
//!
//! Three a contest: `contest/{slug}` (definition; its version is the `ETag`), `key/{slug}` (the
//! pseudonyms' key, so that it can be destroyed alone) and `channels/{slug}`.

use std::fmt;

use ballot::{Contest, CountsStatus, Slug, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::{StoreError, Version};

/// The document `contest/{slug}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ContestDocument {
    pub(crate) definition: serde_json::Value,
    /// Hours that `open` and `close` have set: a definition without hours leaves them.
    #[serde(default)]
    pub(crate) opened_by_hand: bool,
    #[serde(default)]
    pub(crate) closed_by_hand: bool,
    /// The end that a close by hand replaced: what taking it back restores. A close of an earlier
    /// version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaced_end: Option<ReplacedEnd>,
    /// What tells the contest from another of its name; one of an earlier version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) edition: Option<String>,
    /// It is being deleted: nobody knows it any more, and what belongs to it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deleted: Option<Deleted>,
}

/// An end as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReplacedEnd {
    pub(crate) closes_at: Option<Timestamp>,
}

/// Which documents go with a contest: another under its name has later versions, which stay.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Deleted {
    pub(crate) key: u64,
    pub(crate) channels: u64,
}

impl ContestDocument {
    /// Says what the contest is. Its edition stands beside the definition, where a node of an earlier
    /// version does not stumble over it.
    pub(crate) fn define(&mut self, contest: &Contest) {
        let plain = Contest { edition: None, ..contest.clone() };
        self.definition = serde_json::to_value(&plain).unwrap_or_default();
        self.edition.clone_from(&contest.edition);
    }

    /// The definition, if this version can read it.
    pub(crate) fn contest(&self, slug: &Slug) -> Result<Contest, StoreError> {
        let text = self.definition.to_string();
        let contest = Contest::from_json(text.as_bytes()).map_err(|error| corrupt(slug, error))?;
        Ok(Contest { edition: self.edition.clone(), ..contest })
    }
}

/// The document `key/{slug}`.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeyDocument {
    pub(crate) key: [u8; 32],
}

/// The document `channels/{slug}`; a channel's number is its position plus one, for ever.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ChannelsDocument {
    pub(crate) channels: Vec<Channel>,
    /// Whose they are. One made while its contest was deleted may be left, and is nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) edition: Option<String>,
}

impl ChannelsDocument {
    /// The channels of this edition; those of an earlier version do not say whose they are.
    pub(crate) fn of(self, edition: Option<&str>) -> Self {
        let is_its = self.edition.is_none() || self.edition.as_deref() == edition;
        if is_its { self } else { Self::default() }
    }
}

/// A gateway's channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Channel {
    /// Its name, such as `sms`.
    pub channel: Slug,
    /// BLAKE3 of its key: a key is 32 random bytes, so nothing slower is needed.
    pub(crate) key_hash: [u8; 32],
}

/// What a node must know of a counts row, whatever else stands in it.
#[derive(Deserialize)]
pub(crate) struct CountedSoFar {
    pub(crate) status: CountsStatus,
    pub(crate) counted_through: Timestamp,
}

/// A definition's version, as HTTP writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Etag(pub(crate) Version);

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.0)
    }
}

pub(crate) fn key(kind: &str, slug: &Slug) -> String {
    format!("{kind}/{slug}")
}

/// Whose document it is; `None` for a path that is no contest's.
pub(crate) fn slug_of(path: &str) -> Option<Slug> {
    path.split_once('/').and_then(|(_, slug)| slug.parse().ok())
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(
    slug: &Slug,
    body: &[u8],
) -> Result<T, StoreError> {
    serde_json::from_slice(body).map_err(|error| corrupt(slug, error))
}

pub(crate) fn corrupt(slug: &Slug, error: impl fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("the documents of contest {slug}: {error}").into())
}

pub(crate) fn written(document: &impl Serialize) -> Bytes {
    serde_json::to_vec(document).expect("a document of ours has only string keys").into()
}
