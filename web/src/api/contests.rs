//! What administrators do with contests: definitions, opening, closing, certifying, gateways' keys.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::{Contest, Slug, Span, limits};
use contests::{Changed, ContestError, Etag, LiveContest};
use hyper::{
    Request, StatusCode,
    header::{CONTENT_TYPE, ETAG, HeaderValue},
};

use crate::{
    app::App,
    http::{
        body::{self, unreadable as unreadable_body},
        conditions::allows_change,
        in_path::InPath,
        members::{invalid_member, members},
        problem::{Problem, ProblemKind},
        refusals::not_certified,
        reply::json,
    },
    identity::admitted::{Administrator, Managed},
    pages::protocol::CERTIFIED,
    public_results::retitled,
    shapes::{
        contests::{
            CloseBody, ContestBody, ContestList, ContestListBody, DefinitionBody, Listed,
            UnreadableContest,
        },
        counts::CountsBody,
        problem::ProblemBody,
    },
};

/// Creates or changes a contest. `If-Match` with the ETag guards against overwriting another's
/// change, `If-None-Match: *` against changing what is there.
#[utoipa::path(
    put, path = "/v1/admin/contests/{contest}", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    request_body(content((DefinitionBody = "application/json"),
        (String = "application/toml"))),
    responses(
        (status = 200, description = "Changed", body = ContestBody),
        (status = 201, description = "Created", body = ContestBody),
        (status = 409, description = "Frozen since the contest opened, but for title, results, \
            listed, embed_origins, closes_at, and a choice's title, text and picture", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "Changed meanwhile", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Breaks a rule", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_contest(
    State(app): State<Arc<App>>,
    administrator: Administrator,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, request_body) = request.into_parts();
    let media_type =
        body::check_content_type(&parts.headers, &["application/json", "application/toml"])?;
    let bytes = body::read(request_body, limits::DEFINITION_BODY_BYTES_MAX).await?;
    let slug: Slug = slug.parse().map_err(|error| {
        let detail = format!("A contest's name is {error}.");
        Problem::new(ProblemKind::InvalidDefinition, detail).field("contest")
    })?;
    let definition = if media_type == "application/toml" {
        let text = str::from_utf8(&bytes).map_err(|_| unreadable_body("The body is not UTF-8."))?;
        Contest::from_toml(text)
    } else {
        Contest::from_json(&bytes)
    };
    let is_expected = |etag: Option<Etag>| {
        allows_change(&parts.headers, etag.map(|etag| etag.to_string()).as_deref())
    };
    let changed = app.contests.put(&slug, &definition?, is_expected).await?;
    let what = if changed.created { "contest created" } else { "contest changed" };
    app.audit_change(&slug, what, administrator.name(), changed.difference()).await;
    let status = if changed.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, definition_of(&changed.live)).into_response())
}

/// A contest's definition, as `PUT` takes it.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 200, description = "The definition with its ETag", body = ContestBody),
        (status = 404, description = "No such contest", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_contest(Managed { live, .. }: Managed) -> Response {
    definition_of(&live)
}

fn definition_of(live: &LiveContest) -> Response {
    let mut response = json(&live.contest);
    let etag = HeaderValue::try_from(live.etag().to_string()).expect("digits in quotes");
    response.headers_mut().insert(ETAG, etag);
    response
}

/// All contests.
#[utoipa::path(
    get, path = "/v1/admin/contests", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses((status = 200, description = "All contests", body = ContestListBody))
)]
pub(crate) async fn list_contests(State(app): State<Arc<App>>, _: Administrator) -> Response {
    let now = app.clock.now();
    let all = app.contests.all();
    let contests = all.iter().map(|live| Listed::of(live, now)).collect();
    json(&ContestList { contests, unreadable: unreadable(&app) })
}

/// The contests that cannot be understood, and why.
pub(super) fn unreadable(app: &App) -> Vec<UnreadableContest> {
    let all = app.contests.unreadable().into_iter();
    all.map(|(contest, reason)| UnreadableContest {
        contest: contest.to_string(),
        reason: reason.to_string(),
    })
    .collect()
}

/// Opens a contest now.
#[utoipa::path(
    post, path = "/v1/admin/contests/{contest}/open", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 200, description = "Open", body = ContestBody),
        (status = 409, description = "Closed", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn open_contest(
    State(app): State<Arc<App>>,
    Managed { live, by }: Managed,
) -> Result<Response, Problem> {
    let changed = app.contests.open(&live.slug).await;
    moved(&app, &live.slug, changed, "contest opened", &by).await
}

/// Closes a contest, within a moment, or after the time that is asked for. What was acknowledged before
/// is counted. Where a close is under way, or the end is nearer, nothing moves.
#[utoipa::path(
    post, path = "/v1/admin/contests/{contest}/close", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    request_body(content = Option<CloseBody>,
        description = "When; nothing is as soon as every node can know of it"),
    responses(
        (status = 200, description = "Closed, or closing at closes_at", body = ContestBody),
        (status = 409, description = "Not open", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Not a time from 0s to 24h", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn close_contest(
    State(app): State<Arc<App>>,
    Managed { live, by }: Managed,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let after = close_after(request).await?;
    let changed = app.contests.close(&live.slug, after).await;
    moved(&app, &live.slug, changed, "contest closed", &by).await
}

/// The time that a body asks for; none asks for as soon as can be.
async fn close_after(request: Request<Body>) -> Result<Duration, Problem> {
    let (parts, request_body) = request.into_parts();
    let check_type = || body::check_content_type(&parts.headers, &["application/json"]);
    if parts.headers.contains_key(CONTENT_TYPE) {
        check_type()?;
    }
    let bytes = body::read(request_body, limits::BALLOT_BODY_BYTES_MAX).await?;
    if bytes.is_empty() {
        return Ok(Duration::ZERO);
    }
    check_type()?;
    let asked = members::<Option<CloseBody>>(&bytes)?.unwrap_or_default();
    let Some(text) = asked.r#in else { return Ok(Duration::ZERO) };
    let Span(after) = text.parse().map_err(|wrong| {
        Problem::new(ProblemKind::InvalidMember, format!("{wrong}.")).field("in")
    })?;
    if after > limits::CLOSE_AHEAD_MAX {
        return Err(invalid_member(
            "in",
            "must be 24h at most; a definition has a later closes_at",
        ));
    }
    Ok(after)
}

/// Takes a close by hand back, until it takes effect: the end is what it was before. A moment before
/// it takes effect not every node would know in time; `cancel_until` of the live view says until when.
#[utoipa::path(
    post, path = "/v1/admin/contests/{contest}/close/cancel", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 200, description = "Taken back", body = ContestBody),
        (status = 409, description = "Nobody has closed it, or it is too late", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn cancel_close(
    State(app): State<Arc<App>>,
    Managed { live, by }: Managed,
) -> Result<Response, Problem> {
    let changed = app.contests.cancel_close(&live.slug).await;
    moved(&app, &live.slug, changed, "close taken back", &by).await
}

/// Deletes a draft, with its key and its channels. What was done with it stays on record.
#[utoipa::path(
    delete, path = "/v1/admin/contests/{contest}", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "No such contest", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "It has opened, or is about to", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_contest(
    State(app): State<Arc<App>>,
    administrator: Administrator,
    InPath(slug): InPath,
) -> Result<StatusCode, Problem> {
    // No contest has a name that is none.
    let slug: Slug = slug.parse().map_err(|_| Problem::no_such_contest())?;
    app.contests.delete(&slug).await?;
    app.audit(&slug, "contest deleted", administrator.name()).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn moved(
    app: &App,
    slug: &Slug,
    changed: Result<Changed, ContestError>,
    what: &str,
    by: &Administrator,
) -> Result<Response, Problem> {
    let changed = changed?;
    app.audit_change(slug, what, by.name(), changed.difference()).await;
    Ok(definition_of(&changed.live))
}

/// Signs the final count off. From then on every recount counts the same set of batches.
#[utoipa::path(
    post, path = "/v1/admin/contests/{contest}/certify", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 200, description = "Certified", body = CountsBody),
        (status = 409, description = "Not final yet", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn certify_contest(
    State(app): State<Arc<App>>,
    Managed { live, by }: Managed,
) -> Result<Response, Problem> {
    let counts = tally::certify(&*app.control, &live.slug).await;
    let counts = counts.map_err(|error| not_certified(error, live.contest.hours))?;
    app.audit(&live.slug, CERTIFIED, by.name()).await;
    Ok(json(&*retitled(Arc::new(counts), &live)))
}
