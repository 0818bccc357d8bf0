//! A control document as a value: its version (u64 big-endian), then its body.
//!
//! Of a document that was removed the last version stays, marked by the first bit and without a body:
//! made again, it goes on from there.

use bytes::{Buf, Bytes};
use fjall::Keyspace;

use super::database::{io_error, unavailable};
use crate::{Document, StoreError, Version};

/// Set in the version of a document that was removed.
const REMOVED: u64 = 1 << 63;

/// What has become of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// The last version that there was.
    last: Version,
    /// Whether the document is there.
    is_here: bool,
}

impl Life {
    const NONE: Self = Self { last: Version::NONE, is_here: false };

    /// After a swap, if the writer expected what is there.
    pub(super) fn swapped(self, expected: Version) -> Result<Self, StoreError> {
        self.check(expected)?;
        Ok(Self { last: Version(self.last.0 + 1), is_here: true })
    }

    /// After a delete, if the writer expected what is there.
    pub(super) fn removed(self, expected: Version) -> Result<Self, StoreError> {
        self.check(expected)?;
        if self.is_here { Ok(Self { is_here: false, ..self }) } else { Err(StoreError::Conflict) }
    }

    fn check(self, expected: Version) -> Result<(), StoreError> {
        let current = if self.is_here { self.last } else { Version::NONE };
        if current == expected { Ok(()) } else { Err(StoreError::Conflict) }
    }

    pub(super) fn version(self) -> Version {
        self.last
    }

    /// The value that says so; a document that is not there has no body.
    pub(super) fn encode(self, body: &[u8]) -> Vec<u8> {
        let mark = if self.is_here { 0 } else { REMOVED };
        let mut value = Vec::with_capacity(8 + body.len());
        value.extend_from_slice(&(self.last.0 | mark).to_be_bytes());
        value.extend_from_slice(body);
        value
    }
}

fn decode(value: impl Into<Bytes>) -> Result<(Life, Bytes), StoreError> {
    let mut body = value.into();
    let version = body
        .try_get_u64()
        .map_err(|_| StoreError::Corrupt("a control document without a version".into()))?;
    Ok((Life { last: Version(version & !REMOVED), is_here: version & REMOVED == 0 }, body))
}

fn document((life, body): (Life, Bytes)) -> Option<Document> {
    life.is_here.then_some(Document { version: life.last, body })
}

pub(super) fn get(keyspace: &Keyspace, key: &str) -> Result<Option<Document>, StoreError> {
    let value = keyspace.get(key).map_err(read_failed)?.map(decode).transpose()?;
    Ok(value.and_then(document))
}

/// What has become of the key.
pub(super) fn life(keyspace: &Keyspace, key: &str) -> Result<Life, StoreError> {
    let value = keyspace.get(key).map_err(read_failed)?.map(decode).transpose()?;
    Ok(value.map_or(Life::NONE, |(life, _)| life))
}

pub(super) fn list(
    keyspace: &Keyspace,
    prefix: &str,
) -> Result<Vec<(String, Document)>, StoreError> {
    let mut documents = Vec::new();
    for entry in keyspace.prefix(prefix) {
        let (key, value) = entry.into_inner().map_err(read_failed)?;
        let key = std::str::from_utf8(&key)
            .map_err(|_| StoreError::Corrupt("a control document's key is not text".into()))?;
        documents.extend(document(decode(value)?).map(|document| (key.to_owned(), document)));
    }
    Ok(documents)
}

/// A read can be tried again, unless it was understood and is wrong.
pub(super) fn read_failed(error: fjall::Error) -> StoreError {
    match io_error(error) {
        Ok(error) => unavailable(&format!("a read failed: {error}")),
        Err(error) => StoreError::Corrupt(format!("a read failed: {error}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_are() {
        let first = Life::NONE.swapped(Version::NONE).unwrap();
        assert_eq!(first.encode(b"body"), b"\0\0\0\0\0\0\0\x01body");
        let gone = first.removed(Version(1)).unwrap();
        assert_eq!(gone.encode(b""), b"\x80\0\0\0\0\0\0\x01");
        let again = gone.swapped(Version::NONE).unwrap();
        assert_eq!(again.encode(b""), b"\0\0\0\0\0\0\0\x02");
        for life in [first, gone, again] {
            assert_eq!(decode(life.encode(b"body")).unwrap(), (life, "body".into()));
        }
        assert!(matches!(decode(&b"short"[..]), Err(StoreError::Corrupt(_))));
    }
}
