//! Casting one ballot: the hot call.

use std::{fmt, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::{Device, limits};
use bytes::Bytes;
use hyper::{
    HeaderMap, Request, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE},
    http::request::Parts,
};

use super::record::{Recorded, Submission, record};
use crate::{
    app::App,
    http::{
        body,
        client::Client,
        cookies::{cookie_of_device, device_of_cookie},
        cors,
        in_path::InPath,
        members::{BallotMembers, Member, invalid_member, members},
        problem::Problem,
    },
    shapes::{
        ballots::{BallotBody, RecordedBody},
        problem::ProblemBody,
    },
    worker::Worker,
};

/// Names the ballot to whoever passes it on.
static BALLOT_ID: HeaderName = HeaderName::from_static("ballot-id");

/// Casts one ballot. 201 means durable, and counted once however often it is sent. No answer
/// means unknown: send the same ballot id again.
#[utoipa::path(
    post, path = "/v1/contests/{contest}/ballots", operation_id = "cast_ballot", tag = "voters",
    params(("Ballot-Id" = Option<String>, Header, description =
        "The ballot id, for balancers: one that is named may be sent twice. 422 if the body has another")),
    request_body = BallotBody,
    responses(
        (status = 201, description = "Durable", body = RecordedBody),
        (status = 400, description = "Not readable", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such contest", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Not open", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Over 4 KiB", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Readable but wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Too many; Retry-After", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Overloaded or store away; Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn cast<B>(
    worker: &Worker,
    slug: &str,
    headers: &HeaderMap,
    request_body: B,
    client: Client,
) -> Result<hyper::Response<Bytes>, Problem>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    if worker.app.contests.votable(slug).await?.is_none() {
        return Err(Problem::no_such_contest());
    }
    body::check_content_type(headers, &["application/json"])?;
    let bytes = body::read(request_body, limits::BALLOT_BODY_BYTES_MAX).await?;
    let mut submission = Submission::from_json(&bytes)?;
    submission.name_by(headers)?;
    // Asked for cookies alone, which a client that says its device has none of.
    let is_secure = || worker.app.limits.is_secure(client, headers);
    if submission.device.is_none() {
        submission.device = device_of_cookie(headers, is_secure());
    }
    let recorded = record(worker, slug, &submission, headers, client).await?;
    Ok(recorded.into_json(is_secure))
}

/// A ballot whose path the hot route did not recognise, such as a percent-encoded one.
pub(crate) async fn cast_routed(
    State(worker): State<Worker>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let client = Client::of(&parts.extensions);
    let mut response = cast(&worker, &slug, &parts.headers, body, client).await?;
    cors::allow(response.headers_mut(), &parts.headers, &worker.app.vote_addresses);
    Ok(response.map(Body::from))
}

/// `OPTIONS /v1/contests/{contest}/ballots`: a browser's question before the first ballot.
pub(crate) async fn preflight(State(app): State<Arc<App>>, request: Parts) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    cors::allow_ballots(response.headers_mut(), &request.headers, &app.vote_addresses);
    response
}

impl Recorded {
    fn into_json(self, is_secure: impl Fn() -> bool) -> hyper::Response<Bytes> {
        // Neither an id, a slug nor a time has a character that JSON escapes.
        let counts = if self.first_counts { r#","counts":"first""# } else { "" };
        let body = format!(
            r#"{{"ballot_id":"{}","contest":"{}","recorded_at":"{}"{counts}}}"#,
            self.ballot_id, self.contest, self.recorded_at
        );
        let mut response = hyper::Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::CREATED;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(device) = self.new_device {
            headers.insert(SET_COOKIE, cookie_of_device(device, is_secure(), false));
        }
        response
    }
}

impl<'a> Submission<'a> {
    /// What the header says is for balancers, which don't read the body: they send a named ballot
    /// twice. So it must be the ballot's name.
    fn name_by(&mut self, headers: &'a HeaderMap) -> Result<(), Problem> {
        let Some(said) = headers.get(&BALLOT_ID) else { return Ok(()) };
        let said =
            said.to_str().map_err(|_| invalid_member("ballot_id", "is no text in the header"))?;
        match &self.ballot_id {
            Some(id) if !id.eq_ignore_ascii_case(said) => {
                Err(invalid_member("ballot_id", "is another one in the header Ballot-Id"))
            }
            Some(_) => Ok(()),
            None => {
                self.ballot_id = Some(said.into());
                Ok(())
            }
        }
    }

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
