//! fjall's journals, where we have to know better.
//!
//! When the power goes while a commit is written, some of its pages may be on disk and others
//! not, in any order. fjall 3.1 drops such a commit where it cannot be read, but where only the
//! checksum is wrong it refuses to open. The last commit of the active journal was never
//! acknowledged if its checksum is wrong, as the fsync comes first: it can go.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use bytes::Buf;
use xxhash_rust::xxh3::Xxh3;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const MAGIC: [u8; 4] = *b"FJL\x03";
/// Of an item: tag, kind, compression, keyspace (u64), lengths of the key (u16), of the value and
/// of the value as written (u32 each).
const ITEM_HEADER_BYTES: usize = 1 + 1 + 1 + 8 + 2 + 4 + 4;

/// Cuts the last commit off the active journal if it is torn; `false` if that is not what is
/// wrong.
pub(super) fn cut_torn_end(dir: &Path) -> io::Result<bool> {
    let Some(path) = active(dir)? else { return Ok(false) };
    let Some(end) = torn_from(&std::fs::read(&path)?) else { return Ok(false) };
    cut(&path, end as u64)?;
    tracing::warn!(
        journal = %path.display(),
        "the last commit was torn by a power failure and is dropped; it was not acknowledged"
    );
    Ok(true)
}

/// Empties the active journal, all of which must be in the database's files.
pub(super) fn empty(dir: &Path) -> io::Result<()> {
    // Cut, not removed: fjall takes up its numbering of writes only where it finds a journal.
    active(dir)?.map_or(Ok(()), |path| cut(&path, 0))
}

fn cut(path: &Path, end: u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_len(end)?;
    file.sync_all()
}

/// The journal with the highest number. Older ones, if there are any, fjall removes by itself.
fn active(dir: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_suffix(".jnl").and_then(|number| number.parse().ok());
        if let Some(number) = number
            && newest.as_ref().is_none_or(|(highest, _)| number > *highest)
        {
            newest = Some((number, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// Where the journal's last commit begins, if its checksum is wrong and nothing follows it. What
/// follows was written after an fsync: then it is not torn, but damaged.
fn torn_from(journal: &[u8]) -> Option<usize> {
    let mut rest = journal;
    loop {
        let start = journal.len() - rest.len();
        if !read_commit(&mut rest)? {
            return rest.iter().all(|byte| *byte == 0).then_some(start);
        }
    }
}

/// Reads a commit past its end and says whether its checksum is right; `None` where there is no
/// commit to be read, which fjall sees to.
fn read_commit(journal: &mut &[u8]) -> Option<bool> {
    if journal.try_get_u8().ok()? != START {
        return None;
    }
    let items = journal.try_get_u32_le().ok()?;
    let _number = journal.try_get_u64_le().ok()?;
    let mut checksum = Xxh3::new();
    for _ in 0..items {
        let mut header = journal.get(..ITEM_HEADER_BYTES)?;
        if header.get_u8() != ITEM {
            return None;
        }
        header.advance(1 + 1 + 8);
        let (key, _) = (header.get_u16_le(), header.get_u32_le());
        let value = header.get_u32_le();
        let (item, rest) =
            journal.split_at_checked(ITEM_HEADER_BYTES + usize::from(key) + value as usize)?;
        checksum.update(item);
        *journal = rest;
    }
    if journal.try_get_u8().ok()? != END {
        return None;
    }
    let expected = journal.try_get_u64_le().ok()?;
    let (magic, rest) = journal.split_first_chunk()?;
    *journal = rest;
    (*magic == MAGIC).then_some(checksum.digest() == expected)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use ballot::{Batch, BatchId, Bucket, Shard, Timestamp};
    use futures_util::StreamExt;

    use super::*;
    use crate::{BallotStore, EmbeddedSettings, EmbeddedStore, OpenError};

    fn batch(number: u8) -> Batch {
        let id = BatchId::new(Timestamp::from_micros(1_795_464_000_000_000), [number; 10]);
        let packed = vec![number; 20_000].into();
        Batch { contest: "a".parse().unwrap(), id, shard: Shard(0), packed }
    }

    async fn stored(store: &EmbeddedStore) -> Vec<Batch> {
        let contest = "a".parse().unwrap();
        let batches = store.scan(&contest, Shard(0), Bucket(0)..=Bucket(u64::MAX));
        batches.map(Result::unwrap).collect().await
    }

    /// A store of three commits, of which one has lost a page.
    async fn torn(dir: &Path, number: u8) -> PathBuf {
        let store = EmbeddedStore::open(dir, EmbeddedSettings::default()).unwrap();
        for number in 1..=3 {
            store.put_batch(batch(number)).await.unwrap();
        }
        drop(store);
        let path = active(&dir.join("store/ballots")).unwrap().unwrap();
        let mut journal = fs::read(&path).unwrap();
        let torn = journal.windows(20_000).position(|bytes| bytes == batch(number).packed);
        journal[torn.unwrap() + 5_000..][..4_096].fill(0);
        fs::write(&path, &journal).unwrap();
        path
    }

    #[tokio::test]
    async fn a_torn_last_commit_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        torn(dir.path(), 3).await;
        let store = EmbeddedStore::open(dir.path(), EmbeddedSettings::default()).unwrap();
        assert_eq!(stored(&store).await, [batch(1), batch(2)]);
        store.put_batch(batch(4)).await.unwrap();
        drop(store);
        let store = EmbeddedStore::open(dir.path(), EmbeddedSettings::default()).unwrap();
        assert_eq!(stored(&store).await, [batch(1), batch(2), batch(4)]);
    }

    #[tokio::test]
    async fn a_damaged_commit_before_the_last_is_an_error_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = torn(dir.path(), 2).await;
        let before = fs::read(&path).unwrap();
        let error = EmbeddedStore::open(dir.path(), EmbeddedSettings::default()).err().unwrap();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(fs::read(&path).unwrap() == before);
    }
}
