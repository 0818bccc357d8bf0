//! What administrators do: contests, gateways' keys, counts.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::{Contest, Counts, InvalidDefinition, Phase, Slug, limits};
use hyper::{
    HeaderMap, Request, StatusCode,
    header::{ETAG, HeaderValue, IF_MATCH},
    http::request::Parts,
};
use serde::{Deserialize, Serialize};
use store::StoreError;
use tally::CertifyError;
use utoipa::ToSchema;

use super::{
    InPath,
    body::{self, unreadable},
    console::Nodes,
    json,
    openapi::ProblemBody,
    problem::{Problem, ProblemKind},
    public,
    server::{SharedWorker, Worker},
    session::{Administrator, admit},
};
use contests::{Changed, ContestError, Etag, LiveContest};

use crate::pages::console;

/// Admits, and finds the contest.
pub(crate) async fn admit_to(
    worker: &Worker,
    parts: &Parts,
    slug: &str,
) -> Result<(Arc<LiveContest>, Administrator), Problem> {
    let administrator = admit(worker, parts)?;
    let live = worker.app.contests.get_fresh(slug).await?.ok_or_else(Problem::no_such_contest)?;
    Ok((live, administrator))
}

/// Admits, and finds the contest and its counts row, which must be there.
pub(super) async fn admit_to_counts(
    worker: &Worker,
    parts: &Parts,
    slug: &str,
) -> Result<(Arc<LiveContest>, Arc<Counts>), Problem> {
    let (live, _) = admit_to(worker, parts, slug).await?;
    let counts = worker.app.counts(&live.slug).await.map_err(|error| store_error(&error))?;
    let counts = counts.ok_or_else(public::no_counts)?;
    Ok((live, counts))
}

/// Creates or changes a contest. `If-Match` with the ETag guards against overwriting another's
/// change, `If-None-Match: *` against changing what is there.
#[utoipa::path(
    put, path = "/v1/admin/contests/{contest}", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    request_body(content((super::openapi::ContestBody = "application/json"),
        (String = "application/toml"))),
    responses(
        (status = 200, description = "Changed", body = super::openapi::ContestBody),
        (status = 201, description = "Created", body = super::openapi::ContestBody),
        (status = 409, description = "Frozen since the contest opened", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "Changed meanwhile", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Breaks a rule", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_contest(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, request_body) = request.into_parts();
    let administrator = admit(&worker, &parts)?;
    let media_type =
        body::check_content_type(&parts.headers, &["application/json", "application/toml"])?;
    let bytes = body::read(request_body, limits::DEFINITION_BODY_BYTES_MAX).await?;
    let slug: Slug = slug.parse().map_err(|error| {
        let detail = format!("A contest's name is {error}.");
        Problem::new(ProblemKind::InvalidDefinition, detail).field("contest")
    })?;
    let definition = if media_type == "application/toml" {
        let text = str::from_utf8(&bytes).map_err(|_| unreadable("The body is not UTF-8."))?;
        Contest::from_toml(text)
    } else {
        Contest::from_json(&bytes)
    };
    let definition = definition.map_err(invalid_definition)?;
    let changed = worker
        .app
        .contests
        .put(&slug, &definition, |etag| precondition(&parts.headers, etag))
        .await
        .map_err(contest_error)?;
    let what = if changed.created { "contest created" } else { "contest changed" };
    worker.app.audit(&slug, what, administrator.by()).await;
    let status = if changed.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, definition_of(&changed.live)).into_response())
}

/// `If-Match` (strong comparison) and `If-None-Match` (weak) of RFC 9110 section 13.1.
fn precondition(headers: &HeaderMap, etag: Option<Etag>) -> bool {
    let Some(etag) = etag.map(|etag| etag.to_string()) else {
        return !headers.contains_key(IF_MATCH);
    };
    let values = headers.get_all(IF_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    let is_expected = !headers.contains_key(IF_MATCH) || tags.any(|tag| tag == "*" || tag == etag);
    is_expected && !public::matches(headers, &etag)
}

/// A contest's definition, as `PUT` takes it.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 200, description = "The definition with its ETag", body = super::openapi::ContestBody),
        (status = 404, description = "No such contest", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_contest(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    let (live, _) = admit_to(&worker, &parts, &slug).await?;
    Ok(definition_of(&live))
}

fn definition_of(live: &LiveContest) -> Response {
    let mut response = json(&live.contest);
    let etag = HeaderValue::try_from(live.etag().to_string()).expect("digits in quotes");
    response.headers_mut().insert(ETAG, etag);
    response
}

/// One line of the list of contests.
#[derive(Serialize)]
struct Listed<'a> {
    contest: &'a Slug,
    status: Phase,
    etag: String,
    channels: Vec<&'a Slug>,
    #[serde(flatten)]
    definition: &'a Contest,
}

/// All contests.
#[utoipa::path(
    get, path = "/v1/admin/contests", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses((status = 200, description = "All contests", body = super::openapi::ContestListBody))
)]
pub(crate) async fn list_contests(
    State(worker): State<SharedWorker>,
    parts: Parts,
) -> Result<Response, Problem> {
    admit(&worker, &parts)?;
    let now = worker.app.clock.now();
    let all = worker.app.contests.all();
    let listed: Vec<_> = all
        .iter()
        .map(|live| Listed {
            contest: &live.slug,
            status: live.contest.hours.phase(now),
            etag: live.etag().to_string(),
            channels: live.channels.iter().map(|channel| &channel.channel).collect(),
            definition: &live.contest,
        })
        .collect();
    Ok(json(&serde_json::json!({ "contests": listed })))
}

/// Opens a contest now.
#[utoipa::path(
    post, path = "/v1/admin/contests/{contest}/open", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 200, description = "Open", body = super::openapi::ContestBody),
        (status = 409, description = "Closed", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn open_contest(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    let (live, by) = admit_to(&worker, &parts, &slug).await?;
    let changed = worker.app.contests.open(&live.slug).await;
    moved(&worker, &live.slug, changed, "contest opened", &by).await
}

/// Closes a contest, within a moment. What was acknowledged before is counted.
#[utoipa::path(
    post, path = "/v1/admin/contests/{contest}/close", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 200, description = "Closed, or closing at closes_at", body = super::openapi::ContestBody),
        (status = 409, description = "Not open", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn close_contest(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    let (live, by) = admit_to(&worker, &parts, &slug).await?;
    let changed = worker.app.contests.close(&live.slug).await;
    moved(&worker, &live.slug, changed, "contest closed", &by).await
}

async fn moved(
    worker: &Worker,
    slug: &Slug,
    changed: Result<Changed, ContestError>,
    what: &str,
    administrator: &Administrator,
) -> Result<Response, Problem> {
    let changed = changed.map_err(contest_error)?;
    worker.app.audit(slug, what, administrator.by()).await;
    Ok(definition_of(&changed.live))
}

/// Signs the final count off. From then on every recount counts the same set of batches.
#[utoipa::path(
    post, path = "/v1/admin/contests/{contest}/certify", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 200, description = "Certified", body = super::openapi::CountsBody),
        (status = 409, description = "Not final yet", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn certify_contest(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    let (live, administrator) = admit_to(&worker, &parts, &slug).await?;
    let counts = tally::certify(&*worker.app.control, &live.slug).await;
    let counts = counts.map_err(|error| match error {
        CertifyError::NotFinal => {
            let detail =
                "Only a final count can be certified; it is final a moment after the close.";
            Problem::new(ProblemKind::NotFinal, detail).hours(live.contest.hours)
        }
        CertifyError::Store(error) => store_error(&error),
        CertifyError::BatchSet(error) => {
            tracing::error!(%error, contest = %live.slug, "the final count cannot be certified");
            Problem::new(ProblemKind::Internal, format!("{error}."))
        }
    })?;
    worker.app.audit(&live.slug, console::CERTIFIED, administrator.by()).await;
    Ok(json(&counts))
}

/// The counts row, as the tally left it.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/counts", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 200, description = "The counts row", body = super::openapi::CountsBody),
        (status = 404, description = "No such contest, or not counted yet", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn counts(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    Ok(json(&admit_to_counts(&worker, &parts, &slug).await?.1))
}

/// Who is alive: all nodes that share the store, by their heartbeats.
#[utoipa::path(
    get, path = "/v1/admin/nodes", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses((status = 200, description = "The nodes", body = super::openapi::NodesBody)),
)]
pub(crate) async fn list_nodes(
    State(worker): State<SharedWorker>,
    parts: Parts,
) -> Result<Response, Problem> {
    admit(&worker, &parts)?;
    Ok(json(&Nodes::of(&worker)))
}

/// A gateway's channel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewChannel {
    /// Its name, a slug such as sms; not web.
    channel: String,
}

/// A gateway's key, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelKey {
    /// The channel.
    channel: String,
    /// What the gateway sends as its bearer's token. Only a hash of it is kept.
    key: String,
}

/// Makes a gateway's channel key. Again: a new key, the old one is revoked.
#[utoipa::path(
    post, path = "/v1/admin/contests/{contest}/channels", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])), request_body = NewChannel,
    responses(
        (status = 201, description = "The key, shown once", body = ChannelKey),
        (status = 422, description = "Not a channel's name", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn new_channel(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, request_body) = request.into_parts();
    let (live, administrator) = admit_to(&worker, &parts, &slug).await?;
    body::check_content_type(&parts.headers, &["application/json"])?;
    let bytes = body::read(request_body, limits::BALLOT_BODY_BYTES_MAX).await?;
    let wanted: NewChannel = super::cast::members(&bytes)?;
    let invalid = |detail: &str| {
        Problem::new(ProblemKind::InvalidMember, format!("The channel's name {detail}."))
            .field("channel")
    };
    let channel: Slug =
        wanted.channel.parse().map_err(|error| invalid(&format!("must be {error}")))?;
    if channel.as_str() == ballot::ChannelNumber::WEB_NAME {
        return Err(invalid("web is the voters' own"));
    }
    let key = worker.app.contests.new_channel_key(&live.slug, &channel).await;
    let key = key.map_err(contest_error)?;
    let what = format!("channel key made: {channel}");
    worker.app.audit(&live.slug, &what, administrator.by()).await;
    let channel = channel.to_string();
    Ok((StatusCode::CREATED, json(&ChannelKey { channel, key })).into_response())
}

fn contest_error(error: ContestError) -> Problem {
    match error {
        ContestError::NotFound => Problem::no_such_contest(),
        ContestError::Invalid(invalid) => invalid_definition(invalid),
        ContestError::Stale => Problem::new(ProblemKind::Stale, format!("{error}.")),
        ContestError::NotNow { field, detail, hours } => {
            let problem = Problem::new(ProblemKind::Frozen, format!("{detail}.")).hours(hours);
            match field {
                Some(field) => problem.field(field),
                None => problem,
            }
        }
        // Every member is within its limits, and all together are too much for the store.
        ContestError::Store(StoreError::Invalid(detail)) => {
            Problem::new(ProblemKind::InvalidDefinition, format!("Too large: {detail}."))
                .field("definition")
        }
        ContestError::Store(error) => store_error(&error),
    }
}

fn invalid_definition(invalid: InvalidDefinition) -> Problem {
    let kind =
        if invalid.unreadable { ProblemKind::Unreadable } else { ProblemKind::InvalidDefinition };
    Problem::new(kind, format!("{invalid}.")).field(invalid.field)
}

/// A control store that did not answer. Logged here, where it is handled.
pub(crate) fn store_error(error: &StoreError) -> Problem {
    tracing::error!(%error, "the control store failed");
    match error {
        StoreError::Invalid(detail) => Problem::new(ProblemKind::Internal, &**detail),
        _ => Problem::new(ProblemKind::StoreUnavailable, "The store is away. Try again."),
    }
}
