//! The contests a node knows: a snapshot in memory that every ballot is checked against without a
//! lock.

#[cfg(test)]
mod life;
#[cfg(test)]
mod margins;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod unknown_outcomes;
#[cfg(test)]
mod wrong_clocks;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use ballot::{Entropy, Moment, NodeClock, Phase, Slug, Timestamp, timing};
use store::{ControlStore, StoreError, Version};
use tokio::sync::Mutex;

use crate::{
    live::LiveContest,
    look::{Looked, Looks, RECHECK},
};

/// How the nodes on one store stay honest about the hours.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How far ahead a close by hand is set: long enough for every node to have read it.
    pub close_margin: Duration,
    /// How much of the margin the writing of a change may take.
    pub close_written: Duration,
    /// How long before it comes a close can be taken back, at the latest.
    pub cancel_margin: Duration,
    /// A node that has read nothing for longer refuses ballots of contests without a set end.
    /// `None` where no other process can change a contest.
    pub definition_age_max: Option<Duration>,
}

impl Pace {
    /// One process is all there is, and it takes a change into account before the change is
    /// written: the margin is the time for that, and the writing takes as long as it likes.
    pub const ALONE: Self = Self {
        close_margin: timing::CLOSE_MARGIN_ALONE,
        close_written: timing::CLOSE_MARGIN_ALONE,
        cancel_margin: Duration::ZERO,
        definition_age_max: None,
    };

    /// Other processes use the same store.
    pub const SHARED: Self = Self {
        close_margin: timing::CLOSE_MARGIN,
        close_written: timing::CLOSE_WRITTEN,
        cancel_margin: timing::CANCEL_MARGIN,
        definition_age_max: Some(timing::DEFINITION_AGE_MAX),
    };

    /// What of the margin must be left when a close is written.
    pub(crate) fn close_margin_left(&self) -> Duration {
        self.close_margin.saturating_sub(self.close_written)
    }
}

/// The store could not be read, or not understood, and nothing is known of the contest without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is away")]
pub struct StoreAway;

/// The contests of this node. One task refreshes it; everybody reads it.
pub struct Contests {
    pub(crate) control: Arc<dyn ControlStore>,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) pace: Pace,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// Held while the snapshot is replaced and while a change is decided and written, so that no
    /// change is lost to another. When the last read was tried.
    pub(crate) replacing: Mutex<Moment>,
    /// Changes of this node whose outcome is not known, by what they expected.
    pub(crate) doubtful: parking_lot::Mutex<BTreeMap<Slug, Version>>,
    /// When the last read that succeeded began, in [`Moment::as_micros`].
    pub(crate) read_at_us: AtomicU64,
    /// What was looked at lately for those who asked.
    pub(crate) looks: Looks,
}

/// What was read last.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) live: HashMap<Slug, Arc<LiveContest>>,
    /// Contests that are there but cannot be understood, and why: damaged, without their key, or of a
    /// version that this one does not know. They are refused, and no other is.
    pub(crate) unreadable: BTreeMap<Slug, Arc<str>>,
}

/// What there is of a contest, for whoever asks.
struct Found {
    live: Option<Arc<LiveContest>>,
    /// Whether it was so after it was asked for.
    is_fresh: bool,
}

impl Found {
    const NOTHING: Self = Self { live: None, is_fresh: true };
}

impl Contests {
    /// Reads all contests. Returns when the node's floor lies above all that has been counted.
    pub async fn load(
        control: Arc<dyn ControlStore>,
        pace: Pace,
        clock: Arc<NodeClock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Arc<Self>, StoreError> {
        let contests = Arc::new(Self {
            control,
            replacing: Mutex::new(clock.moment()),
            clock,
            entropy,
            pace,
            snapshot: ArcSwap::default(),
            doubtful: parking_lot::Mutex::default(),
            read_at_us: AtomicU64::new(0),
            looks: Looks::default(),
        });
        contests.refresh().await?;
        Ok(contests)
    }

    /// The contest as it is now. Read it *after* taking the time that is compared with its hours:
    /// a close by hand relies on that order.
    pub fn get(&self, slug: &str) -> Option<Arc<LiveContest>> {
        self.snapshot.load().live.get(slug).cloned()
    }

    /// The same, but on a cluster reads again what may have been made or opened elsewhere: what is
    /// said of it is for good. Fails where nothing is known of it and the store cannot be read.
    pub async fn get_fresh(&self, slug: &str) -> Result<Option<Arc<LiveContest>>, StoreAway> {
        Ok(self.get_or_read(slug, |live| self.has_begun(live), |_| true).await?.live)
    }

    /// The same for a voter: a contest that is still a secret is as one that is not there.
    pub async fn votable(&self, slug: &str) -> Result<Option<Arc<LiveContest>>, StoreAway> {
        let is_shown = |live: &LiveContest| !self.is_secret(live);
        Ok(self.get_or_read(slug, |live| self.has_begun(live), is_shown).await?.live)
    }

    /// The same, for a gateway with this channel key: it may be a second old, and "not a key" is
    /// said for good, too. Whoever has no key learns of no secret.
    pub async fn with_channel(
        &self,
        slug: &str,
        key: Option<&str>,
    ) -> Result<Option<Arc<LiveContest>>, StoreAway> {
        let has_it = |live: &LiveContest| key.is_none_or(|key| live.channel_of_key(key).is_some());
        let is_enough = |live: &LiveContest| self.has_begun(live) && has_it(live);
        let is_shown =
            |live: &LiveContest| !self.is_secret(live) || (key.is_some() && has_it(live));
        let Found { live, is_fresh } = self.get_or_read(slug, is_enough, is_shown).await?;
        let is_unknown = live.as_deref().is_some_and(|live| !has_it(live));
        if is_unknown && !is_fresh {
            return Err(StoreAway);
        }
        Ok(live)
    }

    /// A contest that the public may know of. Before its opening thousands ask for it: what is known
    /// of it must do for them.
    pub async fn public(&self, slug: &str) -> Result<Option<Arc<LiveContest>>, StoreAway> {
        let is_public = |live: &LiveContest| live.is_public(self.clock.now());
        Ok(self.get_or_read(slug, is_public, is_public).await?.live)
    }

    /// Whether there is a contest of that name, as far as somebody may know who is told no secrets.
    pub fn is_known(&self, slug: &str) -> bool {
        self.get(slug).is_some_and(|live| !self.is_secret(&live))
    }

    /// All contests, by slug.
    pub fn all(&self) -> Vec<Arc<LiveContest>> {
        let mut all: Vec<_> = self.snapshot.load().live.values().cloned().collect();
        all.sort_by(|a, b| a.slug.cmp(&b.slug));
        all
    }

    /// Contests that are there but cannot be understood, and why.
    pub fn unreadable(&self) -> BTreeMap<Slug, Arc<str>> {
        self.snapshot.load().unreadable.clone()
    }

    /// What a tally may have to count: all that were open by now, and what cannot be understood here,
    /// so that it is told.
    pub fn to_count(&self, now: Timestamp) -> Vec<Slug> {
        let all = self.all();
        let begun = all.iter().filter(|live| live.contest.hours.phase(now) != Phase::Draft);
        let begun = begun.map(|live| live.slug.clone());
        begun.chain(self.unreadable().into_keys()).collect()
    }

    /// How far ahead a close by hand is set.
    pub fn close_margin(&self) -> Duration {
        self.pace.close_margin
    }

    /// How long ago the last read that succeeded began.
    pub fn age(&self) -> Duration {
        self.age_at(self.clock.moment())
    }

    pub(crate) fn age_at(&self, now: Moment) -> Duration {
        now.since(Moment::from_micros(self.read_at_us.load(Ordering::Acquire)))
    }

    /// A contest, looked at again where what is known of it is not enough, and read where it has changed.
    /// One that is not shown is as one that is not there, in all that follows and in how long it takes.
    async fn get_or_read(
        &self,
        slug: &str,
        is_enough: impl Fn(&LiveContest) -> bool,
        is_shown: impl Fn(&LiveContest) -> bool,
    ) -> Result<Found, StoreAway> {
        let known = self.get(slug);
        let shown = known.clone().filter(|live| is_shown(live));
        if shown.as_deref().is_some_and(|live| !self.is_shared() || is_enough(live)) {
            return Ok(Found { live: shown, is_fresh: true });
        }
        let asked = self.clock.moment();
        if self.is_shared() {
            // Nobody can have made a contest of another name.
            let Ok(name) = slug.parse::<Slug>() else { return Ok(Found::NOTHING) };
            match self.looks.look(&*self.control, &self.clock, &name, asked).await {
                Some(Looked::Nothing) if known.is_none() => return Ok(Found::NOTHING),
                Some(Looked::There(versions))
                    if known.is_some_and(|live| live.is_current(versions))
                        && !self.is_doubtful(&name) =>
                {
                    return Ok(Found { live: shown, is_fresh: true });
                }
                // What is known must do where the store is away; what is not may yet be there.
                Some(Looked::Away) if shown.is_none() => return Err(StoreAway),
                Some(Looked::Away) => return Ok(Found { live: shown, is_fresh: false }),
                Some(_) => self.read_after(asked).await,
                // Of many names that are asked for: the refresh that comes anyway costs nothing more.
                None => tokio::time::sleep(timing::REFRESH + RECHECK).await,
            }
        }
        let is_fresh = !self.is_shared() || self.age_at(asked) == Duration::ZERO;
        let snapshot = self.snapshot.load();
        match snapshot.live.get(slug).filter(|live| is_shown(live)) {
            Some(live) => Ok(Found { live: Some(Arc::clone(live)), is_fresh }),
            None if snapshot.unreadable.contains_key(slug) || !is_fresh => Err(StoreAway),
            None => Ok(Found::NOTHING),
        }
    }

    /// Waits for a read that began after `asked`. However many wait, one read serves them all, also
    /// one that fails, and there are at most five a second.
    async fn read_after(&self, asked: Moment) {
        tokio::time::sleep(RECHECK.saturating_sub(self.age_at(asked))).await;
        let mut tried_at = self.replacing.lock().await;
        if *tried_at < asked {
            // Whoever asks looks at the age.
            let _ = self.refresh_holding(&mut tried_at).await;
        }
    }

    fn is_shared(&self) -> bool {
        self.pace.definition_age_max.is_some()
    }

    fn is_secret(&self, live: &LiveContest) -> bool {
        live.contest.is_secret(self.clock.now())
    }

    fn has_begun(&self, live: &LiveContest) -> bool {
        live.contest.hours.phase(self.clock.now()) != Phase::Draft
    }
}

impl std::fmt::Debug for Contests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contests").field("contests", &self.snapshot.load().live.len()).finish()
    }
}
