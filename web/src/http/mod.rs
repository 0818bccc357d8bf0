//! The edge: everything that knows HTTP and JSON. Inside there are ballots and batches.

mod admin;
mod body;
mod cast;
mod client;
mod console;
mod cors;
mod exports;
mod gateway;
mod openapi;
mod operator;
mod page_cache;
mod pages;
mod problem;
mod public;
mod server;
mod session;
mod show;
mod tls;

pub use client::LimitSettings;
pub(crate) use client::Limits;
pub(crate) use problem::Problem;
pub(crate) use public::{is_visible, results_json};
pub use server::{Server, ServerSettings};
pub(crate) use session::Administrators;
pub use tls::{Tls, TlsError};

use std::sync::LazyLock;

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use hyper::{
    HeaderMap, Request,
    header::{CONTENT_TYPE, COOKIE},
    http::request::Parts,
};
use serde::Serialize;

use client::Client;
use problem::ProblemKind;
use server::SharedWorker;

/// All routes of a worker.
fn router(worker: SharedWorker) -> Router {
    let roles = worker.app.roles;
    let mut router = Router::new()
        .route("/healthz", get(operator::healthz))
        .route("/readyz", get(operator::readyz))
        .route("/metrics", get(operator::metrics))
        .route("/openapi.json", get(openapi_json))
        .route("/", get(pages::contests))
        .route("/docs", get(pages::docs))
        .route("/docs/{*path}", get(pages::docs_asset))
        .route("/assets/{*path}", get(pages::asset))
        .route("/c/{contest}/results", get(show::results))
        .route("/c/{contest}/wall", get(show::wall))
        .route("/c/{contest}/qr.svg", get(show::qr))
        .route("/v1/time", get(public::time))
        .route("/v1/contests/{contest}", get(public::contest))
        .route("/v1/contests/{contest}/results", get(public::results))
        .route("/v1/contests/{contest}/results/stream", get(public::results_stream));
    #[cfg(feature = "card")]
    {
        router = router.route("/c/{contest}/card.png", get(show::card));
    }
    if roles.intake {
        router = router
            .route("/c/{contest}", get(pages::vote).post(pages::cast))
            .route("/c/{contest}/embed", get(pages::vote_embedded).post(pages::cast_embedded))
            .route("/v1/contests/{contest}/ballots", post(cast_ballot).options(cors::preflight))
            .route("/v1/contests/{contest}/batches", post(gateway::record_batch));
    }
    if roles.admin {
        router = router
            .route("/admin", get(console::contests_page))
            .route("/admin/new", get(console::edit_page))
            .route("/admin/contests/{contest}", get(console::contest_page))
            .route("/admin/contests/{contest}/edit", get(console::edit_page))
            .route("/admin/contests/{contest}/protocol", get(console::protocol_page))
            .route(
                "/admin/session",
                get(session::look).post(session::sign_in).delete(session::sign_out),
            )
            .route("/v1/admin/nodes", get(admin::list_nodes))
            .route("/v1/admin/overview", get(console::overview))
            .route("/v1/admin/contests", get(admin::list_contests))
            .route("/v1/admin/contests/{contest}", get(admin::get_contest).put(admin::put_contest))
            .route("/v1/admin/contests/{contest}/open", post(admin::open_contest))
            .route("/v1/admin/contests/{contest}/close", post(admin::close_contest))
            .route("/v1/admin/contests/{contest}/certify", post(admin::certify_contest))
            .route("/v1/admin/contests/{contest}/live", get(console::live))
            .route("/v1/admin/contests/{contest}/lease", get(console::lease))
            .route("/v1/admin/contests/{contest}/audit", get(console::audit))
            .route("/v1/admin/contests/{contest}/counts", get(admin::counts))
            .route("/v1/admin/contests/{contest}/counts.json", get(exports::counts_json))
            .route("/v1/admin/contests/{contest}/counts.csv", get(exports::counts_csv))
            .route("/v1/admin/contests/{contest}/series", get(exports::series))
            .route("/v1/admin/contests/{contest}/series.json", get(exports::series_json))
            .route("/v1/admin/contests/{contest}/series.csv", get(exports::series_csv))
            .route("/v1/admin/contests/{contest}/channels", post(admin::new_channel));
    }
    router.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(worker)
}

/// A ballot whose path the hot route did not recognise, such as a percent-encoded one.
async fn cast_ballot(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let client = Client::of(&parts.extensions);
    let mut response = cast::cast(&worker, &slug, &parts.headers, body, client).await?;
    cors::allow(response.headers_mut(), &parts.headers, &worker.app.vote_addresses);
    Ok(response.map(Body::from))
}

async fn openapi_json() -> Response {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| openapi::json().into());
    ([(CONTENT_TYPE, "application/json")], JSON.clone()).into_response()
}

async fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is nothing at this path; see /openapi.json.")
}

/// The router adds `Allow`. A contest that does not exist comes first.
async fn method_not_allowed(State(worker): State<SharedWorker>, request: Request<Body>) -> Problem {
    let path = request.uri().path();
    let rest = path.strip_prefix("/v1/contests/").or(path.strip_prefix("/v1/admin/contests/"));
    let slug = rest.and_then(|rest| rest.split('/').next());
    if slug.is_some_and(|slug| worker.app.contests.get(slug).is_none()) {
        return Problem::no_such_contest();
    }
    let detail = format!("{} is not for this path; see Allow.", request.method());
    Problem::new(ProblemKind::MethodNotAllowed, detail)
}

/// The name in a path; any text, for the look-up to find or not.
struct InPath(String);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Only bytes that are not UTF-8 are refused, and no contest is named so.
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| Problem::no_such_contest())
    }
}

/// The values of all cookies of a name, in the order in which the browser sent them.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
    pairs.filter_map(move |pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// A JSON reply that no cache keeps.
fn json(body: &impl Serialize) -> Response {
    let text = serde_json::to_vec(body).expect("what we reply with has only string keys");
    let headers = [(CONTENT_TYPE, "application/json"), (hyper::header::CACHE_CONTROL, "no-store")];
    (headers, text).into_response()
}
