//! A fjall database as we use it: one keyspace, tuned to what it holds.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use fjall::{
    Keyspace, KeyspaceCreateOptions, KvSeparationOptions, OwnedWriteBatch, PersistMode,
    config::{BlockSizePolicy, PinningPolicy},
};

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
        let inner = fjall::Database::builder(dir)
            .worker_threads(1)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNALS_BYTES)
            .manual_journal_persist(true)
            .open()?;
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
        if let Some(journal) = active_journal(&dir)? {
            // Cut, not removed: fjall takes up its numbering of writes only where it finds one.
            let file = File::options().write(true).open(journal)?;
            file.set_len(0)?;
            file.sync_all()?;
        }
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

/// A sentence for people.
pub(super) fn describe(error: fjall::Error) -> String {
    match io_error(error) {
        Ok(error) => error.to_string(),
        Err(fjall::Error::Poisoned) => "writing its files failed in the background".into(),
        Err(error) => error.to_string(),
    }
}

/// The journal with the highest number. Older ones, if there are any, fjall removes by itself.
fn active_journal(dir: &Path) -> io::Result<Option<PathBuf>> {
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
