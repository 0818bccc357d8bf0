//! For the operator: is it alive, is it ready, how does it do.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use hyper::{header::CONTENT_TYPE, http::request::Parts};

use crate::{
    app::{App, NotReady},
    http::{
        client::{Audience, Client},
        problem::{Problem, ProblemKind},
        proxies::is_from_this_machine,
        reply::plain,
    },
    identity::admitted::admit,
    metrics::OfContest,
    shapes::problem::ProblemBody,
};

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "operators",
    responses((status = 200, description = "Alive", body = String)))]
pub(crate) async fn healthz() -> Response {
    plain("ok\n")
}

/// A balancer may send voters here.
#[utoipa::path(get, path = "/readyz", tag = "operators", responses(
    (status = 200, description = "Ready", body = String),
    (status = 503, description = "Not now", body = ProblemBody,
        content_type = "application/problem+json"),
))]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    match app.not_ready() {
        None => Ok(plain("ready\n")),
        Some(NotReady::Leaving) => {
            Err(Problem::new(ProblemKind::ShuttingDown, "This node is shutting down."))
        }
        Some(NotReady::ClockStrays) => Err(Problem::new(
            ProblemKind::ClockStrays,
            "This node's clock strays from its peers'; see /v1/admin/nodes.",
        )),
        Some(NotReady::StoreAway) => {
            Err(Problem::new(ProblemKind::StoreUnavailable, "This node cannot read its store."))
        }
    }
}

/// Metrics in the text format of Prometheus. For whoever asks on the operators' listener; where there is
/// none, for this very machine, or whoever has the administrator's token: how many ballots a node has
/// acknowledged is turnout, and where a contest hides its results that is nobody else's business. What an
/// address looks like says nothing: behind some networks everybody has a private one.
#[utoipa::path(get, path = "/metrics", tag = "operators", responses(
    (status = 200, description = "Metrics", body = String,
        content_type = "application/openmetrics-text"),
    (status = 401, description = "From elsewhere, without the administrator's token",
        body = ProblemBody, content_type = "application/problem+json"),
))]
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    parts: Parts,
) -> Result<Response, Problem> {
    let client = Client::of(&parts.extensions);
    let is_operators = client.audience == Audience::Operators;
    if !is_operators && !is_from_this_machine(client, &parts.headers) {
        admit(&app, &parts)?;
    }
    let waiting = i64::try_from(app.intake.waiting_ballots()).unwrap_or(i64::MAX);
    app.metrics.waiting_ballots.set(waiting);
    app.metrics.ready.set(app.not_ready().is_none().into());
    app.metrics.clock_strays.set(app.peers.clock_strays().into());
    let alive = app.peers.list().iter().filter(|node| node.state == "alive").count();
    app.metrics.nodes_alive.set(i64::try_from(alive).unwrap_or(i64::MAX));
    // Worked out when it is asked for: an age that stood still would hide a tally that does.
    app.metrics.counts_age.clear();
    for live in app.contests.all() {
        let Some(counts) = app.counts_rows.get_if_readable(&live.slug).await else { continue };
        if counts.status == ballot::CountsStatus::Provisional {
            let age = app.clock.now().since(counts.counted_through).as_secs_f64();
            let contest = OfContest { contest: live.slug.to_string() };
            app.metrics.counts_age.get_or_create(&contest).set(age);
        }
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], app.metrics.text()).into_response())
}
