//! What administrators do with contests: definitions, opening, closing, certifying, gateways' keys.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::{Contest, Slug, limits};
use contests::{Changed, ContestError, Etag, LiveContest};
use hyper::{
    Request, StatusCode,
    header::{ETAG, HeaderValue},
};

use crate::{
    app::App,
    http::{
        body::{self, unreadable as unreadable_body},
        conditions::allows_change,
        in_path::InPath,
        problem::{Problem, ProblemKind},
        refusals::not_certified,
        reply::json,
    },
    identity::admitted::{Administrator, Managed},
    pages::protocol::CERTIFIED,
    shapes::{
        contests::{ContestBody, ContestList, ContestListBody, Listed, UnreadableContest},
        counts::CountsBody,
        problem::ProblemBody,
    },
};

/// Creates or changes a contest. `If-Match` with the ETag guards against overwriting another's
/// change, `If-None-Match: *` against changing what is there.
#[utoipa::path(
    put, path = "/v1/admin/contests/{contest}", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    request_body(content((ContestBody = "application/json"),
        (String = "application/toml"))),
    responses(
        (status = 200, description = "Changed", body = ContestBody),
        (status = 201, description = "Created", body = ContestBody),
        (status = 409, description = "Frozen since the contest opened", body = ProblemBody,
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
    app.audit(&slug, what, administrator.name()).await;
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

/// Closes a contest, within a moment. What was acknowledged before is counted.
#[utoipa::path(
    post, path = "/v1/admin/contests/{contest}/close", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 200, description = "Closed, or closing at closes_at", body = ContestBody),
        (status = 409, description = "Not open", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn close_contest(
    State(app): State<Arc<App>>,
    Managed { live, by }: Managed,
) -> Result<Response, Problem> {
    let changed = app.contests.close(&live.slug).await;
    moved(&app, &live.slug, changed, "contest closed", &by).await
}

async fn moved(
    app: &App,
    slug: &Slug,
    changed: Result<Changed, ContestError>,
    what: &str,
    by: &Administrator,
) -> Result<Response, Problem> {
    let changed = changed?;
    app.audit(slug, what, by.name()).await;
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
    Ok(json(&counts))
}
