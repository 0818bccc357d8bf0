//! Casting one ballot: the hot route. Admits, submits, waits, answers.

use std::{borrow::Cow, fmt};

use ballot::{Ballot, BallotId, ChannelNumber, Device, Hours, Slug, Stamp, Timestamp, limits};
use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, SET_COOKIE},
};
use intake::{NotRecorded, Refused};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};

use super::{
    body::{self, unreadable},
    client::Client,
    cookies,
    problem::{Problem, ProblemKind},
    server::Worker,
};
use contests::{LiveContest, NotAdmitted};

use crate::app::App;

/// What a voter sends, however it came.
#[derive(Debug, Default)]
pub(crate) struct Submission<'a> {
    /// The idempotency key; without it the server makes one.
    pub(crate) ballot_id: Option<Cow<'a, str>>,
    /// A choice's slug.
    pub(crate) choice: Cow<'a, str>,
    /// Who votes, if the client says so properly.
    pub(crate) device: Option<Device>,
}

/// A ballot that is durable.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) ballot_id: BallotId,
    pub(crate) contest: Slug,
    pub(crate) recorded_at: Timestamp,
    /// The device that was derived, for the client to keep.
    pub(crate) new_device: Option<Device>,
}

/// `POST /v1/contests/{contest}/ballots`.
pub(crate) async fn cast<B>(
    worker: &Worker,
    slug: &str,
    headers: &HeaderMap,
    request_body: B,
    client: Client,
) -> Result<Response<Bytes>, Problem>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    if worker.app.contests.get_fresh(slug).await?.is_none() {
        return Err(Problem::no_such_contest());
    }
    body::check_content_type(headers, &["application/json"])?;
    let bytes = body::read(request_body, limits::BALLOT_BODY_BYTES_MAX).await?;
    let mut submission = Submission::from_json(&bytes)?;
    if submission.device.is_none() {
        submission.device = device_of_cookie(headers);
    }
    let recorded = record(worker, slug, &submission, headers, client).await?;
    Ok(recorded.into_json(worker.app.limits.is_secure(client, headers)))
}

/// Records one ballot and returns once it is durable.
pub(crate) async fn record(
    worker: &Worker,
    slug: &str,
    submission: &Submission<'_>,
    headers: &HeaderMap,
    client: Client,
) -> Result<Recorded, Problem> {
    // The time first and the contest second: a close by hand relies on this order.
    let stamp = worker.app.clock.stamp();
    let recorded_at = stamp.recorded_at;
    let live = worker.app.contests.get(slug).ok_or_else(Problem::no_such_contest)?;
    let choice = live.choice(&submission.choice).ok_or_else(unknown_choice)?;
    let id = match &submission.ballot_id {
        Some(text) => ballot_id(text, &live, recorded_at)?,
        None => BallotId::new(recorded_at, ballot::random_bytes(&*worker.app.entropy)),
    };
    check_admitted(&worker.app, &live, &stamp)?;
    worker.app.limits.check_ballot(client, headers)?;
    let (device, new_device) = match submission.device {
        Some(device) => (device, None),
        None => {
            let derived = live.key.device_of_ballot(id);
            (derived, Some(derived))
        }
    };
    let ballot = Ballot {
        id,
        voter: live.key.voter_of_device(device),
        choice,
        channel: ChannelNumber::WEB,
        recorded_at,
    };
    worker
        .gatherer
        .submit(&live.destination, ballot, stamp.moment)
        .map_err(refused)?
        .await
        .map_err(unknown)?;
    worker.app.metrics.acknowledged.inc();
    Ok(Recorded { ballot_id: id, contest: live.slug.clone(), recorded_at, new_device })
}

/// Reads a ballot id and holds its time against the server's and the opening.
pub(crate) fn ballot_id(
    text: &str,
    live: &LiveContest,
    now: Timestamp,
) -> Result<BallotId, Problem> {
    let id = BallotId::parse(text).map_err(|error| {
        Problem::new(ProblemKind::InvalidBallotId, format!("The ballot id is {error}."))
            .field("ballot_id")
    })?;
    let hours = live.contest.hours;
    // Before the opening there is nothing to compare with: the answer is that it is not open.
    let opened_at = hours.opens_at.filter(|opens_at| *opens_at <= now);
    let too_old =
        opened_at.is_some_and(|opens_at| id.time() < opens_at.minus(limits::BALLOT_ID_SKEW));
    if too_old || id.time() > now.plus(limits::BALLOT_ID_SKEW) {
        let detail = "The ballot id's time is more than 15 minutes ahead of the server's or before \
                      the contest opened.";
        return Err(Problem::new(ProblemKind::BallotIdOutOfTime, detail)
            .field("ballot_id")
            .server_time(now));
    }
    Ok(id)
}

/// This node must know what time it is and the contest's hours, else it cannot even refuse for good;
/// and the contest must be open then.
pub(crate) fn check_admitted(app: &App, live: &LiveContest, stamp: &Stamp) -> Result<(), Problem> {
    app.contests.admits(live, stamp, &app.peers).map_err(|refused| match refused {
        NotAdmitted::ClockStrays => {
            let detail = "This node's clock is wrong. Send the same ballot id again, elsewhere.";
            Problem::new(ProblemKind::ClockStrays, detail)
        }
        NotAdmitted::HoursInDoubt => {
            let detail = "This node cannot read whether the contest is open. Send the same ballot \
                          id again.";
            Problem::new(ProblemKind::StoreUnavailable, detail)
        }
        NotAdmitted::NotOpen(hours) => not_open(hours, stamp.recorded_at),
    })
}

fn not_open(hours: Hours, now: Timestamp) -> Problem {
    let detail = match (hours.opens_at, hours.closes_at) {
        (Some(opens_at), _) if now < opens_at => format!("The contest opens at {opens_at}."),
        (Some(_), Some(closes_at)) => format!("The contest closed at {closes_at}."),
        _ => "The contest has not opened.".into(),
    };
    Problem::new(ProblemKind::NotOpen, detail).hours(hours)
}

pub(crate) fn unknown_choice() -> Problem {
    Problem::new(ProblemKind::UnknownChoice, "The contest has no such choice.").field("choice")
}

/// A ballot that was not taken in.
pub(crate) fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Overloaded => Problem::new(
            ProblemKind::Overloaded,
            "Too many ballots are waiting. Send the same ballot id again.",
        ),
        Refused::Draining => Problem::new(
            ProblemKind::ShuttingDown,
            "This node is shutting down. Send the same ballot id again.",
        ),
    }
}

/// A ballot of which nobody knows whether it is durable.
pub(crate) fn unknown(error: NotRecorded) -> Problem {
    let detail = format!("Perhaps recorded: {error}. Send the same ballot id again.");
    Problem::new(ProblemKind::StoreUnavailable, detail)
}

/// The device in the cookie that an earlier reply has set.
pub(crate) fn device_of_cookie(headers: &HeaderMap) -> Option<Device> {
    cookies(headers, "device").find_map(Device::parse)
}

/// The cookie that keeps a derived device for a year. A page's script may read it, so that whoever
/// votes without script first and with it later is one device; nothing in it is secret. In another
/// site's frame a browser keeps it only if it is that site's own, which needs an encrypted connection.
pub(crate) fn cookie_of_device(device: Device, is_secure: bool, embedded: bool) -> HeaderValue {
    let attributes = match (is_secure, embedded) {
        (true, true) => "SameSite=None; Secure; Partitioned",
        (true, false) => "SameSite=Lax; Secure",
        (false, _) => "SameSite=Lax",
    };
    let cookie = format!("device={device}; Path=/; Max-Age=31536000; {attributes}");
    HeaderValue::try_from(cookie).expect("a UUID and ASCII attributes are a header value")
}

impl Recorded {
    fn into_json(self, is_secure: bool) -> Response<Bytes> {
        // Neither an id, a slug nor a time has a character that JSON escapes.
        let body = format!(
            r#"{{"ballot_id":"{}","contest":"{}","recorded_at":"{}"}}"#,
            self.ballot_id, self.contest, self.recorded_at
        );
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::CREATED;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(device) = self.new_device {
            headers.insert(SET_COOKIE, cookie_of_device(device, is_secure, false));
        }
        response
    }
}

impl<'a> Submission<'a> {
    fn from_json(bytes: &'a [u8]) -> Result<Self, Problem> {
        let members: BallotMembers<'a> = members(bytes)?;
        let device = match &members.device {
            Member::Text(text) => Device::parse(text),
            _ => None,
        };
        Ok(Self {
            ballot_id: members.ballot_id.optional_text("ballot_id")?,
            choice: members.choice.text("choice")?,
            device,
        })
    }
}

/// Reads one JSON object; what is not JSON is unreadable, what is not an object is wrong.
pub(crate) fn members<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    // All of it: serde_json does not look into a text that is ignored.
    let text = str::from_utf8(bytes).map_err(|_| unreadable("The body is not UTF-8."))?;
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Problem::new(ProblemKind::InvalidMember, format!("The body is wrong: {error}."))
                .field("body")
        }
        _ => unreadable(format!("The body is not JSON: {error}.")),
    })
}

/// The members of a ballot that mean something; all others are ignored.
#[derive(Default)]
pub(crate) struct BallotMembers<'a> {
    pub(crate) ballot_id: Member<'a>,
    pub(crate) choice: Member<'a>,
    pub(crate) device: Member<'a>,
    pub(crate) voter: Member<'a>,
    pub(crate) channel: Member<'a>,
}

/// One member, of whatever type it came.
#[derive(Default)]
pub(crate) enum Member<'a> {
    #[default]
    Absent,
    Null,
    Text(Cow<'a, str>),
    Wrong,
}

impl<'a> Member<'a> {
    /// The text, if the member is there.
    pub(crate) fn optional_text(self, field: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Wrong => Err(invalid_member(field, "must be a text")),
        }
    }

    /// The text, which must be there.
    pub(crate) fn text(self, field: &str) -> Result<Cow<'a, str>, Problem> {
        self.optional_text(field)?.ok_or_else(|| invalid_member(field, "is missing"))
    }
}

pub(crate) fn invalid_member(field: &str, detail: &str) -> Problem {
    Problem::new(ProblemKind::InvalidMember, format!("The member {field} {detail}.")).field(field)
}

impl<'de> Deserialize<'de> for BallotMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = BallotMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BallotMembers::default();
                while let Some(Key(key)) = map.next_key()? {
                    let member = match &*key {
                        "ballot_id" => &mut members.ballot_id,
                        "choice" => &mut members.choice,
                        "device" => &mut members.device,
                        "voter" => &mut members.voter,
                        "channel" => &mut members.channel,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    // Two readers of one text could take different ones: nobody may.
                    if !matches!(member, Member::Absent) {
                        return Err(de::Error::custom(format!("{key} is there twice")));
                    }
                    *member = map.next_value()?;
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// An object's key, borrowed where it can be.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Member<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Member<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Member::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Member::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Member::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Member::Wrong)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Member::Wrong)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Member::Wrong)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Member::Wrong)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Member::Wrong)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(
                self,
                mut sequence: A,
            ) -> Result<Self::Value, A::Error> {
                while sequence.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Member::Wrong)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
