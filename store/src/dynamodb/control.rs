//! The table of the control documents.
//!
//! | item | partition key | sort key | attributes |
//! | --- | --- | --- | --- |
//! | a document | `documents` | its key | `v` version; `b` body, or `w` and `n`: where its parts are |
//! | a part of a large body | see `parts.rs` | | |
//! | the last version of a document that was removed | `removed` | its key | `v` |
//! | the version of the tables | see `schema.rs` | | |
//!
//! All documents are in one partition, so that a list under any prefix is one query; its order is
//! that of the keys' bytes. Large bodies are elsewhere, so that the partition stays quick to read.

use aws_sdk_dynamodb::{Client, error::ProvideErrorMetadata, types::ReturnValue};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    clients::Clients,
    errors::{corrupt, store_error},
    item::{
        BODY, Item, PARTITION, PARTS, SORT, VERSION, WRITE, bytes, number, pages, take_bytes,
        take_number, take_text, text,
    },
    parts::{Parts, Place},
    settings::DynamoDbSettings,
};
use crate::{Document, StoreError, Version, check_document};

/// Larger bodies are stored in parts: three requests instead of one, but what many nodes read
/// every second then costs them one read unit, not four a 16 KB.
const INLINE_BYTES_MAX: usize = 16 * 1_024;
/// Tries to read a document that is written again and again meanwhile.
const READS_MAX: usize = 10;
/// Large bodies that a list reads at the same time.
const BODIES_AT_ONCE: usize = 8;

const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

const DOCUMENTS: &str = "documents";
const REMOVED: &str = "removed";
const READING: &str = "a document was not read";
const LISTING: &str = "the documents were not listed";
const WRITING: &str = "a document was not written";
const REMOVING: &str = "a document was not removed";

/// The table of the control documents.
pub(super) struct Control {
    single_try: Client,
    retrying: Client,
    table: String,
    parts: Parts,
}

/// A document's item.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    version: Version,
    body: HeadBody,
}

#[derive(Debug, PartialEq, Eq)]
enum HeadBody {
    Inline(Bytes),
    Parts(Place),
}

impl Control {
    pub(super) fn new(clients: &Clients, settings: &DynamoDbSettings) -> Self {
        Self {
            single_try: clients.single_try.clone(),
            retrying: clients.retrying.clone(),
            table: settings.control_table(),
            parts: Parts::new(clients, settings),
        }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Document>, StoreError> {
        if check_document(key, &[]).is_err() {
            return Ok(None);
        }
        let mut missing = None;
        for _ in 0..READS_MAX {
            let Some(head) = self.head(key).await? else { return Ok(None) };
            let version = head.version;
            if let Some(document) = self.document(key, head).await? {
                return Ok(Some(document));
            }
            // Parts are there before the item that names them, and until after the next one.
            if missing == Some(version) {
                return Err(corrupt(format!("parts of {key}, version {}, are missing", version.0)));
            }
            missing = Some(version);
        }
        let detail = format!("{READING}: {key} is written faster than it can be read");
        Err(StoreError::Unavailable(detail.into()))
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<(String, Document)>, StoreError> {
        let query = self.client_query();
        let query = match prefix {
            "" => query.key_condition_expression("p = :p"),
            // No key begins with what no key may have.
            _ if check_document(prefix, &[]).is_err() => return Ok(Vec::new()),
            _ => query
                .key_condition_expression("p = :p AND begins_with(s, :prefix)")
                .expression_attribute_values(":prefix", text(prefix)),
        };
        let documents = pages(LISTING, query)
            .map_ok(|items| stream::iter(items.into_iter().map(Ok)))
            .try_flatten()
            .map(async |item| {
                let (key, head) = read_head(item?)?;
                let document = match self.document(&key, head).await? {
                    // The document has moved on since.
                    None => self.get(&key).await?,
                    document => document,
                };
                Ok(document.map(|document| (key, document)))
            })
            .buffered(BODIES_AT_ONCE)
            .try_collect::<Vec<_>>();
        Ok(documents.await?.into_iter().flatten().collect())
    }

    fn client_query(&self) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        self.retrying
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .expression_attribute_values(":p", text(DOCUMENTS))
    }

    async fn head(&self, key: &str) -> Result<Option<Head>, StoreError> {
        let get = self.retrying.get_item().table_name(&self.table).consistent_read(true);
        let get = get.key(PARTITION, text(DOCUMENTS)).key(SORT, text(key));
        let item = get.send().await.map_err(|error| store_error(READING, error))?.item;
        item.map(|item| read_head(item).map(|(_, head)| head)).transpose()
    }

    /// The document, or `None` if its parts are gone.
    async fn document(&self, key: &str, head: Head) -> Result<Option<Document>, StoreError> {
        let body = match head.body {
            HeadBody::Inline(body) => Some(body),
            HeadBody::Parts(place) => self.parts.read(key, &place).await?,
        };
        Ok(body.map(|body| Document { version: head.version, body }))
    }

    pub(super) async fn swap(
        &self,
        key: &str,
        expected: Version,
        body: Bytes,
    ) -> Result<Version, StoreError> {
        check_document(key, &body)?;
        let next = match expected {
            Version::NONE => self.last_removed(key).await?.next()?,
            expected => expected.next()?,
        };
        let body = if body.len() > INLINE_BYTES_MAX {
            HeadBody::Parts(self.parts.write(key, next, &body).await?)
        } else {
            HeadBody::Inline(body)
        };
        let head = Head { version: next, body };
        let swapped = self.put_head(key, expected, &head).await;
        let place = match &head.body {
            HeadBody::Parts(place) => Some(place),
            HeadBody::Inline(_) => None,
        };
        match (&swapped, place) {
            (Ok(before), place) if place.is_some() || before.contains_key(WRITE) => {
                self.parts.sweep(key, next, place).await;
            }
            (Err(StoreError::Conflict), Some(place)) => self.parts.discard(key, place).await,
            // If it is unknown whether the item names the parts, they stay.
            _ => {}
        }
        swapped.map(|_| next)
    }

    /// Writes the document's item if the version is the expected one, and returns the one before.
    async fn put_head(
        &self,
        key: &str,
        expected: Version,
        head: &Head,
    ) -> Result<Item, StoreError> {
        let put = self
            .single_try
            .put_item()
            .table_name(&self.table)
            .set_item(Some(head_item(key, head)))
            .return_values(ReturnValue::AllOld);
        let put = if expected == Version::NONE {
            put.condition_expression("attribute_not_exists(p)")
        } else {
            put.condition_expression("v = :expected")
                .expression_attribute_values(":expected", number(expected.0))
        };
        match put.send().await {
            Ok(output) => Ok(output.attributes.unwrap_or_default()),
            // It was sent once, so nothing of ours is what it found.
            Err(error) if error.code() == Some(CONDITION_FAILED) => Err(StoreError::Conflict),
            Err(error) => Err(store_error(WRITING, error)),
        }
    }

    pub(super) async fn delete(&self, key: &str, expected: Version) -> Result<(), StoreError> {
        check_document(key, &[])?;
        if self.head(key).await?.is_none_or(|head| head.version != expected) {
            return Err(StoreError::Conflict);
        }
        // Before the document goes: whoever makes it again goes on from there.
        self.note_removed(key, expected).await?;
        let delete = self
            .single_try
            .delete_item()
            .table_name(&self.table)
            .key(PARTITION, text(DOCUMENTS))
            .key(SORT, text(key))
            .condition_expression("v = :expected")
            .expression_attribute_values(":expected", number(expected.0))
            .return_values(ReturnValue::AllOld);
        match delete.send().await {
            Ok(output) => {
                if output.attributes.is_some_and(|before| before.contains_key(WRITE)) {
                    self.parts.sweep(key, expected, None).await;
                }
                Ok(())
            }
            Err(error) if error.code() == Some(CONDITION_FAILED) => Err(StoreError::Conflict),
            Err(error) => Err(store_error(REMOVING, error)),
        }
    }

    /// The last version of the document that was removed under the key, as far as there was one.
    async fn last_removed(&self, key: &str) -> Result<Version, StoreError> {
        let get = self.retrying.get_item().table_name(&self.table).consistent_read(true);
        let get = get.key(PARTITION, text(REMOVED)).key(SORT, text(key));
        let item = get.send().await.map_err(|error| store_error(READING, error))?.item;
        let Some(mut item) = item else { return Ok(Version::NONE) };
        let version = take_number(&mut item, VERSION).map(Version);
        version.ok_or_else(|| corrupt(format!("the last version of {key} is no number")))
    }

    /// Notes it; a larger one stays. What is noted of a document that is not removed after all does
    /// no harm.
    async fn note_removed(&self, key: &str, last: Version) -> Result<(), StoreError> {
        let note = self
            .retrying
            .put_item()
            .table_name(&self.table)
            .item(PARTITION, text(REMOVED))
            .item(SORT, text(key))
            .item(VERSION, number(last.0))
            .condition_expression("attribute_not_exists(p) OR v < :last")
            .expression_attribute_values(":last", number(last.0));
        match note.send().await {
            Err(error) if error.code() != Some(CONDITION_FAILED) => {
                Err(store_error(REMOVING, error))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn head_item(key: &str, head: &Head) -> Item {
    let mut item = Item::from([
        (PARTITION.to_owned(), text(DOCUMENTS)),
        (SORT.to_owned(), text(key)),
        (VERSION.to_owned(), number(head.version.0)),
    ]);
    match &head.body {
        HeadBody::Inline(body) => {
            item.insert(BODY.to_owned(), bytes(body.clone()));
        }
        HeadBody::Parts(place) => {
            item.insert(WRITE.to_owned(), text(&place.write));
            item.insert(PARTS.to_owned(), number(place.count));
        }
    }
    item
}

fn read_head(mut item: Item) -> Result<(String, Head), StoreError> {
    let key = take_text(&mut item, SORT).ok_or_else(|| corrupt("a document has no key"))?;
    let version = take_number(&mut item, VERSION).filter(|version| *version > 0);
    let version = version.ok_or_else(|| corrupt(format!("{key} has no version")))?;
    let body = match take_bytes(&mut item, BODY) {
        Some(body) => HeadBody::Inline(body),
        None => {
            let (write, count) = (take_text(&mut item, WRITE), take_number(&mut item, PARTS));
            let (Some(write), Some(count)) = (write, count) else {
                return Err(corrupt(format!("{key} has no body")));
            };
            HeadBody::Parts(Place { write, count })
        }
    };
    Ok((key, Head { version: Version(version), body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_as_they_were_written() {
        let parts = Place { write: "00000000000000000007/0f".into(), count: 3 };
        for body in [HeadBody::Inline("body".into()), HeadBody::Parts(parts)] {
            let head = Head { version: Version(7), body };
            let item = head_item("contest/tv-series", &head);
            assert_eq!(read_head(item).unwrap(), ("contest/tv-series".into(), head));
        }
    }

    #[test]
    fn items_that_are_no_document_are_corrupt() {
        let head = Head { version: Version(7), body: HeadBody::Inline("body".into()) };
        for attribute in [SORT, VERSION, BODY] {
            let mut item = head_item("contest/tv-series", &head);
            item.remove(attribute);
            assert!(matches!(read_head(item), Err(StoreError::Corrupt(_))), "{attribute}");
        }
        for version in [text("7"), number(0)] {
            let mut item = head_item("contest/tv-series", &head);
            item.insert(VERSION.to_owned(), version);
            assert!(matches!(read_head(item), Err(StoreError::Corrupt(_))));
        }
    }
}
