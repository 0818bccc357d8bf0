//! Refusals: `application/problem+json` (RFC 9457), with types of our own.

use axum::response::{IntoResponse, Response};
use ballot::{Hours, Timestamp};
use hyper::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;
use serde_json::json;

/// A refusal, as the edge says it. Status and title follow from the type.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    kind: ProblemKind,
    detail: String,
    field: Option<String>,
    hours: Option<Hours>,
    server_time: Option<Timestamp>,
}

/// Every type of problem. Its name is part of the contract: `urn:landslide:problem:{name}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProblemKind {
    NotFound,
    NoSuchContest,
    NoCounts,
    MethodNotAllowed,
    UnsupportedMediaType,
    TooLarge,
    Unreadable,
    InvalidBallotId,
    BallotIdOutOfTime,
    UnknownChoice,
    WrongChannel,
    InvalidMember,
    InvalidDefinition,
    Unauthorized,
    CrossSite,
    PlainHttp,
    Misdirected,
    ResultsHidden,
    NotOpen,
    NotFinal,
    Frozen,
    Stale,
    TooManyRequests,
    Overloaded,
    ShuttingDown,
    ClockStrays,
    StoreUnavailable,
    Internal,
}

impl ProblemKind {
    /// Its name, the last part of its URI.
    pub(crate) const fn name(self) -> &'static str {
        self.row().0
    }

    /// Its HTTP status.
    pub(crate) const fn status(self) -> StatusCode {
        self.row().1
    }

    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::NotFound => ("not-found", S::NOT_FOUND, "There is nothing here"),
            Self::NoSuchContest => ("no-such-contest", S::NOT_FOUND, "No such contest"),
            Self::NoCounts => ("no-counts", S::NOT_FOUND, "No counts yet"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", S::METHOD_NOT_ALLOWED, "Not with this method")
            }
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", S::UNSUPPORTED_MEDIA_TYPE, "Wrong content type")
            }
            Self::TooLarge => ("too-large", S::PAYLOAD_TOO_LARGE, "Too large"),
            Self::Unreadable => ("unreadable", S::BAD_REQUEST, "Not readable"),
            Self::InvalidBallotId => {
                ("invalid-ballot-id", S::UNPROCESSABLE_ENTITY, "Not a ballot id")
            }
            Self::BallotIdOutOfTime => {
                ("ballot-id-out-of-time", S::UNPROCESSABLE_ENTITY, "Ballot id out of time")
            }
            Self::UnknownChoice => ("unknown-choice", S::UNPROCESSABLE_ENTITY, "Unknown choice"),
            Self::WrongChannel => ("wrong-channel", S::UNPROCESSABLE_ENTITY, "Wrong channel"),
            Self::InvalidMember => ("invalid-member", S::UNPROCESSABLE_ENTITY, "Invalid member"),
            Self::InvalidDefinition => {
                ("invalid-definition", S::UNPROCESSABLE_ENTITY, "Invalid definition")
            }
            Self::Unauthorized => ("unauthorized", S::UNAUTHORIZED, "Not admitted"),
            Self::CrossSite => ("cross-site", S::FORBIDDEN, "From another site"),
            Self::PlainHttp => ("plain-http", S::FORBIDDEN, "Not over plain HTTP"),
            Self::Misdirected => ("misdirected", S::MISDIRECTED_REQUEST, "Not for this host"),
            Self::ResultsHidden => ("results-hidden", S::FORBIDDEN, "The results are not public"),
            Self::NotOpen => ("not-open", S::CONFLICT, "The contest is not open"),
            Self::NotFinal => ("not-final", S::CONFLICT, "The count is not final"),
            Self::Frozen => ("frozen", S::CONFLICT, "The contest's life does not allow it"),
            Self::Stale => ("stale", S::PRECONDITION_FAILED, "Changed meanwhile"),
            Self::TooManyRequests => {
                ("too-many-requests", S::TOO_MANY_REQUESTS, "Too many requests")
            }
            Self::Overloaded => ("overloaded", S::SERVICE_UNAVAILABLE, "Overloaded"),
            Self::ShuttingDown => ("shutting-down", S::SERVICE_UNAVAILABLE, "Shutting down"),
            Self::ClockStrays => {
                ("clock-strays", S::SERVICE_UNAVAILABLE, "This node's clock is wrong")
            }
            Self::StoreUnavailable => {
                ("store-unavailable", S::SERVICE_UNAVAILABLE, "The store is away")
            }
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "A mistake of ours"),
        }
    }

    /// Its URI.
    pub(crate) fn uri(self) -> String {
        format!("urn:landslide:problem:{}", self.name())
    }
}

impl Problem {
    /// A problem of a kind, with a sentence for people.
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), field: None, hours: None, server_time: None }
    }

    /// Names the member at fault.
    #[must_use]
    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Adds the contest's hours.
    #[must_use]
    pub(crate) fn hours(mut self, hours: Hours) -> Self {
        self.hours = Some(hours);
        self
    }

    /// Adds the server's time.
    #[must_use]
    pub(crate) fn server_time(mut self, now: Timestamp) -> Self {
        self.server_time = Some(now);
        self
    }

    /// There is no contest of that name.
    pub(crate) fn no_such_contest() -> Self {
        Self::new(ProblemKind::NoSuchContest, "There is no contest of this name.")
    }

    /// What kind it is.
    pub(crate) fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The sentence for people.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The body.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = json!({
            "type": self.kind.uri(),
            "title": self.kind.row().2,
            "status": self.kind.status().as_u16(),
            "detail": self.detail,
        });
        if let Some(field) = &self.field {
            body["field"] = json!(field);
        }
        if let Some(hours) = &self.hours {
            body["opens_at"] = json!(hours.opens_at);
            body["closes_at"] = json!(hours.closes_at);
        }
        if let Some(now) = &self.server_time {
            body["server_time"] = json!(now);
        }
        body.to_string().into_bytes()
    }

    /// The headers, all of them.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let status = self.kind.status();
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
            // Jittered, so that those who were refused together do not come back together.
            headers.insert(RETRY_AFTER, HeaderValue::from(fastrand::u16(1..=4)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        headers
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.body().into());
        *response.status_mut() = self.kind.status();
        *response.headers_mut() = self.headers();
        // For the metrics, which count refusals by kind.
        response.extensions_mut().insert(self.kind);
        response
    }
}
