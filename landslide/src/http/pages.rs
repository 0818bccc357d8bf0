//! The pages' routes: looks up what a page shows, and takes the ballot that its form posts.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::{BallotId, Slug, limits};
use hyper::{
    HeaderMap, Request, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
        HeaderValue, IF_NONE_MATCH, SET_COOKIE,
    },
};

use super::{
    InPath, body,
    cast::{self, Submission},
    client::Client,
    problem::{Problem, ProblemKind},
    public,
    server::{SharedWorker, Worker},
};
use crate::{
    clock,
    contests::LiveContest,
    pages::{self, Asset, Form, RecordedPage, Refusal, VoterPage},
    secret,
};

/// `GET /`: the contests that the public may see.
pub(crate) async fn contests(State(worker): State<SharedWorker>) -> Response {
    let all = worker.node.contests.all();
    let shown = all.iter().filter(|live| live.is_public());
    let shown = shown.map(|live| (&live.slug, &live.contest));
    page(StatusCode::OK, pages::contests(shown, clock::now()))
}

/// `GET /c/{contest}`: the voter's page.
pub(crate) async fn vote(State(worker): State<SharedWorker>, InPath(slug): InPath) -> Response {
    match worker.node.contests.get(&slug).filter(|live| live.is_public()) {
        Some(live) => voter_page(&worker, &live, None, None, None).await,
        None => page(StatusCode::NOT_FOUND, pages::not_found()),
    }
}

/// `POST /c/{contest}`: the voter's page without script. The ballot id came with the page, so a
/// second click and a reload send the same ballot.
pub(crate) async fn cast(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Response {
    let Some(live) = worker.node.contests.get(&slug).filter(|live| live.is_public()) else {
        return page(StatusCode::NOT_FOUND, pages::not_found());
    };
    let (parts, request_body) = request.into_parts();
    let client = *parts.extensions.get::<Client>().expect("the server sets it on every request");
    let form = match read_form(&parts.headers, request_body).await {
        Ok(form) => form,
        Err(refusal) => return voter_page(&worker, &live, None, Some(refusal), None).await,
    };
    // Fixed before it is recorded: if the outcome is unknown, the page comes again with this id.
    let id = form.ballot_id.unwrap_or_else(new_ballot_id);
    let submission = Submission {
        ballot_id: Some(id.to_string().into()),
        choice: form.choice.as_str().into(),
        device: cast::device_of_cookie(&parts.headers),
    };
    match cast::record(&worker, &slug, &submission, &parts.headers, client).await {
        Ok(recorded) => {
            let shown = RecordedPage {
                contest: &live.slug,
                definition: &live.contest,
                choice: &form.choice,
                ballot_id: recorded.ballot_id,
                recorded_at: recorded.recorded_at,
            };
            let mut response = page(StatusCode::CREATED, shown.render());
            if let Some(device) = recorded.new_device {
                let cookie = cast::cookie_of_device(device, client.is_secure);
                response.headers_mut().insert(SET_COOKIE, cookie);
            }
            response
        }
        Err(problem) => {
            let refusal = refusal(&problem, &live);
            let mut response =
                voter_page(&worker, &live, Some(id), Some(refusal), Some(&form.choice)).await;
            response.extensions_mut().insert(problem.kind());
            response
        }
    }
}

async fn read_form(headers: &HeaderMap, request_body: Body) -> Result<Form, Refusal> {
    let form = ["application/x-www-form-urlencoded"];
    body::check_content_type(headers, &form).map_err(|_| Refusal::Unreadable)?;
    let bytes = body::read(request_body, limits::BALLOT_BODY_BYTES_MAX).await;
    Form::decode(&bytes.map_err(|_| Refusal::Unreadable)?)
}

fn refusal(problem: &Problem, live: &LiveContest) -> Refusal {
    match problem.kind() {
        ProblemKind::UnknownChoice => Refusal::ChoiceUnknown,
        ProblemKind::InvalidBallotId => Refusal::BallotIdInvalid,
        ProblemKind::BallotIdOutOfTime => Refusal::BallotIdOutOfTime,
        ProblemKind::NotOpen => {
            let opens_at = live.contest.hours.opens_at;
            if opens_at.is_some_and(|opens_at| clock::now() >= opens_at) {
                Refusal::Closed
            } else {
                Refusal::NotOpenYet
            }
        }
        ProblemKind::TooManyRequests => Refusal::TooMany,
        _ => Refusal::Unavailable,
    }
}

async fn voter_page(
    worker: &Worker,
    live: &LiveContest,
    sent: Option<BallotId>,
    refusal: Option<Refusal>,
    chosen: Option<&Slug>,
) -> Response {
    // A page without results is better than none: the store's failure is logged where it is read.
    let counts = worker.node.counts(&live.slug).await.unwrap_or_default();
    let results = counts.as_deref().filter(|counts| public::is_visible(live, Some(counts)));
    let kept = sent.filter(|_| refusal.is_some_and(Refusal::keeps_ballot_id));
    let shown = VoterPage {
        contest: &live.slug,
        definition: &live.contest,
        ballot_id: kept.unwrap_or_else(new_ballot_id),
        now: clock::now(),
        results,
        refusal,
        chosen,
    };
    let status = refusal.map_or(200, Refusal::status);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    page(status, shown.render())
}

fn new_ballot_id() -> BallotId {
    BallotId::new(clock::now(), secret::random_bytes())
}

/// `GET /docs`: the API, to read and to try.
pub(crate) async fn docs() -> Response {
    page(StatusCode::OK, pages::docs())
}

/// `GET /docs/{path}`.
pub(crate) async fn docs_asset(InPath(path): InPath, headers: HeaderMap) -> Response {
    pages::docs_asset(&path).map_or_else(not_found, |asset| file(&asset, &headers))
}

/// `GET /assets/{path}`.
pub(crate) async fn asset(InPath(path): InPath, headers: HeaderMap) -> Response {
    pages::static_asset(&path).map_or_else(not_found, |asset| file(asset, &headers))
}

fn not_found() -> Response {
    Problem::new(ProblemKind::NotFound, "There is no such file.").into_response()
}

fn file(asset: &Asset, headers: &HeaderMap) -> Response {
    let known =
        headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == asset.etag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = asset.bytes.into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        if let Some(encoding) = asset.content_encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(ETAG, etag);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(pages::ASSET_CACHE_CONTROL));
    let nosniff = HeaderName::from_static("x-content-type-options");
    headers.insert(nosniff, HeaderValue::from_static("nosniff"));
    response
}

pub(crate) fn page(status: StatusCode, html: String) -> Response {
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    for (name, value) in pages::HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let policy = HeaderValue::from_static(pages::CONTENT_SECURITY_POLICY);
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    response
}
