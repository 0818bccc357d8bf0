//! Changing a contest: what may change when, and how a close by hand stays honest.

use std::{fmt, sync::Arc, time::Duration};

use ballot::{Admission, Contest, Hours, InvalidDefinition, Phase, Slug, Timestamp, limits};
use bytes::Bytes;
use store::{StoreError, Version};

use super::{Channel, ChannelsDocument, ContestDocument, Contests, KeyDocument, LiveContest};
use super::{corrupt, key, parse, written};
use crate::clock;

/// A definition's version, as HTTP writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Etag(pub(super) Version);

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.0)
    }
}

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
const TRIES: usize = 8;

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
        for _ in 0..TRIES {
            let stored = self.stored(slug).await?;
            if !precondition(stored.as_ref().map(|(version, ..)| Etag(*version))) {
                return Err(ContestError::Stale);
            }
            let mut next = definition.clone();
            let (mut opened_by_hand, mut closed_by_hand) = (false, false);
            if let Some((_, document, contest)) = &stored {
                keep_hours_set_by_hand(&mut next, document, contest);
                check_change(contest, &next, clock::now(), self.pace.close_margin)?;
                opened_by_hand = document.opened_by_hand;
                let same_close = contest.hours.closes_at == next.hours.closes_at;
                closed_by_hand = document.closed_by_hand && same_close;
            }
            next.hours.check()?;
            let document = ContestDocument {
                definition: serde_json::to_value(&next).unwrap_or_default(),
                opened_by_hand,
                closed_by_hand,
            };
            let version = stored.map_or(Version::NONE, |(version, ..)| version);
            if version == Version::NONE {
                self.make_key(slug).await?;
            }
            match self.write(slug, version, &document, next.hours).await {
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
                Ok(live) => return Ok(Changed { live, created: version == Version::NONE }),
            }
        }
        Err(StoreError::Unavailable("too many changes at once".into()).into())
    }

    /// Opens a contest now. One that is open stays as it is; one that is closed stays closed.
    pub async fn open(&self, slug: &Slug) -> Result<Changed, ContestError> {
        self.by_hand(slug, |contest, document| {
            let now = clock::now();
            match contest.hours.phase(now) {
                Phase::Open => Ok(false),
                Phase::Closed => Err("a contest that has closed does not open again".into()),
                Phase::Draft if contest.hours.closes_at.is_some_and(|end| end <= now) => {
                    Err("its closes_at has passed".into())
                }
                Phase::Draft => {
                    contest.hours.opens_at = Some(now);
                    document.opened_by_hand = true;
                    Ok(true)
                }
            }
        })
        .await
    }

    /// Closes a contest, as soon as every node can know of it. A second close moves nothing.
    pub async fn close(&self, slug: &Slug) -> Result<Changed, ContestError> {
        self.by_hand(slug, |contest, document| {
            let now = clock::now();
            let close_at = now.plus(self.pace.close_margin);
            match contest.hours.phase(now) {
                Phase::Closed => Ok(false),
                Phase::Draft => Err("the contest is not open".into()),
                Phase::Open if contest.hours.closes_at.is_some_and(|end| end <= close_at) => {
                    Ok(false)
                }
                Phase::Open => {
                    contest.hours.closes_at = Some(close_at);
                    document.closed_by_hand = true;
                    Ok(true)
                }
            }
        })
        .await
    }

    /// Gives a gateway's channel a new key, and returns it; the old one, if any, opens nothing
    /// from now on. Also returns the channel's number.
    pub async fn new_channel_key(
        &self,
        slug: &Slug,
        channel: &Slug,
    ) -> Result<String, ContestError> {
        let key = crate::secret::new_key();
        let key_hash = *blake3::hash(key.as_bytes()).as_bytes();
        let path = super::key("channels", slug);
        for _ in 0..TRIES {
            if self.stored(slug).await?.is_none() {
                return Err(ContestError::NotFound);
            }
            let stored = self.control.get(&path).await?;
            let version = stored.as_ref().map_or(Version::NONE, |document| document.version);
            let mut document: ChannelsDocument = match &stored {
                Some(document) => parse(slug, &document.body)?,
                None => ChannelsDocument::default(),
            };
            match document.channels.iter().position(|known| known.channel == *channel) {
                Some(position) => document.channels[position].key_hash = key_hash,
                None if document.channels.len() == limits::CHANNELS_MAX => {
                    let detail = format!("a contest has at most {} channels", limits::CHANNELS_MAX);
                    let invalid =
                        InvalidDefinition { field: "channel".into(), detail, unreadable: false };
                    return Err(invalid.into());
                }
                None => document.channels.push(Channel { channel: channel.clone(), key_hash }),
            }
            match self.control.compare_and_swap(&path, version, written(&document)).await {
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    self.refresh().await?;
                    return Ok(key);
                }
            }
        }
        Err(StoreError::Unavailable("too many changes at once".into()).into())
    }

    async fn by_hand(
        &self,
        slug: &Slug,
        change: impl Fn(&mut Contest, &mut ContestDocument) -> Result<bool, String>,
    ) -> Result<Changed, ContestError> {
        for _ in 0..TRIES {
            let (version, mut document, mut contest) =
                self.stored(slug).await?.ok_or(ContestError::NotFound)?;
            let hours = contest.hours;
            let changed = change(&mut contest, &mut document)
                .map_err(|detail| ContestError::NotNow { field: None, detail, hours })?;
            if !changed {
                self.refresh().await?;
                let live = self.get(slug.as_str()).ok_or(ContestError::NotFound)?;
                return Ok(Changed { live, created: false });
            }
            document.definition = serde_json::to_value(&contest).unwrap_or_default();
            match self.write(slug, version, &document, contest.hours).await {
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
                Ok(live) => return Ok(Changed { live, created: false }),
            }
        }
        Err(StoreError::Unavailable("too many changes at once".into()).into())
    }

    async fn stored(
        &self,
        slug: &Slug,
    ) -> Result<Option<(Version, ContestDocument, Contest)>, StoreError> {
        let Some(stored) = self.control.get(&key("contest", slug)).await? else {
            return Ok(None);
        };
        let document: ContestDocument = parse(slug, &stored.body)?;
        let text = document.definition.to_string();
        let contest = Contest::from_json(text.as_bytes()).map_err(|error| corrupt(slug, error))?;
        Ok(Some((stored.version, document, contest)))
    }

    /// Writes a contest's document. [`StoreError::Conflict`]: look again and decide anew.
    async fn write(
        &self,
        slug: &Slug,
        expected: Version,
        document: &ContestDocument,
        hours: Hours,
    ) -> Result<Arc<LiveContest>, StoreError> {
        let mut replacing = self.replacing.lock().await;
        // From here until the outcome is known, what the change may refuse is refused. Every
        // ballot's time is taken before its contest is looked up, so if the new close is still to
        // come now, none is acknowledged that it makes late, however slow the store is.
        let known = self.restrict(slug, hours);
        let now = clock::now();
        let too_late = known.is_some_and(|known| match known.phase(now) {
            Phase::Draft => false,
            Phase::Open => hours.closes_at.is_some_and(|end| end <= now),
            // Decided while it was open, and nothing reopens.
            Phase::Closed => hours.closes_at != known.closes_at,
        });
        let outcome = if too_late {
            Err(StoreError::Conflict)
        } else {
            self.swap(&key("contest", slug), expected, written(document)).await
        };
        // After an unknown outcome the restriction stays until the store can be read again.
        let refreshed = self.refresh_holding(&mut replacing).await;
        outcome?;
        refreshed?;
        self.get(slug.as_str()).ok_or_else(|| corrupt(slug, "it is gone"))
    }

    /// Compares and swaps. A reply that is lost says nothing, and the request may lie in a paused node
    /// of the cluster and be carried out when that goes on: a close long after its time. So what was
    /// not done is voided, by a swap that leaves the document as it is but for its version.
    async fn swap(&self, path: &str, expected: Version, body: Bytes) -> Result<(), StoreError> {
        let lost = match self.control.compare_and_swap(path, expected, body.clone()).await {
            Err(StoreError::Unavailable(lost)) => lost,
            outcome => return outcome.map(|_| ()),
        };
        match self.control.get(path).await? {
            Some(document) if document.version == expected => {
                self.control.compare_and_swap(path, expected, document.body).await?;
                Err(StoreError::Unavailable(format!("{lost}; it was not done").into()))
            }
            Some(document) if document.body == body => Ok(()),
            Some(_) => Err(StoreError::Conflict),
            // Of a contest that is not there nobody has read anything.
            None => Err(StoreError::Unavailable(lost)),
        }
    }

    /// A contest's key is made before the contest, once, and never again.
    async fn make_key(&self, slug: &Slug) -> Result<(), StoreError> {
        let document = KeyDocument { key: crate::secret::random_bytes() };
        let path = key("key", slug);
        match self.control.compare_and_swap(&path, Version::NONE, written(&document)).await {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A definition without hours leaves those that `open` and `close` have set, and the opening of
/// a contest that has opened.
fn keep_hours_set_by_hand(next: &mut Contest, document: &ContestDocument, now: &Contest) {
    let opened = now.hours.phase(clock::now()) != Phase::Draft;
    if next.hours.opens_at.is_none() && (document.opened_by_hand || opened) {
        next.hours.opens_at = now.hours.opens_at;
    }
    if next.hours.closes_at.is_none() && document.closed_by_hand {
        next.hours.closes_at = now.hours.closes_at;
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
