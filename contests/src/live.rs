//! One contest, ready to be voted in.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

use ballot::{
    Admission, ChannelNumber, Choice, ChoiceNumber, ChoiceOrder, Contest, ContestKey, Destination,
    Hours, Moment, Phase, Policy, ResultsVisibility, Slug, Timestamp,
};
use bytes::Bytes;
use serde::Serialize;
use store::Version;

use crate::documents::{self, Channel, Etag, ReplacedEnd};

/// A contest with everything that a ballot needs, looked up once.
#[derive(Debug)]
pub struct LiveContest {
    /// Its name.
    pub slug: Slug,
    /// Its definition.
    pub contest: Contest,
    /// What makes pseudonyms of its voters.
    pub key: ContestKey,
    /// The gateways' channels; the number of each is its position plus one.
    pub channels: Vec<Channel>,
    /// Where its ballots go.
    pub destination: Destination,
    /// Its public definition, written once.
    pub public: Bytes,
    /// A text that is another whenever pages must be made anew: of the public definition, and of what
    /// else pages depend on.
    pub mark: String,
    /// The same of what results show of the definition: the choices' titles.
    pub titles_mark: String,
    /// Its hours, as they are in the store; the definition's may be narrower for a moment.
    pub hours: Hours,
    replaced_end: Option<ReplacedEnd>,
    choices: HashMap<Slug, ChoiceNumber>,
    versions: (Version, Version),
    is_restricted: bool,
    /// When the last serial read of its definition began, in [`Moment::as_micros`].
    settled_at_us: AtomicU64,
    /// Its counts are final: nothing that is recorded now will ever be counted.
    is_final: AtomicBool,
    /// Its counts row's `counted_through`, in microseconds since 1970; 0 before the first.
    counted_through: AtomicI64,
}

/// The definition as the public sees it.
#[derive(Serialize)]
struct PublicContest<'a> {
    contest: &'a Slug,
    edition: Option<&'a str>,
    title: &'a str,
    opens_at: Option<Timestamp>,
    closes_at: Option<Timestamp>,
    policy: Policy,
    admission: Admission,
    results: ResultsVisibility,
    order: ChoiceOrder,
    choices: &'a [Choice],
}

impl LiveContest {
    pub(crate) fn new(
        slug: Slug,
        contest: Contest,
        key: ContestKey,
        channels: Vec<Channel>,
        versions: (Version, Version),
    ) -> Self {
        let public = documents::written(&PublicContest {
            contest: &slug,
            edition: contest.edition.as_deref(),
            title: &contest.title,
            opens_at: contest.hours.opens_at,
            closes_at: contest.hours.closes_at,
            policy: contest.policy,
            admission: contest.admission,
            results: contest.results,
            order: contest.order,
            choices: &contest.choices,
        });
        let origins = contest.embed_origins.join(" ");
        Self {
            mark: mark([&*public, origins.as_bytes()]),
            titles_mark: mark(contest.choices.iter().map(|choice| choice.title.as_bytes())),
            hours: contest.hours,
            replaced_end: None,
            destination: Destination { contest: slug.clone(), shards: contest.shards },
            choices: contest.choice_numbers(),
            slug,
            contest,
            key,
            channels,
            public,
            versions,
            is_restricted: false,
            settled_at_us: AtomicU64::new(0),
            is_final: AtomicBool::new(false),
            counted_through: AtomicI64::new(0),
        }
    }

    /// The number of a choice.
    pub fn choice(&self, slug: &str) -> Option<ChoiceNumber> {
        self.choices.get(slug).copied()
    }

    /// The channel that a gateway's key opens.
    pub fn channel_of_key(&self, key: &str) -> Option<(ChannelNumber, &Channel)> {
        let hash = blake3::hash(key.as_bytes());
        // `blake3::Hash` compares in constant time.
        let position =
            self.channels.iter().position(|c| blake3::Hash::from_bytes(c.key_hash) == hash)?;
        let number = u8::try_from(position + 1).ok()?;
        Some((ChannelNumber(number), &self.channels[position]))
    }

    /// Whether the public may know of it: a draft without hours is the administrators' own.
    pub fn is_public(&self, now: Timestamp) -> bool {
        self.contest.hours.opens_at.is_some() && !self.contest.is_secret(now)
    }

    /// Whether its end was set by a close by hand that may still be taken back.
    pub(crate) fn close_can_be_cancelled(&self) -> bool {
        self.replaced_end.is_some()
    }

    /// The same contest, whose end has replaced another.
    pub(crate) fn with_replaced_end(self, replaced_end: Option<ReplacedEnd>) -> Self {
        Self { replaced_end, ..self }
    }

    /// The version of its definition.
    pub fn etag(&self) -> Etag {
        Etag(self.versions.0)
    }

    /// The same contest, refusing what either its own hours or `hours` refuse; to be read again at
    /// the next refresh. One that is not open yet does not open. Looks the same from outside.
    pub(crate) fn restricted_to(&self, hours: Hours, now: Timestamp) -> Self {
        let mut contest = self.contest.clone();
        contest.hours.closes_at = match contest.hours.phase(now) {
            Phase::Draft => contest.hours.opens_at,
            _ => [contest.hours.closes_at, hours.closes_at].into_iter().flatten().min(),
        };
        let (key, channels) = (self.key.clone(), self.channels.clone());
        let mut restricted = Self::new(self.slug.clone(), contest, key, channels, self.versions);
        restricted.public = self.public.clone();
        restricted.mark.clone_from(&self.mark);
        restricted.hours = self.hours;
        restricted.replaced_end = self.replaced_end;
        restricted.is_restricted = true;
        restricted.inherit(self);
        restricted
    }

    /// Whether it refuses more than its definition does, until that is read again.
    pub(crate) fn is_restricted(&self) -> bool {
        self.is_restricted
    }

    /// Whether these are the documents' versions, and nothing is restricted meanwhile.
    pub(crate) fn is_current(&self, versions: (Version, Version)) -> bool {
        self.versions == versions && !self.is_restricted
    }

    /// When the last serial read of its definition began.
    pub(crate) fn settled_at(&self) -> Moment {
        Moment::from_micros(self.settled_at_us.load(Ordering::Acquire))
    }

    pub(crate) fn set_settled_at(&self, moment: Moment) {
        self.settled_at_us.store(moment.as_micros(), Ordering::Release);
    }

    /// Whether its counts are final, as far as this node has read.
    pub fn is_final(&self) -> bool {
        self.is_final.load(Ordering::Acquire)
    }

    /// How far it has been counted, as far as this node has read.
    pub(crate) fn counted_through(&self) -> Timestamp {
        Timestamp::from_micros(self.counted_through.load(Ordering::Acquire))
    }

    pub(crate) fn set_counted(&self, through: Timestamp, is_final: bool) {
        self.counted_through.fetch_max(through.as_micros(), Ordering::AcqRel);
        self.is_final.fetch_or(is_final, Ordering::AcqRel);
    }

    /// Takes over what is known of the same contest besides its documents; nothing of another that had
    /// its name.
    pub(crate) fn inherit(&self, before: &Self) {
        if self.contest.edition != before.contest.edition {
            return;
        }
        self.set_settled_at(before.settled_at());
        self.set_counted(before.counted_through(), before.is_final());
    }
}

fn mark<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // Their lengths, too: two texts must not run together into two others.
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    hasher.finalize().to_hex()[..16].to_owned()
}
