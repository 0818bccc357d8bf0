//! Changing a contest: what may change when, and how a close by hand stays honest.

use std::{sync::Arc, time::Duration};

use ballot::{
    Admission, Contest, Hours, InvalidDefinition, Moment, Phase, Slug, Timestamp, random_bytes,
};
use store::{Read, StoreError, Version};

use crate::{
    contests::Contests,
    documents::{ContestDocument, Etag, KeyDocument, corrupt, key, parse, written},
    live::LiveContest,
};

/// A contest after a change.
#[derive(Debug)]
pub struct Changed {
    /// The contest as it is now.
    pub live: Arc<LiveContest>,
    /// Whether it is new.
    pub created: bool,
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

/// How often a change that met another is tried again.
pub(crate) const TRIES: usize = 8;

/// A contest as the store has it.
pub(crate) struct Stored {
    version: Version,
    document: ContestDocument,
    contest: Contest,
}

/// A contest as it shall be.
struct Next {
    document: ContestDocument,
    contest: Contest,
}

/// A kind of change. It is decided by what the store has, and holds only as long as its margin does.
trait Change {
    /// What to write; `None` where all is as it shall be.
    fn decide(
        &self,
        stored: Option<&Stored>,
        now: Timestamp,
        margin: Duration,
    ) -> Result<Option<Next>, ContestError>;

    /// Whether what was decided may be written now, with so much of the margin left.
    fn holds(&self, stored: &Contest, next: &Contest, now: Timestamp, margin: Duration) -> bool;
}

impl Contests {
    /// Creates or changes a contest. `precondition` is asked with its version, if it exists.
    pub async fn put(
        &self,
        slug: &Slug,
        definition: &Contest,
        precondition: impl Fn(Option<Etag>) -> bool,
    ) -> Result<Changed, ContestError> {
        if definition.admission != Admission::Open {
            return Err(InvalidDefinition {
                field: "admission".into(),
                detail: "this version admits by `open` only".into(),
                unreadable: false,
            }
            .into());
        }
        self.change(slug, &Put { definition, precondition }).await
    }

    /// Opens a contest now. One that is open stays as it is; one that is closed stays closed.
    pub async fn open(&self, slug: &Slug) -> Result<Changed, ContestError> {
        self.change(slug, &Open).await
    }

    /// Closes a contest, as soon as every node can know of it. A second close moves nothing.
    pub async fn close(&self, slug: &Slug) -> Result<Changed, ContestError> {
        self.change(slug, &Close).await
    }

    async fn change(&self, slug: &Slug, change: &impl Change) -> Result<Changed, ContestError> {
        for _ in 0..TRIES {
            // Held from before the decision until after the write: what is decided with a margin must
            // not wait for anybody in between.
            let mut replacing = self.replacing.lock().await;
            let stored = self.stored(slug).await?;
            let decided = self.clock.moment();
            let margin = self.pace.close_margin;
            let next = change.decide(stored.as_ref(), self.clock.now(), margin)?;
            let (created, is_done) = (stored.is_none(), next.is_none());
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
            let live = self.get(slug.as_str()).ok_or_else(|| corrupt(slug, "it is gone"))?;
            return Ok(Changed { live, created: created && !is_done });
        }
        Err(too_many_changes().into())
    }

    pub(crate) async fn stored(&self, slug: &Slug) -> Result<Option<Stored>, StoreError> {
        let Some(stored) = self.control.get(&key("contest", slug), Read::Serial).await? else {
            return Ok(None);
        };
        let document: ContestDocument = parse(slug, &stored.body)?;
        let contest = document.contest(slug)?;
        Ok(Some(Stored { version: stored.version, document, contest }))
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
            self.make_key(slug).await?;
            return self.swap(slug, &path, Version::NONE, &document, decided).await.map(|_| ());
        };
        loop {
            // From here until the outcome is known, what the change may refuse is refused. Every
            // ballot's time is taken before its contest is looked up, so if the new close is still to
            // come now, none is acknowledged that it makes late, however slow the store is.
            self.restrict(slug, contest.hours);
            let left = self.pace.close_margin.saturating_sub(self.pace.close_written);
            if !change.holds(&before, &contest, self.clock.now(), left) {
                return Err(StoreError::Conflict);
            }
            version = self.swap(slug, &path, version, &document, decided).await?;
            let closes_at = contest.hours.closes_at;
            let is_nearer = closes_at.is_some() && closes_at != before.hours.closes_at;
            if !(is_nearer && self.took_too_long(decided)) {
                return Ok(());
            }
            // It was done, and too late for every node to know in time: it is put off.
            decided = self.clock.moment();
            contest.hours.closes_at = closes_at.max(Some(self.later(self.pace.close_margin)));
            document.definition = serde_json::to_value(&contest).unwrap_or_default();
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

pub(crate) fn too_many_changes() -> StoreError {
    StoreError::Unavailable("too many changes at once".into())
}

/// `PUT` of a definition.
struct Put<'a, P> {
    definition: &'a Contest,
    precondition: P,
}

impl<P: Fn(Option<Etag>) -> bool> Change for Put<'_, P> {
    fn decide(
        &self,
        stored: Option<&Stored>,
        now: Timestamp,
        margin: Duration,
    ) -> Result<Option<Next>, ContestError> {
        if !(self.precondition)(stored.map(|stored| Etag(stored.version))) {
            return Err(ContestError::Stale);
        }
        let mut contest = self.definition.clone();
        let (mut opened_by_hand, mut closed_by_hand) = (false, false);
        if let Some(Stored { document, contest: before, .. }) = stored {
            keep_hours_set_by_hand(&mut contest, document, before, now);
            check_change(before, &contest, now, margin)?;
            opened_by_hand = document.opened_by_hand;
            let same_close = before.hours.closes_at == contest.hours.closes_at;
            closed_by_hand = document.closed_by_hand && same_close;
        }
        contest.hours.check()?;
        let definition = serde_json::to_value(&contest).unwrap_or_default();
        let document = ContestDocument { definition, opened_by_hand, closed_by_hand };
        Ok(Some(Next { document, contest }))
    }

    fn holds(&self, stored: &Contest, next: &Contest, now: Timestamp, margin: Duration) -> bool {
        check_change(stored, next, now, margin).is_ok()
    }
}

/// `POST …/open`.
struct Open;

impl Change for Open {
    fn decide(
        &self,
        stored: Option<&Stored>,
        now: Timestamp,
        _: Duration,
    ) -> Result<Option<Next>, ContestError> {
        let Stored { document, contest, .. } = stored.ok_or(ContestError::NotFound)?;
        let hours = contest.hours;
        match hours.phase(now) {
            Phase::Open => Ok(None),
            Phase::Closed => {
                Err(not_by_hand(hours, "a contest that has closed does not open again"))
            }
            Phase::Draft if hours.closes_at.is_some_and(|end| end <= now) => {
                Err(not_by_hand(hours, "its closes_at has passed"))
            }
            Phase::Draft => {
                let opened = Hours { opens_at: Some(now), ..hours };
                Ok(Some(with_hours(contest, document, opened, |next| next.opened_by_hand = true)))
            }
        }
    }

    fn holds(&self, stored: &Contest, next: &Contest, now: Timestamp, _: Duration) -> bool {
        stored.hours.phase(now) == Phase::Draft && next.hours.phase(now) == Phase::Open
    }
}

/// `POST …/close`.
struct Close;

impl Change for Close {
    fn decide(
        &self,
        stored: Option<&Stored>,
        now: Timestamp,
        margin: Duration,
    ) -> Result<Option<Next>, ContestError> {
        let Stored { document, contest, .. } = stored.ok_or(ContestError::NotFound)?;
        let (hours, close_at) = (contest.hours, now.plus(margin));
        match hours.phase(now) {
            Phase::Closed => Ok(None),
            Phase::Draft => Err(not_by_hand(hours, "the contest is not open")),
            Phase::Open if hours.closes_at.is_some_and(|end| end <= close_at) => Ok(None),
            Phase::Open => {
                let closed = Hours { closes_at: Some(close_at), ..hours };
                Ok(Some(with_hours(contest, document, closed, |next| next.closed_by_hand = true)))
            }
        }
    }

    fn holds(&self, stored: &Contest, next: &Contest, now: Timestamp, margin: Duration) -> bool {
        stored.hours.phase(now) == Phase::Open
            && next.hours.closes_at.is_some_and(|end| end > now && end >= now.plus(margin))
    }
}

fn not_by_hand(hours: Hours, detail: &str) -> ContestError {
    ContestError::NotNow { field: None, detail: detail.into(), hours }
}

fn with_hours(
    contest: &Contest,
    document: &ContestDocument,
    hours: Hours,
    note: impl Fn(&mut ContestDocument),
) -> Next {
    let contest = Contest { hours, ..contest.clone() };
    let definition = serde_json::to_value(&contest).unwrap_or_default();
    let mut document = ContestDocument { definition, ..document.clone() };
    note(&mut document);
    Next { document, contest }
}

/// A definition without hours leaves those that `open` and `close` have set, and the opening of
/// a contest that has opened.
fn keep_hours_set_by_hand(
    next: &mut Contest,
    document: &ContestDocument,
    before: &Contest,
    now: Timestamp,
) {
    let opened = before.hours.phase(now) != Phase::Draft;
    if next.hours.opens_at.is_none() && (document.opened_by_hand || opened) {
        next.hours.opens_at = before.hours.opens_at;
    }
    if next.hours.closes_at.is_none() && document.closed_by_hand {
        next.hours.closes_at = before.hours.closes_at;
    }
}

/// Once open, only `title`, `results` and `closes_at` change, and the close not to a moment that
/// may already be acknowledged in; once closed, the close stays.
fn check_change(
    now_is: &Contest,
    next: &Contest,
    now: Timestamp,
    close_margin: Duration,
) -> Result<(), ContestError> {
    let hours = now_is.hours;
    let phase = hours.phase(now);
    let not_now = |field, detail: String| Err(ContestError::NotNow { field, detail, hours });
    // Frozen already when another node may have opened before it reads this change.
    let opening = hours.opens_at.is_some_and(|start| start <= now.plus(close_margin));
    if phase == Phase::Draft && !opening {
        return Ok(());
    }
    let frozen = [
        ("opens_at", now_is.hours.opens_at != next.hours.opens_at),
        ("policy", now_is.policy != next.policy),
        ("admission", now_is.admission != next.admission),
        ("shards", now_is.shards != next.shards),
        ("choices", now_is.choices != next.choices),
    ];
    if let Some((field, _)) = frozen.into_iter().find(|(_, changed)| *changed) {
        return not_now(Some(field), format!("{field} is frozen since the contest opened"));
    }
    if hours.closes_at == next.hours.closes_at {
        return Ok(());
    }
    if phase == Phase::Closed {
        return not_now(Some("closes_at"), "a contest that has closed does not open again".into());
    }
    // Where the present close is nearer still, it may stay but not move.
    let earliest = now.plus(close_margin);
    if hours.closes_at.is_some_and(|end| end <= earliest) {
        return not_now(Some("closes_at"), "the contest is closing".into());
    }
    if next.hours.closes_at.is_some_and(|end| end < earliest) {
        let detail =
            format!("closes_at cannot be earlier than {earliest}: ballots are being taken");
        return not_now(Some("closes_at"), detail);
    }
    Ok(())
}
