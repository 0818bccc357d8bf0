//! Counts and time series, to look at by a program and to take away as files.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::{Slug, Timestamp};
use hyper::{
    Uri,
    header::{
        CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
    },
    http::request::Parts,
};

use super::{
    InPath,
    admin::{admit_to, admit_to_counts, store_error},
    json,
    openapi::ProblemBody,
    problem::{Problem, ProblemKind},
    server::{SharedWorker, Worker},
};
use contests::series;

use crate::{exports, exports::SeriesTable};

/// The counts row as a file.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/counts.json", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "The counts row", body = super::openapi::CountsBody))
)]
pub(crate) async fn counts_json(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    let (live, counts) = admit_to_counts(&worker, &parts, &slug).await?;
    Ok(attached(json(&counts), &live.slug, "counts.json"))
}

/// The counts row as CSV: one line for each number.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/counts.csv", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "The counts row", body = String, content_type = "text/csv"))
)]
pub(crate) async fn counts_csv(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    let (live, counts) = admit_to_counts(&worker, &parts, &slug).await?;
    Ok(attached(csv(exports::counts_csv(&counts)), &live.slug, "counts.csv"))
}

/// How the counts grew: a point for every publish of the last hour, fewer of before. The query may
/// have `from` and `to` (RFC 3339, both included).
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/series", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses(
        (status = 200, description = "The points", body = super::openapi::SeriesBody),
        (status = 422, description = "Not a time", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn series(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    Ok(json(&table(&worker, &slug, &parts).await?.1))
}

/// The same as a file.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/series.json", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "The points", body = super::openapi::SeriesBody))
)]
pub(crate) async fn series_json(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    let (slug, table) = table(&worker, &slug, &parts).await?;
    Ok(attached(json(&table), &slug, "series.json"))
}

/// The same as CSV.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/series.csv", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "The points", body = String, content_type = "text/csv"))
)]
pub(crate) async fn series_csv(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    let (slug, table) = table(&worker, &slug, &parts).await?;
    Ok(attached(csv(table.csv()), &slug, "series.csv"))
}

async fn table(worker: &Worker, slug: &str, parts: &Parts) -> Result<(Slug, SeriesTable), Problem> {
    let (live, _) = admit_to(worker, parts, slug).await?;
    let (from, to) = (moment(&parts.uri, "from")?, moment(&parts.uri, "to")?);
    let series = series::load(&*worker.app.control, &live.slug).await;
    let series = series.map_err(|error| store_error(&error))?;
    let is_wanted =
        |time: Timestamp| from.is_none_or(|from| from <= time) && to.is_none_or(|to| time <= to);
    Ok((live.slug.clone(), SeriesTable::new(live.slug.as_str(), &series, is_wanted)))
}

/// A time in the query.
fn moment(uri: &Uri, name: &'static str) -> Result<Option<Timestamp>, Problem> {
    let mut pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let Some((_, text)) = pairs.find(|(known, _)| known == name) else { return Ok(None) };
    text.parse().map(Some).map_err(|error| {
        Problem::new(ProblemKind::InvalidMember, format!("{name} is {error}.")).field(name)
    })
}

fn csv(text: Vec<u8>) -> Response {
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (headers, text).into_response()
}

/// A file to be saved. A slug needs no quoting.
fn attached(mut response: Response, slug: &Slug, name: &str) -> Response {
    let disposition = format!("attachment; filename=\"{slug}-{name}\"");
    let disposition = HeaderValue::try_from(disposition).expect("a slug is ASCII");
    let headers = response.headers_mut();
    headers.insert(CONTENT_DISPOSITION, disposition);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
