//! The console's pages.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use hyper::{
    StatusCode,
    header::{HeaderValue, LOCATION},
};

use super::served::whole_page;
use crate::{
    api::standing::load_audit,
    app::App,
    http::problem::Problem,
    identity::admitted::ManagedCounts,
    pages::{
        protocol::{Act, Protocol},
        shells,
    },
    shapes::standing::AuditEntry,
};

/// `GET /admin`.
pub(crate) async fn contests_page() -> Response {
    whole_page(StatusCode::OK, shells::contests())
}

/// `GET /admin/contests/{contest}`.
pub(crate) async fn contest_page() -> Response {
    whole_page(StatusCode::OK, shells::contest())
}

/// `GET /admin/new` and `/admin/contests/{contest}/edit`.
pub(crate) async fn edit_page() -> Response {
    whole_page(StatusCode::OK, shells::edit())
}

/// `GET /admin/contests/{contest}/protocol`: the result as an auditor files it.
pub(crate) async fn protocol_page(
    State(app): State<Arc<App>>,
    managed: Result<ManagedCounts, Problem>,
) -> Response {
    let html = match managed {
        Ok(managed) => protocol(&app, &managed).await,
        Err(problem) => Err(problem),
    };
    match html {
        Ok(html) => whole_page(StatusCode::OK, html),
        // A person has followed a link: they sign in first.
        Err(problem) if problem.kind().status() == StatusCode::UNAUTHORIZED => {
            let mut response = StatusCode::SEE_OTHER.into_response();
            response.headers_mut().insert(LOCATION, HeaderValue::from_static("/admin"));
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn protocol(app: &App, managed: &ManagedCounts) -> Result<String, Problem> {
    let ManagedCounts { live, counts } = managed;
    let acts = load_audit(app, &live.slug).await?;
    let acts = acts.into_iter().map(|AuditEntry { at, what, by, .. }| Act { at, what, by });
    let shown = Protocol {
        contest: &live.slug,
        definition: &live.contest,
        version: live.etag().to_string(),
        counts,
        acts: &acts.collect::<Vec<_>>(),
        software: app.peers.list().into_iter().map(|node| node.version).collect(),
        printed_at: app.clock.now(),
    };
    Ok(shown.render())
}
