//! Every route there is.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use hyper::http::request::Parts;

use crate::{
    api::{ballots, contests, exports, gateway, operator, public, sessions, standing},
    app::App,
    http::{
        client::Audience,
        problem::{Problem, ProblemKind},
    },
    identity::admitted::admit,
    openapi,
    visits::{console, files, images, posted_form, results, voting},
    worker::Worker,
};

/// The contest of `/v1/contests/{contest}/ballots`, the hot route, which does not go by the router.
pub(crate) fn contest_of_ballots(path: &str) -> Option<&str> {
    let slug = path.strip_prefix("/v1/contests/")?.strip_suffix("/ballots")?;
    (!slug.contains(['/', '%'])).then_some(slug)
}

/// All routes of a worker, for a listener's audience. Where operators have a listener of their own, the
/// public's has none of what is theirs, but what a balancer asks; theirs has everything.
pub(crate) fn router(worker: Worker, audience: Audience) -> Router {
    let roles = worker.app.roles;
    let is_for_operators = audience != Audience::Public;
    let mut router = Router::new()
        .route("/healthz", get(operator::healthz))
        .route("/readyz", get(operator::readyz))
        .route("/openapi.json", get(openapi::document))
        .route("/", get(voting::contests))
        .route("/docs", get(files::docs))
        .route("/docs/{*path}", get(files::docs_asset))
        .route("/assets/{*path}", get(files::asset))
        .route("/c/{contest}/results", get(results::results))
        .route("/c/{contest}/wall", get(results::wall))
        .route("/c/{contest}/qr.svg", get(images::qr))
        .route("/v1/time", get(public::time))
        .route("/v1/contests/{contest}", get(public::contest))
        .route("/v1/contests/{contest}/state", get(public::state))
        .route("/v1/contests/{contest}/results", get(public::results))
        .route("/v1/contests/{contest}/results/stream", get(public::results_stream));
    #[cfg(feature = "card")]
    {
        router = router.route("/c/{contest}/card.png", get(images::card));
    }
    if roles.intake {
        router = router
            .route("/c/{contest}", get(voting::vote).post(posted_form::cast))
            .route(
                "/c/{contest}/embed",
                get(voting::vote_embedded).post(posted_form::cast_embedded),
            )
            .route(
                "/v1/contests/{contest}/ballots",
                post(ballots::cast_routed).options(ballots::preflight),
            )
            .route("/v1/contests/{contest}/batches", post(gateway::record_batch));
    }
    if is_for_operators {
        router = router.route("/metrics", get(operator::metrics));
    }
    if roles.admin && is_for_operators {
        router = router
            .route("/admin", get(console::contests_page))
            .route("/admin/new", get(console::edit_page))
            .route("/admin/contests/{contest}", get(console::contest_page))
            .route("/admin/contests/{contest}/edit", get(console::edit_page))
            .route("/admin/contests/{contest}/protocol", get(console::protocol_page))
            .route(
                "/admin/session",
                get(sessions::look).post(sessions::sign_in).delete(sessions::sign_out),
            )
            .route("/v1/admin/nodes", get(standing::list_nodes))
            .route("/v1/admin/overview", get(standing::overview))
            .route("/v1/admin/contests", get(contests::list_contests))
            .route(
                "/v1/admin/contests/{contest}",
                get(contests::get_contest)
                    .put(contests::put_contest)
                    .delete(contests::delete_contest),
            )
            .route("/v1/admin/contests/{contest}/open", post(contests::open_contest))
            .route("/v1/admin/contests/{contest}/close", post(contests::close_contest))
            .route("/v1/admin/contests/{contest}/close/cancel", post(contests::cancel_close))
            .route("/v1/admin/contests/{contest}/certify", post(contests::certify_contest))
            .route("/v1/admin/contests/{contest}/live", get(standing::live))
            .route("/v1/admin/contests/{contest}/lease", get(standing::lease))
            .route("/v1/admin/contests/{contest}/audit", get(standing::audit))
            .route("/v1/admin/contests/{contest}/counts", get(standing::counts))
            .route("/v1/admin/contests/{contest}/counts.json", get(exports::counts_json))
            .route("/v1/admin/contests/{contest}/counts.csv", get(exports::counts_csv))
            .route("/v1/admin/contests/{contest}/series", get(exports::series))
            .route("/v1/admin/contests/{contest}/series.json", get(exports::series_json))
            .route("/v1/admin/contests/{contest}/series.csv", get(exports::series_csv))
            .route("/v1/admin/contests/{contest}/channels", post(contests::new_channel));
    }
    let fallbacks = if roles.admin && is_for_operators {
        router.fallback(admitted_not_found).method_not_allowed_fallback(admitted_not_allowed)
    } else {
        router.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
    };
    fallbacks.with_state(worker)
}

async fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is nothing at this path; see /openapi.json.")
}

/// The router adds `Allow`. A contest that does not exist comes first.
async fn method_not_allowed(State(app): State<Arc<App>>, request: Parts) -> Problem {
    let path = request.uri.path();
    let rest = path.strip_prefix("/v1/contests/").or(path.strip_prefix("/v1/admin/contests/"));
    let slug = rest.and_then(|rest| rest.split('/').next());
    if slug.is_some_and(|slug| !app.contests.is_known(slug)) {
        return Problem::no_such_contest();
    }
    let detail = format!("{} is not for this path; see Allow.", request.method);
    Problem::new(ProblemKind::MethodNotAllowed, detail)
}

/// Among the administrators' calls nobody else learns what there is and what not.
fn check_admitted(app: &App, request: &Parts) -> Result<(), Problem> {
    let is_administrators = request.uri.path().starts_with("/v1/admin");
    if is_administrators { admit(app, request).map(|_| ()) } else { Ok(()) }
}

async fn admitted_not_found(
    State(app): State<Arc<App>>,
    request: Parts,
) -> Result<Problem, Problem> {
    check_admitted(&app, &request)?;
    Ok(not_found().await)
}

async fn admitted_not_allowed(
    State(app): State<Arc<App>>,
    request: Parts,
) -> Result<Problem, Problem> {
    check_admitted(&app, &request)?;
    Ok(method_not_allowed(State(app), request).await)
}
