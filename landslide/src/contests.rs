//! The contests a node knows: their documents in the control store, and a snapshot in memory that
//! every ballot is checked against without a lock.
//!
//! Three documents a contest: `contest/{slug}` (definition; its version is the `ETag`),
//! `key/{slug}` (the pseudonyms' key, so that it can be destroyed alone) and `channels/{slug}`.

mod change;
pub use change::{Changed, ContestError, Etag};

#[cfg(test)]
mod half_done;
#[cfg(test)]
mod tests;

mod live;
pub use live::{Channel, LiveContest};

mod settled;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use ballot::{Contest, ContestKey, Hours, Phase, Slug};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::{ControlStore, Document, StoreError, Version};

use crate::clock;

/// How often a node reads the documents again; other nodes' changes are seen after this.
pub const REFRESH: Duration = Duration::from_secs(1);

/// On a cluster, how old a contest that is not open may look before it is read again for whoever
/// asks: another node may just have made or opened it.
const RECHECK: Duration = Duration::from_millis(200);

/// How the nodes on one store stay honest about the hours.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How far ahead a close by hand is set: long enough for every node to have read it.
    pub close_margin: Duration,
    /// A node that has read nothing for longer refuses ballots of contests without a set end.
    /// `None` where no other process can change a contest.
    pub definition_age_max: Option<Duration>,
}

impl Pace {
    /// One process is all there is, and it takes a change into account before the change is
    /// written: the margin is the time for that.
    pub const ALONE: Self =
        Self { close_margin: Duration::from_millis(250), definition_age_max: None };
}

/// The store could not be read, and nothing is known of the contest without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is away")]
pub struct StoreAway;

/// The contests of this node. One task refreshes it; everybody reads it.
pub struct Contests {
    control: Arc<dyn ControlStore>,
    snapshot: ArcSwap<HashMap<Slug, Arc<LiveContest>>>,
    /// Held while the snapshot is replaced, so that no change is lost to another. When the last read
    /// was tried.
    replacing: tokio::sync::Mutex<Instant>,
    pace: Pace,
    /// When the last read that succeeded began, in microseconds after `started`.
    read_at_us: AtomicU64,
    started: Instant,
}

/// The document `contest/{slug}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ContestDocument {
    definition: serde_json::Value,
    /// Hours that `open` and `close` have set: a definition without hours leaves them.
    #[serde(default)]
    opened_by_hand: bool,
    #[serde(default)]
    closed_by_hand: bool,
}

/// The document `key/{slug}`.
#[derive(Serialize, Deserialize)]
struct KeyDocument {
    key: [u8; 32],
}

/// The document `channels/{slug}`; a channel's number is its position plus one, for ever.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ChannelsDocument {
    pub(crate) channels: Vec<Channel>,
}

impl Contests {
    /// Reads all contests.
    pub async fn load(control: Arc<dyn ControlStore>, pace: Pace) -> Result<Arc<Self>, StoreError> {
        let started = Instant::now();
        let contests = Arc::new(Self {
            control,
            snapshot: ArcSwap::default(),
            replacing: tokio::sync::Mutex::new(started),
            pace,
            read_at_us: AtomicU64::new(0),
            started,
        });
        contests.refresh().await?;
        Ok(contests)
    }

    /// The contest as it is now. Read it *after* taking the time that is compared with its hours:
    /// a close by hand relies on that order.
    pub fn get(&self, slug: &str) -> Option<Arc<LiveContest>> {
        self.snapshot.load().get(slug).cloned()
    }

    /// The same, but on a cluster reads again what may have been made or opened elsewhere: what is
    /// said of it is for good. Fails where nothing is known of it and the store cannot be read.
    pub async fn get_fresh(&self, slug: &str) -> Result<Option<Arc<LiveContest>>, StoreAway> {
        self.get_or_read(slug, has_begun).await
    }

    /// The same, for a gateway with this channel key: it may be a second old, and "not a key" is
    /// said for good, too.
    pub async fn with_channel(
        &self,
        slug: &str,
        key: Option<&str>,
    ) -> Result<Option<Arc<LiveContest>>, StoreAway> {
        let asked = Instant::now();
        let has_it = |live: &LiveContest| key.is_none_or(|key| live.channel_of_key(key).is_some());
        let live = self.get_or_read(slug, |live| has_begun(live) && has_it(live)).await?;
        let is_unknown = live.as_deref().is_some_and(|live| !has_it(live));
        let is_shared = self.pace.definition_age_max.is_some();
        if is_shared && is_unknown && self.age(asked) > Duration::ZERO {
            return Err(StoreAway);
        }
        Ok(live)
    }

    /// A contest that the public may know of. Before its opening thousands ask for it: what is known
    /// of it must do for them.
    pub async fn public(&self, slug: &str) -> Result<Option<Arc<LiveContest>>, StoreAway> {
        let live = self.get_or_read(slug, LiveContest::is_public).await?;
        Ok(live.filter(|live| live.is_public()))
    }

    async fn get_or_read(
        &self,
        slug: &str,
        is_enough: impl Fn(&LiveContest) -> bool,
    ) -> Result<Option<Arc<LiveContest>>, StoreAway> {
        let known = self.get(slug);
        if self.pace.definition_age_max.is_none() || known.as_deref().is_some_and(is_enough) {
            return Ok(known);
        }
        let asked = Instant::now();
        self.read_after(asked).await;
        // What is known must do where the store is away; what is not may yet be there.
        let live = self.get(slug);
        if live.is_none() && self.age(asked) > Duration::ZERO {
            return Err(StoreAway);
        }
        Ok(live)
    }

    /// Waits for a read that began after `asked`. However many wait, one read serves them all, also
    /// one that fails, and there are at most five a second.
    async fn read_after(&self, asked: Instant) {
        tokio::time::sleep(RECHECK.saturating_sub(self.age(asked))).await;
        let mut tried_at = self.replacing.lock().await;
        if *tried_at < asked {
            let _ = self.refresh_holding(&mut tried_at).await;
        }
    }

    /// How far ahead a close by hand is set.
    pub fn close_margin(&self) -> Duration {
        self.pace.close_margin
    }

    /// How long ago the last read that succeeded began.
    pub fn age(&self, now: Instant) -> Duration {
        self.since(self.read_at_us.load(Ordering::Acquire), now)
    }

    fn since(&self, moment_us: u64, now: Instant) -> Duration {
        now.saturating_duration_since(self.started + Duration::from_micros(moment_us))
    }

    /// Whether the contest may have been opened or closed elsewhere without this node's knowing: a
    /// draft, or a contest without a set end, that was not read for too long. A look at it does not
    /// count for the latter: it does not show a close that is half done.
    pub fn hours_in_doubt(&self, live: &LiveContest, now: Instant) -> bool {
        let Some(age_max) = self.pace.definition_age_max else { return false };
        let hours = live.contest.hours;
        match hours.phase(clock::now()) {
            Phase::Draft => self.age(now) > REFRESH * 2,
            Phase::Open | Phase::Closed => {
                let settled_at_us = live.settled_at_us.load(Ordering::Acquire);
                hours.closes_at.is_none() && self.since(settled_at_us, now) > age_max
            }
        }
    }

    /// All contests, by slug.
    pub fn all(&self) -> Vec<Arc<LiveContest>> {
        let mut all: Vec<_> = self.snapshot.load().values().cloned().collect();
        all.sort_by(|a, b| a.slug.cmp(&b.slug));
        all
    }

    /// Reads what has changed in the store.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let mut tried_at = self.replacing.lock().await;
        self.refresh_holding(&mut tried_at).await
    }

    /// Until the next refresh, refuses what either the present hours or `hours` refuse. Returns
    /// the present ones.
    fn restrict(&self, slug: &Slug, hours: Hours) -> Option<Hours> {
        let known = self.snapshot.load_full();
        let live = known.get(slug)?;
        let now = clock::now();
        let mut next = HashMap::clone(&known);
        next.insert(slug.clone(), Arc::new(live.restricted_to(hours, now)));
        self.snapshot.store(Arc::new(next));
        Some(live.contest.hours)
    }

    async fn refresh_holding(
        &self,
        tried_at: &mut tokio::sync::MutexGuard<'_, Instant>,
    ) -> Result<(), StoreError> {
        let (began, now) = (Instant::now(), clock::now());
        **tried_at = began;
        let began_us = u64::try_from((began - self.started).as_micros()).unwrap_or(u64::MAX);
        let known = self.snapshot.load_full();
        // Where a change whose outcome nobody knows could do harm, a read and not a mere look: such
        // a change is done or not from this read on, and not hours later.
        let peeks = |path: &str| {
            let live = path.split_once('/').and_then(|(_, slug)| known.get(slug));
            live.is_some_and(|live| {
                let age = self.since(live.settled_at_us.load(Ordering::Acquire), began);
                let (hours, margin) = (live.contest.hours, self.pace.close_margin);
                !live.is_restricted() && settled::may_peek(&live.slug, hours, age, now, margin)
            })
        };
        let mut channels: HashMap<String, Document> =
            self.control.peek_all("channels/").await?.into_iter().collect();
        let mut next = HashMap::with_capacity(known.len());
        let mut changed = false;
        for (path, mut document) in self.control.list_or_peek("contest/", &peeks).await? {
            let slug = slug_of(&path)?;
            let peeked = known.get(&slug).filter(|_| peeks(&path));
            let settled_at_us = match peeked {
                None => began_us,
                Some(live) if live.etag() == Etag(document.version) => {
                    live.settled_at_us.load(Ordering::Acquire)
                }
                // What else is under way with it may harm more now than it could before.
                Some(_) => {
                    let document_now = self.control.get(&path).await?;
                    document = document_now.ok_or_else(|| corrupt(&slug, "it is gone"))?;
                    began_us
                }
            };
            let channels = channels.remove(&key("channels", &slug));
            let versions =
                (document.version, channels.as_ref().map_or(Version::NONE, |d| d.version));
            let live = match known.get(&slug) {
                Some(live) if live.is_current(versions) => Arc::clone(live),
                _ => {
                    changed = true;
                    Arc::new(self.read(slug.clone(), &document, channels.as_ref()).await?)
                }
            };
            live.settled_at_us.store(settled_at_us, Ordering::Release);
            next.insert(slug, live);
        }
        if changed || next.len() != known.len() {
            self.snapshot.store(Arc::new(next));
        }
        self.read_at_us.fetch_max(began_us, Ordering::Release);
        Ok(())
    }

    async fn read(
        &self,
        slug: Slug,
        document: &Document,
        channels: Option<&Document>,
    ) -> Result<LiveContest, StoreError> {
        let key_document = self.control.get(&key("key", &slug)).await?;
        let key_document = key_document.ok_or_else(|| corrupt(&slug, "its key is missing"))?;
        let stored: KeyDocument = parse(&slug, &key_document.body)?;
        let definition: ContestDocument = parse(&slug, &document.body)?;
        let text = definition.definition.to_string();
        let contest = Contest::from_json(text.as_bytes()).map_err(|error| corrupt(&slug, error))?;
        let (channels_version, channels) = match channels {
            None => (Version::NONE, ChannelsDocument::default()),
            Some(document) => (document.version, parse(&slug, &document.body)?),
        };
        Ok(LiveContest::new(
            slug,
            contest,
            ContestKey::from_bytes(stored.key),
            channels.channels,
            (document.version, channels_version),
        ))
    }
}

fn has_begun(live: &LiveContest) -> bool {
    live.contest.hours.phase(clock::now()) != Phase::Draft
}

fn key(kind: &str, slug: &Slug) -> String {
    format!("{kind}/{slug}")
}

fn slug_of(path: &str) -> Result<Slug, StoreError> {
    let slug = path.split_once('/').map_or("", |(_, slug)| slug);
    slug.parse().map_err(|_| StoreError::Corrupt(format!("no contest is named {path}").into()))
}

fn parse<T: serde::de::DeserializeOwned>(slug: &Slug, body: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(body).map_err(|error| corrupt(slug, error))
}

fn corrupt(slug: &Slug, error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("the documents of contest {slug}: {error}").into())
}

fn written(document: &impl Serialize) -> Bytes {
    serde_json::to_vec(document).expect("a document of ours has only string keys").into()
}

impl std::fmt::Debug for Contests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contests").field("contests", &self.snapshot.load().len()).finish()
    }
}
