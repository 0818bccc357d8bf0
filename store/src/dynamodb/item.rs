//! Items: the names of their attributes, and how they are read.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder, primitives::Blob, types::AttributeValue,
};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream;

use super::errors::store_error;
use crate::StoreError;

/// The partition key of both tables. Names have one letter, since every item carries them.
pub(super) const PARTITION: &str = "p";
/// The sort key of both tables.
pub(super) const SORT: &str = "s";
/// Bytes: a packed batch, a document's body, a part of one.
pub(super) const BODY: &str = "b";
/// A number: a document's version, the version of the tables.
pub(super) const VERSION: &str = "v";
/// Text: under which name a document's parts are stored.
pub(super) const WRITE: &str = "w";
/// A number: in how many parts.
pub(super) const PARTS: &str = "n";

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn bytes(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// Takes the text out of the item.
pub(super) fn take_text(item: &mut Item, name: &str) -> Option<String> {
    match item.remove(name)? {
        AttributeValue::S(text) => Some(text),
        _ => None,
    }
}

pub(super) fn take_number(item: &mut Item, name: &str) -> Option<u64> {
    match item.remove(name)? {
        AttributeValue::N(number) => number.parse().ok(),
        _ => None,
    }
}

pub(super) fn take_bytes(item: &mut Item, name: &str) -> Option<Bytes> {
    match item.remove(name)? {
        AttributeValue::B(blob) => Some(blob.into_inner().into()),
        _ => None,
    }
}

/// All pages of a query, each asked for when it is wanted.
pub(super) fn pages(
    doing: &'static str,
    query: QueryFluentBuilder,
) -> impl Stream<Item = Result<Vec<Item>, StoreError>> + Send + 'static {
    stream::try_unfold(Some(query), move |query| async move {
        let Some(query) = query else { return Ok(None) };
        let page = query.clone().send().await.map_err(|error| store_error(doing, error))?;
        let next = page.last_evaluated_key.map(|last| query.set_exclusive_start_key(Some(last)));
        Ok(Some((page.items.unwrap_or_default(), next)))
    })
}
