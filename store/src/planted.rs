//! Bugs and failing writes, switched on by environment variables where the feature `planted-bugs`
//! is compiled in, which no release is: checks that must catch a bug are run against it.
//!
//! `LANDSLIDE_PLANTED_BUG`: `ack-before-commit` or `ignore-write-error`.
//! `LANDSLIDE_FAIL_COMMIT_EVERY`: every n-th commit fails, with nothing written.

#[cfg(not(any(test, feature = "planted-bugs")))]
pub(crate) use absent::Planted;
#[cfg(any(test, feature = "planted-bugs"))]
pub(crate) use present::Planted;

#[cfg(not(any(test, feature = "planted-bugs")))]
mod absent {
    use std::io;

    #[derive(Clone, Default)]
    pub(crate) struct Planted;

    impl Planted {
        pub(crate) fn from_env() -> Self {
            Self
        }

        pub(crate) fn acknowledges_before_commit(&self) -> bool {
            false
        }

        pub(crate) fn ignores_write_errors(&self) -> bool {
            false
        }

        pub(crate) fn before_commit(&self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(any(test, feature = "planted-bugs"))]
mod present {
    use std::{
        env, io,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    #[derive(Clone, Default)]
    pub(crate) struct Planted {
        pub(crate) acknowledge_before_commit: bool,
        pub(crate) ignore_write_errors: bool,
        /// 0: none.
        pub(crate) fail_commit_every: u64,
        pub(crate) commits: Arc<AtomicU64>,
    }

    impl Planted {
        pub(crate) fn from_env() -> Self {
            let bug = env::var("LANDSLIDE_PLANTED_BUG").unwrap_or_default();
            let every = env::var("LANDSLIDE_FAIL_COMMIT_EVERY").unwrap_or_default();
            Self {
                acknowledge_before_commit: bug == "ack-before-commit",
                ignore_write_errors: bug == "ignore-write-error",
                fail_commit_every: every.parse().unwrap_or(0),
                commits: Arc::default(),
            }
        }

        pub(crate) fn acknowledges_before_commit(&self) -> bool {
            self.acknowledge_before_commit
        }

        pub(crate) fn ignores_write_errors(&self) -> bool {
            self.ignore_write_errors
        }

        pub(crate) fn before_commit(&self) -> io::Result<()> {
            if self.acknowledge_before_commit {
                // As on a slow disk: time enough for a crash between reply and write.
                std::thread::sleep(Duration::from_millis(20));
            }
            let commit = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
            if self.fail_commit_every > 0 && commit.is_multiple_of(self.fail_commit_every) {
                return Err(io::Error::other("planted"));
            }
            Ok(())
        }
    }
}
