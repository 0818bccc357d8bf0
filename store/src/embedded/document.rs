//! A control document as a value: its version (u64 big-endian), then its body.

use bytes::{Buf, Bytes};
use fjall::Keyspace;

use super::{committer::unavailable, database::io_error};
use crate::{Document, StoreError, Version};

pub(super) fn encode(version: Version, body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(8 + body.len());
    value.extend_from_slice(&version.0.to_be_bytes());
    value.extend_from_slice(body);
    value
}

pub(super) fn decode(value: impl Into<Bytes>) -> Result<Document, StoreError> {
    let mut body = value.into();
    let version = body
        .try_get_u64()
        .map_err(|_| StoreError::Corrupt("a control document without a version".into()))?;
    Ok(Document { version: Version(version), body })
}

pub(super) fn get(keyspace: &Keyspace, key: &str) -> Result<Option<Document>, StoreError> {
    keyspace.get(key).map_err(read_failed)?.map(decode).transpose()
}

/// The version of the document, [`Version::NONE`] if there is none.
pub(super) fn version(keyspace: &Keyspace, key: &str) -> Result<Version, StoreError> {
    Ok(get(keyspace, key)?.map_or(Version::NONE, |document| document.version))
}

/// The version that follows `current` if that is what the writer expected.
pub(super) fn next(current: Version, expected: Version) -> Result<Version, StoreError> {
    if current == expected { Ok(Version(current.0 + 1)) } else { Err(StoreError::Conflict) }
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
        documents.push((key.to_owned(), decode(value)?));
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
