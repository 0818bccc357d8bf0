//! Bodies of documents that are too large for their item.
//!
//! A body is cut into parts, which are stored under the name of this one write, of this document:
//! partition key `parts/key`, sort key `version/random/number`. Nobody sees them until the
//! document's item names the write, and they never change: so they can be kept in memory, and a
//! reader that does not find them knows that the document has moved on.
//!
//! Parts of a version that the document has reached, under another name than the one it names,
//! can never be seen any more: whoever wrote them lost. They are deleted after the next write, and
//! so are those of a process that died on the way.

use std::{collections::HashMap, ops::Range};

use aws_sdk_dynamodb::Client;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use parking_lot::Mutex;

use super::{
    clients::Clients,
    errors::{corrupt, store_error},
    item::{BODY, Item, PARTITION, SORT, bytes, pages, take_bytes, take_text, text},
    settings::DynamoDbSettings,
};
use crate::{DOCUMENT_BYTES_MAX, StoreError, Version};

/// Bytes of a part: with its key it is below the 400 KB that an item may have.
const PART_BYTES: usize = 390_000;
/// Bodies that are kept in memory; each is [`DOCUMENT_BYTES_MAX`] at most.
const CACHED_MAX: usize = 32;
/// Parts that are deleted at the same time.
const DELETES_AT_ONCE: usize = 4;

const WRITING: &str = "a part of a document was not written";
const READING: &str = "a part of a document was not read";
const SWEEPING: &str = "old parts of a document were not deleted";

/// Where the parts of one body are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The name of the write.
    pub(super) write: String,
    /// How many parts there are.
    pub(super) count: u64,
}

/// The parts in the table of the documents.
pub(super) struct Parts {
    client: Client,
    table: String,
    /// By the document's key: the name of the write, and the body.
    cached: Mutex<HashMap<String, (String, Bytes)>>,
}

impl Parts {
    pub(super) fn new(clients: &Clients, settings: &DynamoDbSettings) -> Self {
        Self {
            client: clients.retrying.clone(),
            table: settings.control_table(),
            cached: Mutex::default(),
        }
    }

    /// Writes the parts of a body that is to become this version of the document.
    pub(super) async fn write(
        &self,
        key: &str,
        version: Version,
        body: &Bytes,
    ) -> Result<Place, StoreError> {
        let write = format!("{}/{:016x}", padded(version.0), fastrand::u64(..));
        let puts = ranges(body.len()).enumerate().map(|(number, range)| {
            let item = part_item(key, &write, number as u64, body.slice(range));
            self.client.put_item().table_name(&self.table).set_item(Some(item)).send()
        });
        let count =
            future::try_join_all(puts).await.map_err(|error| store_error(WRITING, error))?;
        Ok(Place { write, count: count.len() as u64 })
    }

    /// The body, or `None` if its parts are not there (any more).
    pub(super) async fn read(&self, key: &str, place: &Place) -> Result<Option<Bytes>, StoreError> {
        if let Some((write, body)) = self.cached.lock().get(key)
            && *write == place.write
        {
            return Ok(Some(body.clone()));
        }
        if place.count > ranges(DOCUMENT_BYTES_MAX).count() as u64 {
            return Err(corrupt(format!("{key} says that it has {} parts", place.count)));
        }
        let parts = (0..place.count).map(|number| self.read_part(key, &place.write, number));
        let Some(parts) = future::try_join_all(parts).await?.into_iter().collect() else {
            return Ok(None);
        };
        let parts: Vec<Bytes> = parts;
        let mut body = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
        parts.iter().for_each(|part| body.extend_from_slice(part));
        let body = body.freeze();
        self.cache(key, &place.write, &body);
        Ok(Some(body))
    }

    async fn read_part(
        &self,
        key: &str,
        write: &str,
        number: u64,
    ) -> Result<Option<Bytes>, StoreError> {
        let part = self.client.get_item().table_name(&self.table).consistent_read(true);
        let part = part.key(PARTITION, text(partition(key))).key(SORT, text(sort(write, number)));
        let part = part.send().await.map_err(|error| store_error(READING, error))?;
        let Some(mut item) = part.item else { return Ok(None) };
        let body = take_bytes(&mut item, BODY);
        body.map(Some).ok_or_else(|| corrupt(format!("a part of {key} has no body")))
    }

    fn cache(&self, key: &str, write: &str, body: &Bytes) {
        let mut cached = self.cached.lock();
        if cached.len() >= CACHED_MAX && !cached.contains_key(key) {
            // Any one: there are rarely so many large documents.
            let any = cached.keys().next().cloned();
            any.and_then(|any| cached.remove(&any));
        }
        cached.insert(key.to_owned(), (write.to_owned(), body.clone()));
    }

    /// Deletes all parts of versions up to this one, which the document has reached, but those
    /// that it names. What fails is left to the next write.
    pub(super) async fn sweep(&self, key: &str, reached: Version, keep: Option<&Place>) {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("p = :p AND s < :end")
            .expression_attribute_values(":p", text(partition(key)))
            .expression_attribute_values(":end", text(padded(reached.0.saturating_add(1))))
            .projection_expression("s");
        let kept = keep.map(|place| format!("{}/", place.write));
        let swept = pages(SWEEPING, query)
            .map_ok(|items| stream::iter(items.into_iter().map(Ok)))
            .try_flatten()
            .map_ok(|mut item| take_text(&mut item, SORT).unwrap_or_default())
            .try_filter(|part| {
                future::ready(!kept.as_ref().is_some_and(|kept| part.starts_with(kept)))
            })
            .try_for_each_concurrent(DELETES_AT_ONCE, |part| self.delete(key, part))
            .await;
        if let Err(error) = swept {
            tracing::warn!(key, %error, "old parts of a document are left for now");
        }
    }

    /// Deletes the parts of a write that no document will ever name.
    pub(super) async fn discard(&self, key: &str, place: &Place) {
        let deleted = stream::iter(0..place.count)
            .map(|number| self.delete(key, sort(&place.write, number)))
            .buffer_unordered(DELETES_AT_ONCE)
            .try_collect::<()>()
            .await;
        if let Err(error) = deleted {
            tracing::warn!(key, %error, "parts of a lost write are left for now");
        }
    }

    async fn delete(&self, key: &str, part: String) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete.key(PARTITION, text(partition(key))).key(SORT, text(part));
        delete.send().await.map(drop).map_err(|error| store_error(SWEEPING, error))
    }
}

/// Which bytes of a body are in which part.
fn ranges(bytes: usize) -> impl Iterator<Item = Range<usize>> {
    (0..bytes).step_by(PART_BYTES).map(move |start| start..bytes.min(start + PART_BYTES))
}

fn part_item(key: &str, write: &str, number: u64, body: Bytes) -> Item {
    Item::from([
        (PARTITION.to_owned(), text(partition(key))),
        (SORT.to_owned(), text(sort(write, number))),
        (BODY.to_owned(), bytes(body)),
    ])
}

fn partition(key: &str) -> String {
    format!("parts/{key}")
}

fn sort(write: &str, number: u64) -> String {
    format!("{write}/{number}")
}

/// A version whose order as text is its order.
fn padded(version: u64) -> String {
    format!("{version:020}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DOCUMENT_KEY_BYTES_MAX;

    #[test]
    fn a_part_with_the_longest_key_is_smaller_than_an_item_may_be() {
        let key = "k".repeat(DOCUMENT_KEY_BYTES_MAX);
        let write = format!("{}/{:016x}", padded(u64::MAX), u64::MAX);
        let item = part_item(&key, &write, 9, vec![0; PART_BYTES].into());
        let key_bytes = partition(&key).len() + sort(&write, 9).len();
        assert_eq!(item.len(), 3);
        assert!(PART_BYTES + key_bytes + 3 < 400 * 1_024);
    }

    #[test]
    fn parts_are_the_whole_body_once() {
        for bytes in [0, 1, PART_BYTES, PART_BYTES + 1, DOCUMENT_BYTES_MAX] {
            let mut end = 0;
            for range in ranges(bytes) {
                assert_eq!(range.start, end);
                assert!((1..=PART_BYTES).contains(&range.len()));
                end = range.end;
            }
            assert_eq!(end, bytes);
        }
        assert_eq!(ranges(DOCUMENT_BYTES_MAX).count(), 3);
    }
}
