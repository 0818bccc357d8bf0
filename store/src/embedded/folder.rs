//! The folder of an embedded store: whose it is, of which format, and in whose use.
//!
//! ```text
//! DIR/LOCK               held by the process that has the store open
//! DIR/store/FORMAT       {"format":1}
//! DIR/store/ballots      a database
//! DIR/store/control      another
//! ```
//!
//! A new store is made in `DIR/creating` and gets its name when it is complete, so that a crash
//! on the way leaves nothing that could be taken for a store.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::database::{Database, Kind, io_error};

/// The format we write, and the newest that we read.
const FORMAT: u32 = 1;
const LOCK: &str = "LOCK";
const STORE: &str = "store";
const CREATING: &str = "creating";
/// What a new file system has at its root.
const LOST_AND_FOUND: &str = "lost+found";

/// Why a folder could not be opened as a store. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open, or this one already has.
    #[error("the folder {} is in use by another process", dir.display())]
    InUse {
        /// Which folder.
        dir: PathBuf,
    },
    /// It was written by a newer version of this program.
    #[error(
        "the folder {} has format {found}, which is newer than the {known} that this version \
         reads; use the newer version again", dir.display()
    )]
    NewerFormat {
        /// Which folder.
        dir: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// It has something else in it.
    #[error(
        "the folder {} is not empty and has no ballots in it; name an empty folder or a new one",
        dir.display()
    )]
    NotOurs {
        /// Which folder.
        dir: PathBuf,
    },
    /// It is a store, but cannot be read.
    #[error("the store in the folder {} is damaged: {detail}", dir.display())]
    Damaged {
        /// Which folder.
        dir: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The operating system refuses.
    #[error("the folder {} cannot be opened: {source}", dir.display())]
    Io {
        /// Which folder.
        dir: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl OpenError {
    fn io(dir: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { dir: dir.into(), source }
    }

    pub(super) fn database(dir: &Path) -> impl Fn(fjall::Error) -> Self {
        move |error| match io_error(error) {
            Ok(source) => Self::Io { dir: dir.into(), source },
            Err(fjall::Error::Locked) => Self::InUse { dir: dir.into() },
            Err(error) => Self::Damaged { dir: dir.into(), detail: error.to_string() },
        }
    }
}

/// What the file `FORMAT` says. Later formats may say more.
#[derive(Serialize, Deserialize)]
struct Format {
    format: u32,
}

/// A folder that is ours and nobody else's, until dropped.
pub(super) struct Folder {
    store: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens the folder, or makes a store in it if it is empty or missing.
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let io = OpenError::io(dir);
        // Looked at before anything is written: a folder that is refused stays as it is.
        if fs::exists(dir).map_err(&io)? {
            inspect(dir)?;
        }
        fs::create_dir_all(dir).map_err(&io)?;
        let lock = lock(dir)?;
        // Again, now that nobody else can be at it.
        if inspect(dir)? == Content::Nothing {
            create(dir)?;
        }
        Ok(Self { store: dir.join(STORE), _lock: lock })
    }

    /// Where the database lies.
    pub(super) fn database(&self, kind: Kind) -> PathBuf {
        self.store.join(kind.name())
    }
}

/// What is in a folder that is not refused.
#[derive(PartialEq, Eq)]
enum Content {
    /// Nothing, or what a crash left of a store that was being made.
    Nothing,
    /// A store that we can read.
    Store,
}

fn inspect(dir: &Path) -> Result<Content, OpenError> {
    let io = OpenError::io(dir);
    let store = dir.join(STORE);
    let text = match fs::read(store.join("FORMAT")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            for entry in fs::read_dir(dir).map_err(&io)? {
                let name = entry.map_err(&io)?.file_name();
                if ![LOCK, CREATING, LOST_AND_FOUND].iter().any(|ours| name == *ours) {
                    return Err(OpenError::NotOurs { dir: dir.into() });
                }
            }
            return Ok(Content::Nothing);
        }
        Err(error) => return Err(io(error)),
    };
    let damaged = |detail: String| OpenError::Damaged { dir: dir.into(), detail };
    let format: Format = serde_json::from_slice(&text)
        .map_err(|error| damaged(format!("its FORMAT cannot be read: {error}")))?;
    if format.format > FORMAT {
        let (found, known) = (format.format, FORMAT);
        return Err(OpenError::NewerFormat { dir: dir.into(), found, known });
    }
    // fjall would make a new database in place of one that is gone.
    for kind in Kind::ALL {
        let database = store.join(kind.name());
        if !Database::exists(&database).map_err(&io)? {
            return Err(damaged(format!("{} is missing or empty", database.display())));
        }
    }
    Ok(Content::Store)
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let io = OpenError::io(dir);
    let path = dir.join(LOCK);
    let file = File::options().write(true).create(true).truncate(false).open(path).map_err(&io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.into() }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

fn create(dir: &Path) -> Result<(), OpenError> {
    let io = OpenError::io(dir);
    let creating = dir.join(CREATING);
    // What a crash has left; it never held anything.
    match fs::remove_dir_all(&creating) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => fs::create_dir(&creating).map_err(&io)?,
    }
    for kind in Kind::ALL {
        Database::open(&creating.join(kind.name()), kind).map_err(OpenError::database(dir))?;
    }
    let format =
        serde_json::to_vec(&Format { format: FORMAT }).map_err(|error| io(error.into()))?;
    let path = creating.join("FORMAT");
    fs::write(&path, format).and_then(|()| sync(&path)).map_err(&io)?;
    sync(&creating).map_err(&io)?;
    fs::rename(&creating, dir.join(STORE)).and_then(|()| sync(dir)).map_err(&io)?;
    // The folder itself may be new in its parent.
    if let Some(parent) = dir.canonicalize().map_err(&io)?.parent() {
        // A parent that we may not read is not ours to sync.
        let _ = sync(parent);
    }
    Ok(())
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
