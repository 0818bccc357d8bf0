//! Where everything stands, for administrators: in one answer a second for the console, and in parts.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use ballot::Slug;
use store::Read;

use super::contests::unreadable;
use crate::{
    app::App,
    http::{problem::Problem, reply::json},
    identity::admitted::{Administrator, Managed, ManagedCounts},
    pages::words::visibility,
    public_results::retitled,
    shapes::{
        counts::CountsBody,
        nodes::{Nodes, NodesBody},
        problem::ProblemBody,
        standing::{Audit, AuditEntry, Lease, LiveView, Overview, OverviewContest, Summary},
    },
};

/// Audit entries that are shown; a contest has a dozen.
const ACTS_MAX: usize = 200;

/// All contests with where their counts stand, and the nodes.
#[utoipa::path(
    get, path = "/v1/admin/overview", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "Where everything stands", body = Overview))
)]
pub(crate) async fn overview(
    State(app): State<Arc<App>>,
    _: Administrator,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let mut contests = Vec::new();
    for live in app.contests.all() {
        let counts = app.counts(&live.slug).await?;
        contests.push(OverviewContest {
            contest: live.slug.clone(),
            title: live.contest.title.clone(),
            status: live.contest.hours.phase(now),
            opens_at: live.contest.hours.opens_at,
            closes_at: live.contest.hours.closes_at,
            results: visibility(live.contest.results).to_owned(),
            counts: counts.map(|counts| Summary {
                status: counts.status,
                total: counts.total,
                recorded: counts.ballots.recorded,
                counted_through: counts.counted_through,
            }),
        });
    }
    Ok(json(&Overview {
        server_time: now,
        contests,
        unreadable: unreadable(&app),
        nodes: Nodes::of(&app.peers),
    }))
}

async fn load_lease(app: &App, slug: &Slug) -> Result<Lease, Problem> {
    let lease = tally::load_lease(&*app.control, slug).await?;
    Ok(lease.map_or(Lease { holder: None, generation: 0, expires_at: None }, |lease| Lease {
        holder: Some(lease.holder),
        generation: lease.generation,
        expires_at: Some(lease.expires_at).filter(|time| time.as_micros() > 0),
    }))
}

/// Who holds the lease of a contest's count.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/lease", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "The lease", body = Lease))
)]
pub(crate) async fn lease(
    State(app): State<Arc<App>>,
    Managed { live, .. }: Managed,
) -> Result<Response, Problem> {
    Ok(json(&load_lease(&app, &live.slug).await?))
}

/// Everything about a contest that moves, in one answer.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/live", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses(
        (status = 200, description = "As it stands", body = LiveView),
        (status = 404, description = "No such contest", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn live(
    State(app): State<Arc<App>>,
    Managed { live, .. }: Managed,
) -> Result<Response, Problem> {
    let counts = app.counts(&live.slug).await?;
    let lease = load_lease(&app, &live.slug).await?;
    let now = app.clock.now();
    Ok(json(&LiveView {
        server_time: now,
        contest: live.slug.clone(),
        title: live.contest.title.clone(),
        etag: live.etag().to_string(),
        status: live.contest.hours.phase(now),
        opens_at: live.contest.hours.opens_at,
        closes_at: live.contest.hours.closes_at,
        results: visibility(live.contest.results).to_owned(),
        cancel_until: app.contests.cancel_until(&live),
        close_margin_seconds: app.contests.close_margin().as_secs_f64(),
        channels: live.channels.iter().map(|channel| channel.channel.to_string()).collect(),
        counts: counts.map(|counts| retitled(counts, &live)),
        lease,
        nodes: Nodes::of(&app.peers),
    }))
}

/// The counts row, as the tally left it.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/counts", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses(
        (status = 200, description = "The counts row", body = CountsBody),
        (status = 404, description = "No such contest, or not counted yet", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn counts(ManagedCounts { counts, .. }: ManagedCounts) -> Response {
    json(&counts)
}

/// Who is alive: all nodes that share the store, by their heartbeats.
#[utoipa::path(
    get, path = "/v1/admin/nodes", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])),
    responses((status = 200, description = "The nodes", body = NodesBody)),
)]
pub(crate) async fn list_nodes(State(app): State<Arc<App>>, _: Administrator) -> Response {
    json(&Nodes::of(&app.peers))
}

/// What was done, when and by whom.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/audit", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "The audit entries", body = Audit))
)]
pub(crate) async fn audit(
    State(app): State<Arc<App>>,
    Managed { live, .. }: Managed,
) -> Result<Response, Problem> {
    Ok(json(&Audit { entries: load_audit(&app, &live.slug).await? }))
}

/// What was done with a contest, the latest acts.
pub(crate) async fn load_audit(app: &App, slug: &Slug) -> Result<Vec<AuditEntry>, Problem> {
    let documents = app.control.list(&format!("audit/{slug}/"), Read::Quorum).await;
    let documents = documents?;
    let first = documents.len().saturating_sub(ACTS_MAX);
    let entries = documents[first..].iter();
    Ok(entries.filter_map(|(_, document)| serde_json::from_slice(&document.body).ok()).collect())
}
