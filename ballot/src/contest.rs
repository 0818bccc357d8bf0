//! A question with its choices, its hours, its vote policy and its admission rule.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{ChoiceNumber, Slug, Timestamp, web};

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
}

impl Contest {
    /// The choices' numbers by slug, for look-ups in bulk.
    pub fn choice_numbers(&self) -> HashMap<Slug, ChoiceNumber> {
        let numbered = self.choices.iter().zip(0..);
        numbered.map(|(choice, number)| (choice.choice.clone(), ChoiceNumber(number))).collect()
    }
}

/// One possible answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Its name for machines.
    pub choice: Slug,
    /// Its name for people, kept byte for byte.
    pub title: String,
    /// Where its picture is: an `https` URL, or a path on the pages' own host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

impl Choice {
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
