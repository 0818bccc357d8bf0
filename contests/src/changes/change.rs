//! How any change of a contest goes: read, decided, written while its margin lasts, read again.

use std::{sync::Arc, time::Duration};

use ballot::{
    Contest, ContestKey, Hours, InvalidDefinition, Moment, Slug, Timestamp, random_bytes,
};
use store::{Read, StoreError, Version};

use super::difference::Difference;
use crate::{
    contests::{Contests, Pace},
    documents::{ContestDocument, KeyDocument, corrupt, key, parse, written},
    live::LiveContest,
};

/// A contest after a change.
#[derive(Debug)]
pub struct Changed {
    /// The contest as it is now.
    pub live: Arc<LiveContest>,
    /// Whether it is new.
    pub created: bool,
    /// The contest as it was; the present one where nothing changed.
    pub before: Option<Contest>,
}

impl Changed {
    /// What the change made different; `None` where it made the contest, or changed nothing.
    pub fn difference(&self) -> Option<Difference> {
        Difference::between(self.before.as_ref()?, &self.live.contest)
    }
}

/// Why a contest was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ContestError {
    /// There is no such contest.
    #[error("there is no contest of this name")]
    NotFound,
    /// The definition breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidDefinition),
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("the contest has changed meanwhile; read it again")]
    Stale,
    /// The contest's life does not allow it.
    #[error("{detail}")]
    NotNow {
        /// The member that may not change, if one is at fault.
        field: Option<&'static str>,
        /// What is not allowed, a sentence for people.
        detail: String,
        /// The hours as they are.
        hours: Hours,
    },
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ContestError {
    /// What `open`, `close` and their like are refused with.
    pub(super) fn not_by_hand(hours: Hours, detail: &str) -> Self {
        Self::NotNow { field: None, detail: detail.into(), hours }
    }
}

/// How often a change that met another is tried again.
pub(super) const TRIES: usize = 8;

/// A contest as the store has it.
pub(super) struct Stored {
    pub(super) version: Version,
    pub(super) document: ContestDocument,
    pub(super) contest: Contest,
}

/// A contest as it shall be.
pub(super) struct Next {
    pub(super) document: ContestDocument,
    pub(super) contest: Contest,
}

impl Next {
    /// The document says what the contest is.
    pub(super) fn new(mut document: ContestDocument, contest: Contest) -> Self {
        document.define(&contest);
        Self { document, contest }
    }
}

/// A kind of change. It is decided by what the store has, and holds only as long as its margin does.
pub(super) trait Change {
    /// What to write; `None` where all is as it shall be.
    fn decide(
        &self,
        stored: Option<&Stored>,
        now: Timestamp,
        pace: &Pace,
    ) -> Result<Option<Next>, ContestError>;

    /// Whether what was decided may be written now: so much of its margin must be left as the writing
    /// may not take.
    fn holds(&self, stored: &Contest, next: &Contest, now: Timestamp, pace: &Pace) -> bool;
}

/// What a change came to.
pub(super) struct Applied {
    pub(super) before: Option<Contest>,
    pub(super) created: bool,
}

impl Contests {
    pub(super) async fn change(
        &self,
        slug: &Slug,
        change: &impl Change,
    ) -> Result<Changed, ContestError> {
        let Applied { before, created } = self.apply(slug, change).await?;
        let live = self.get(slug.as_str()).ok_or_else(|| corrupt(slug, "it is gone"))?;
        Ok(Changed { live, created, before })
    }

    /// The same for a change after which there may be no contest.
    pub(super) async fn apply(
        &self,
        slug: &Slug,
        change: &impl Change,
    ) -> Result<Applied, ContestError> {
        for _ in 0..TRIES {
            // Held from before the decision until after the write: what is decided with a margin must
            // not wait for anybody in between.
            let mut replacing = self.replacing.lock().await;
            let stored = self.stored(slug).await?;
            let decided = self.clock.moment();
            let next = change.decide(stored.as_ref(), self.clock.now(), &self.pace)?;
            let before = stored.as_ref().map(|stored| stored.contest.clone());
            let created = before.is_none() && next.is_some();
            let outcome = match next {
                None => Ok(()),
                Some(next) => self.write(slug, stored, next, change, decided).await,
            };
            // After an unknown outcome what the change may refuse is refused until the store can be
            // read again.
            let refreshed = self.refresh_holding(&mut replacing).await;
            match outcome {
                Err(StoreError::Conflict) => continue,
                Err(error) => return Err(error.into()),
                Ok(()) => refreshed?,
            }
            return Ok(Applied { before, created });
        }
        Err(too_many_changes().into())
    }

    /// The contest as it is, for whoever changes it; one that is being deleted is not there.
    pub(super) async fn stored(&self, slug: &Slug) -> Result<Option<Stored>, StoreError> {
        let Some(stored) = self.control.get(&key("contest", slug), Read::Serial).await? else {
            return Ok(None);
        };
        let mut document: ContestDocument = parse(slug, &stored.body)?;
        if document.deleted.is_some() {
            return Ok(None);
        }
        if document.edition.is_none() {
            document.edition = Some(self.key(slug).await?.edition());
        }
        let contest = document.contest(slug)?;
        Ok(Some(Stored { version: stored.version, document, contest }))
    }

    /// A contest's key.
    pub(crate) async fn key(&self, slug: &Slug) -> Result<ContestKey, StoreError> {
        let document = self.control.get(&key("key", slug), Read::Serial).await?;
        let document = document.ok_or_else(|| corrupt(slug, "its key is missing"))?;
        Ok(ContestKey::from_bytes(parse::<KeyDocument>(slug, &document.body)?.key))
    }

    /// Writes a contest's document. [`StoreError::Conflict`]: look again and decide anew.
    async fn write(
        &self,
        slug: &Slug,
        stored: Option<Stored>,
        next: Next,
        change: &impl Change,
        mut decided: Moment,
    ) -> Result<(), StoreError> {
        let Next { mut document, mut contest } = next;
        let path = key("contest", slug);
        let Some(Stored { mut version, contest: before, .. }) = stored else {
            // What is left of a former contest of this name is not this one's.
            self.finish_deletion(slug).await?;
            self.make_key(slug).await?;
            return self.swap(slug, &path, Version::NONE, &document, decided).await.map(|_| ());
        };
        loop {
            // From here until the outcome is known, what the change may refuse is refused. Every
            // ballot's time is taken before its contest is looked up, so if the new close is still to
            // come now, none is acknowledged that it makes late, however slow the store is.
            self.restrict(slug, contest.hours);
            if !change.holds(&before, &contest, self.clock.now(), &self.pace) {
                return Err(StoreError::Conflict);
            }
            version = self.swap(slug, &path, version, &document, decided).await?;
            let closes_at = contest.hours.closes_at;
            let was = before.hours.closes_at;
            let is_nearer = closes_at.is_some_and(|end| was.is_none_or(|was| end < was));
            if !(is_nearer && self.took_too_long(decided)) {
                return Ok(());
            }
            // It was done, and too late for every node to know in time: it is put off.
            decided = self.clock.moment();
            contest.hours.closes_at = closes_at.max(Some(self.later(self.pace.close_margin)));
            document.define(&contest);
        }
    }

    /// A contest's key is made before the contest, once, and never again.
    async fn make_key(&self, slug: &Slug) -> Result<(), StoreError> {
        let document = KeyDocument { key: random_bytes(&*self.entropy) };
        let path = key("key", slug);
        match self.control.compare_and_swap(&path, Version::NONE, written(&document)).await {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn later(&self, duration: Duration) -> Timestamp {
        self.clock.now().plus(duration)
    }
}

pub(super) fn too_many_changes() -> StoreError {
    StoreError::Unavailable("too many changes at once".into())
}
