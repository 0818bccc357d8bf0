//! A question with its choices, its hours, its vote policy and its admission rule.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{ChoiceNumber, Slug, Timestamp, limits, web};

/// A contest's definition. Read by [`Contest::from_json`] and [`Contest::from_toml`], which check
/// every rule; written with the same keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contest {
    /// The question, as people read it.
    pub title: String,
    /// The hours; each end may be left to `open` and `close` by hand.
    #[serde(flatten)]
    pub hours: Hours,
    /// Which of a voter's ballots count.
    pub policy: Policy,
    /// Who is one voter.
    pub admission: Admission,
    /// Who sees the counts.
    pub results: ResultsVisibility,
    /// Over how many keys a bucket's batches are spread; frozen at opening.
    pub shards: u16,
    /// The possible answers, 2 to 1,000, with distinct slugs. Their order gives their numbers.
    pub choices: Vec<Choice>,
    /// The origins whose pages may show this contest in a frame, such as `https://news.example`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub embed_origins: Vec<String>,
    /// Whether the front page lists it.
    #[serde(skip_serializing_if = "is_so")]
    pub listed: bool,
    /// Before this moment the public does not know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_from: Option<Timestamp>,
    /// In which order pages show the choices.
    #[serde(skip_serializing_if = "ChoiceOrder::is_default")]
    pub order: ChoiceOrder,
    /// What tells it from another contest under the same name: made with it, never changed.
    /// `None` in a definition that is handed in; one that is handed back has the contest's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_so(truth: &bool) -> bool {
    *truth
}

impl Contest {
    /// A contest that says nothing but its question and its choices: all else is as where a definition
    /// does not say.
    pub fn new(title: impl Into<String>, choices: Vec<Choice>) -> Self {
        Self {
            title: title.into(),
            hours: Hours::default(),
            policy: Policy::One,
            admission: Admission::Open,
            results: ResultsVisibility::Hidden,
            shards: limits::SHARDS_DEFAULT,
            choices,
            embed_origins: Vec::new(),
            listed: true,
            public_from: None,
            order: ChoiceOrder::AsSet,
            edition: None,
        }
    }

    /// The choices' numbers by slug, for look-ups in bulk.
    pub fn choice_numbers(&self) -> HashMap<Slug, ChoiceNumber> {
        let numbered = self.choices.iter().zip(0..);
        numbered.map(|(choice, number)| (choice.choice.clone(), ChoiceNumber(number))).collect()
    }

    /// Whether the public does not know of it yet. What has opened is known.
    pub fn is_secret(&self, now: Timestamp) -> bool {
        let is_early = self.public_from.is_some_and(|from| now < from);
        is_early && self.hours.phase(now) == Phase::Draft
    }
}

/// One possible answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Its name for machines.
    pub choice: Slug,
    /// Its name for people, kept byte for byte.
    pub title: String,
    /// A line or two on it, kept byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where its picture is: an `https` URL, or a path on the pages' own host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

impl Choice {
    /// A choice with a title alone.
    pub fn new(choice: Slug, title: impl Into<String>) -> Self {
        Self { choice, title: title.into(), text: None, picture: None }
    }

    /// The origin of its picture, if that is on another host.
    pub fn picture_origin(&self) -> Option<&str> {
        self.picture.as_deref().and_then(web::origin_of_url)
    }
}

/// `opens_at <= recorded_at < closes_at` is inside the hours; everything else is late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hours {
    /// First moment inside; `None` until opened by hand.
    pub opens_at: Option<Timestamp>,
    /// First moment after; `None` until closed by hand.
    pub closes_at: Option<Timestamp>,
}

impl Hours {
    /// Whether a ballot recorded then is in time.
    pub fn contain(&self, time: Timestamp) -> bool {
        self.phase(time) == Phase::Open
    }

    /// Where the contest stands in its life at that time.
    pub fn phase(&self, now: Timestamp) -> Phase {
        match (self.opens_at, self.closes_at) {
            (None, _) => Phase::Draft,
            (Some(opens_at), _) if now < opens_at => Phase::Draft,
            (_, Some(closes_at)) if now >= closes_at => Phase::Closed,
            _ => Phase::Open,
        }
    }
}

/// Where a contest stands in its life: `draft -> open -> closed`, never back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not open yet.
    Draft,
    /// Taking ballots.
    Open,
    /// No longer taking ballots.
    Closed,
}

/// Where a ballot goes: its contest, and over how many shards that contest's batches spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Whose ballots.
    pub contest: Slug,
    /// The contest's `shards`.
    pub shards: u16,
}

/// Which of a voter's ballots count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The first, by (`recorded_at`, ballot id).
    One,
    /// The one with the largest ballot id: a voter may change their mind.
    Latest,
    /// The first `k`, by (`recorded_at`, ballot id).
    UpTo(u16),
    /// Every ballot id.
    Unlimited,
}

/// Who is one voter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// The device.
    Open,
    /// The holder of a signed link or code.
    Ticket,
    /// The subject of an identity provider's token.
    Oidc,
}

/// Who sees the counts besides the administrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultsVisibility {
    /// Everybody, from the first row.
    Live,
    /// Nobody.
    Hidden,
    /// Everybody, once they are final.
    AfterClose,
}

/// In which order pages show the choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceOrder {
    /// As the definition has them.
    #[default]
    AsSet,
    /// Drawn by each device for itself: nobody is first for everybody.
    Drawn,
}

impl ChoiceOrder {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
