//! Counts and time series, to look at by a program and to take away as files.

use std::{borrow::Cow, sync::Arc};

use axum::{extract::State, response::Response};
use ballot::{Slug, Timestamp};
use contests::series;
use hyper::{
    Uri,
    header::{CONTENT_DISPOSITION, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};

use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        problem::{Problem, ProblemKind},
        reply::{csv, json},
    },
    identity::admitted::{Managed, ManagedCounts},
    shapes::{
        counts::{CountsBody, SeriesBody},
        problem::ProblemBody,
    },
    tables::{self, CsvForm, SeriesTable},
};

/// Who opens a file of CSV.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) enum CsvFor {
    Excel,
}

/// The counts row as a file.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/counts.json", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "The counts row", body = CountsBody))
)]
pub(crate) async fn counts_json(ManagedCounts { live, counts }: ManagedCounts) -> Response {
    attached(json(&counts), &live.slug, "counts.json")
}

/// The counts row as CSV: one line for each number. With `?for=excel` as Excel opens it by a double
/// click where a comma is in numbers: a byte order mark, `;` between cells.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/counts.csv", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    params(("for" = Option<CsvFor>, Query, description = "Who opens it")),
    responses((status = 200, description = "The counts row", body = String, content_type = "text/csv"))
)]
pub(crate) async fn counts_csv(
    ManagedCounts { live, counts }: ManagedCounts,
    uri: Uri,
) -> Result<Response, Problem> {
    let table = tables::counts_csv(&counts, form(&uri)?);
    Ok(attached(csv(table), &live.slug, "counts.csv"))
}

/// How the counts grew: a point for every publish of the last hour, fewer of before. The query may
/// have `from` and `to` (RFC 3339, both included).
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/series", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses(
        (status = 200, description = "The points", body = SeriesBody),
        (status = 422, description = "Not a time", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn series(
    State(app): State<Arc<App>>,
    Managed { live, .. }: Managed,
    uri: Uri,
) -> Result<Response, Problem> {
    Ok(json(&table(&app, &live.slug, &uri).await?))
}

/// The same as a file.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/series.json", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "The points", body = SeriesBody))
)]
pub(crate) async fn series_json(
    State(app): State<Arc<App>>,
    Managed { live, .. }: Managed,
    uri: Uri,
) -> Result<Response, Problem> {
    let table = table(&app, &live.slug, &uri).await?;
    Ok(attached(json(&table), &live.slug, "series.json"))
}

/// The same as CSV; `?for=excel` as above.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/series.csv", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    params(("for" = Option<CsvFor>, Query, description = "Who opens it")),
    responses((status = 200, description = "The points", body = String, content_type = "text/csv"))
)]
pub(crate) async fn series_csv(
    State(app): State<Arc<App>>,
    Managed { live, .. }: Managed,
    uri: Uri,
) -> Result<Response, Problem> {
    let table = table(&app, &live.slug, &uri).await?;
    Ok(attached(csv(table.csv(form(&uri)?)), &live.slug, "series.csv"))
}

async fn table(app: &App, slug: &Slug, uri: &Uri) -> Result<SeriesTable, Problem> {
    let (from, to) = (moment(uri, "from")?, moment(uri, "to")?);
    let series = series::load(&*app.control, slug).await?;
    let is_wanted =
        |time: Timestamp| from.is_none_or(|from| from <= time) && to.is_none_or(|to| time <= to);
    Ok(SeriesTable::new(slug.as_str(), &series, is_wanted))
}

/// A time in the query.
fn moment(uri: &Uri, name: &'static str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = in_query(uri, name) else { return Ok(None) };
    text.parse().map(Some).map_err(|error| {
        Problem::new(ProblemKind::InvalidMember, format!("{name} is {error}.")).field(name)
    })
}

/// Who is to read the file.
fn form(uri: &Uri) -> Result<CsvForm, Problem> {
    match in_query(uri, "for").as_deref() {
        None => Ok(CsvForm::Plain),
        Some("excel") => Ok(CsvForm::Excel),
        Some(_) => {
            let detail = "for is excel, or is not there.";
            Err(Problem::new(ProblemKind::InvalidMember, detail).field("for"))
        }
    }
}

fn in_query<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, text)| text)
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
