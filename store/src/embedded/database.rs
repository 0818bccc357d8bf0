//! A fjall database as we use it: one keyspace, tuned to what it holds.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use fjall::{
    Keyspace, KeyspaceCreateOptions, KvSeparationOptions, OwnedWriteBatch, PersistMode,
    config::{BlockSizePolicy, PinningPolicy},
};

use super::journal;
use crate::StoreError;

/// Bytes of a memtable that is flushed. With the journal, which is begun anew at the first flush
/// past 64 MB, this bounds what is replayed after a crash.
const MEMTABLE_BYTES: u64 = 32 * 1_024 * 1_024;
/// fjall's smallest; each database has only one keyspace, so that it never comes to that.
const JOURNALS_BYTES: u64 = 128 * 1_024 * 1_024;
/// Packed ballots from here on are written once, to a blob file, and never moved by a compaction,
/// which then handles keys only.
const BLOB_BYTES_MIN: u32 = 512;
const BLOB_FILE_BYTES: u64 = 256 * 1_024 * 1_024;
/// None: the operating system caches files, and scans, which read every value once, would fight
/// over ours. With one of 8 MiB, two of them were as fast as one.
const CACHE_BYTES: u64 = 0;

/// What a database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ballots,
    Control,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Ballots, Self::Control];

    /// The name of the folder and of the keyspace.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ballots => "ballots",
            Self::Control => "control",
        }
    }
}

pub(super) struct Database {
    keyspace: Keyspace,
    inner: fjall::Database,
    dir: PathBuf,
    kind: Kind,
}

impl Database {
    /// Whether there is one, made to the end.
    pub(super) fn exists(dir: &Path) -> io::Result<bool> {
        std::fs::exists(dir.join("version"))
    }

    /// Opens or creates it.
    pub(super) fn open(dir: &Path, kind: Kind) -> Result<Self, fjall::Error> {
        let builder = || {
            fjall::Database::builder(dir)
                .worker_threads(1)
                .cache_size(CACHE_BYTES)
                .max_journaling_size(JOURNALS_BYTES)
                .manual_journal_persist(true)
        };
        let inner = match builder().open() {
            Err(fjall::Error::JournalRecovery(_)) if journal::cut_torn_end(dir)? => {
                builder().open()?
            }
            opened => opened?,
        };
        let options = match kind {
            Kind::Ballots => ballots_options(),
            Kind::Control => KeyspaceCreateOptions::default(),
        };
        let options = options.max_memtable_size(MEMTABLE_BYTES).manual_journal_persist(true);
        let keyspace = inner.keyspace(kind.name(), || options)?;
        Ok(Self { keyspace, inner, dir: dir.into(), kind })
    }

    pub(super) fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// A write that is durable when it is committed.
    pub(super) fn write(&self) -> OwnedWriteBatch {
        self.inner.batch().durability(Some(PersistMode::SyncData))
    }

    /// Whether the database has failed in the background.
    pub(super) fn check(&self) -> Result<(), fjall::Error> {
        // It flushes a buffer that is empty between commits; what we want is its first line, the
        // one way to see the flag that a failed flush or compaction sets.
        self.inner.persist(PersistMode::Buffer)
    }

    /// Begins to write the memtable to its files, in the background. `false` if that is done.
    pub(super) fn begin_flush(&self) -> Result<bool, fjall::Error> {
        Ok(self.keyspace.rotate_memtable()? || self.keyspace.sealed_memtable_count() > 0)
    }

    /// Writes the memtable to its files.
    pub(super) fn flush(&self) -> Result<(), fjall::Error> {
        self.keyspace.rotate_memtable()?;
        // Not `rotate_memtable_and_wait`, which waits for good when the flush has failed.
        while self.keyspace.sealed_memtable_count() > 0 {
            self.check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        self.check()
    }

    /// Closes the database, which must be flushed, empties its journal and opens it again. fjall
    /// has no call for it: it begins a new journal only past 64 MB.
    pub(super) fn empty_journal(self) -> Result<Self, fjall::Error> {
        let Self { keyspace, inner, dir, kind } = self;
        drop(keyspace);
        drop(inner);
        journal::empty(&dir)?;
        Self::open(&dir, kind)
    }
}

/// What the operating system said, if that is what it is about.
pub(super) fn io_error(error: fjall::Error) -> Result<io::Error, fjall::Error> {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => Ok(error),
        error => Err(error),
    }
}

/// Try again: nothing is damaged.
pub(super) fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable(reason.into())
}

/// A sentence for people, on the database in that folder.
pub(super) fn describe(error: fjall::Error, dir: &Path) -> String {
    match io_error(error) {
        Ok(error) => error.to_string(),
        // fjall keeps the reason to itself, and there is one that is likely.
        Err(fjall::Error::Poisoned) => {
            format!("writing its files failed in the background{}", likely_reason(dir))
        }
        Err(error) => error.to_string(),
    }
}

fn likely_reason(dir: &Path) -> String {
    let Ok(disk) = rustix::fs::statvfs(dir) else { return String::new() };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    // A flush or a small compaction that failed has given back what it had written.
    if free > 2 * MEMTABLE_BYTES {
        return String::new();
    }
    format!(", most likely for no space left on device: {} MB are free", free / 1_000_000)
}

fn ballots_options() -> KeyspaceCreateOptions {
    let blobs = KvSeparationOptions::default()
        .separation_threshold(BLOB_BYTES_MIN)
        .file_target_size(BLOB_FILE_BYTES);
    KeyspaceCreateOptions::default()
        .with_kv_separation(Some(blobs))
        .compaction_strategy(Arc::new(fjall::compaction::Leveled::default()))
        .data_block_size_policy(BlockSizePolicy::all(16 * 1_024))
        .index_block_pinning_policy(PinningPolicy::all(true))
        .filter_block_pinning_policy(PinningPolicy::all(false))
}
