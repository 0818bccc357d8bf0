//! What the console shows: where everything stands, in one answer a second, and the pages.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::{Counts, CountsStatus, Phase, Slug, Timestamp};
use hyper::{
    StatusCode,
    header::{HeaderValue, LOCATION},
    http::request::Parts,
};
use serde::{Deserialize, Serialize};
use store::Read;
use utoipa::ToSchema;

use super::{
    InPath,
    admin::{admit_to, admit_to_counts, store_error},
    json,
    openapi::{NodesBody, ProblemBody},
    pages::whole_page as page,
    problem::Problem,
    server::{SharedWorker, Worker},
    session::admit,
};
use contests::{LiveContest, NodeView};

use crate::pages::console::{self, Act, Protocol};

/// Audit entries that are shown; a contest has a dozen.
const ACTS_MAX: usize = 200;

/// A contest's counts in a line.
#[derive(Serialize, ToSchema)]
pub(crate) struct Summary {
    /// provisional, final or certified.
    #[schema(value_type = String)]
    status: CountsStatus,
    total: u64,
    recorded: u64,
    #[schema(value_type = String)]
    counted_through: Timestamp,
}

/// A contest in the overview.
#[derive(Serialize, ToSchema)]
pub(crate) struct OverviewContest {
    #[schema(value_type = String)]
    contest: Slug,
    title: String,
    /// draft, open or closed.
    #[schema(value_type = String)]
    status: Phase,
    #[schema(value_type = Option<String>)]
    opens_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    closes_at: Option<Timestamp>,
    results: String,
    /// Null before the first count.
    counts: Option<Summary>,
}

/// Everything at a glance.
#[derive(Serialize, ToSchema)]
pub(crate) struct Overview {
    #[schema(value_type = String)]
    server_time: Timestamp,
    contests: Vec<OverviewContest>,
    #[schema(value_type = NodesBody)]
    nodes: Nodes,
}

/// The nodes that share the store, as this one hears of them.
#[derive(Debug, Serialize)]
pub(crate) struct Nodes {
    answered_by: String,
    nodes: Vec<NodeView>,
}

impl Nodes {
    pub(crate) fn of(worker: &Worker) -> Self {
        let nodes = &worker.app.peers;
        Self { answered_by: nodes.name().to_owned(), nodes: nodes.list() }
    }
}

/// All contests with where their counts stand, and the nodes.
#[utoipa::path(
    get, path = "/v1/admin/overview", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "Where everything stands", body = Overview))
)]
pub(crate) async fn overview(
    State(worker): State<SharedWorker>,
    parts: Parts,
) -> Result<Response, Problem> {
    admit(&worker, &parts)?;
    let now = worker.app.clock.now();
    let mut contests = Vec::new();
    for live in worker.app.contests.all() {
        let counts = worker.app.counts(&live.slug).await.map_err(|error| store_error(&error))?;
        contests.push(OverviewContest {
            contest: live.slug.clone(),
            title: live.contest.title.clone(),
            status: live.contest.hours.phase(now),
            opens_at: live.contest.hours.opens_at,
            closes_at: live.contest.hours.closes_at,
            results: crate::pages::visibility(live.contest.results).to_owned(),
            counts: counts.map(|counts| Summary {
                status: counts.status,
                total: counts.total,
                recorded: counts.ballots.recorded,
                counted_through: counts.counted_through,
            }),
        });
    }
    Ok(json(&Overview { server_time: now, contests, nodes: Nodes::of(&worker) }))
}

/// Who counts a contest.
#[derive(Serialize, ToSchema)]
pub(crate) struct Lease {
    /// The tally's worker; null before the first count.
    holder: Option<String>,
    /// Grows by one with every holder.
    generation: u64,
    /// By the holder's clock; null where it has let go, as after the final count.
    #[schema(value_type = Option<String>)]
    expires_at: Option<Timestamp>,
}

impl Lease {
    async fn load(worker: &Worker, slug: &Slug) -> Result<Self, Problem> {
        let lease = tally::load_lease(&*worker.app.control, slug).await;
        let lease = lease.map_err(|error| store_error(&error))?;
        Ok(lease.map_or(Self { holder: None, generation: 0, expires_at: None }, |lease| Self {
            holder: Some(lease.holder),
            generation: lease.generation,
            expires_at: Some(lease.expires_at).filter(|time| time.as_micros() > 0),
        }))
    }
}

/// Who holds the lease of a contest's count.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/lease", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "The lease", body = Lease))
)]
pub(crate) async fn lease(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    let (live, _) = admit_to(&worker, &parts, &slug).await?;
    Ok(json(&Lease::load(&worker, &live.slug).await?))
}

/// A contest as it stands this moment.
#[derive(Serialize, ToSchema)]
pub(crate) struct LiveView {
    #[schema(value_type = String)]
    server_time: Timestamp,
    #[schema(value_type = String)]
    contest: Slug,
    title: String,
    /// The definition's version: read it again when it changes.
    etag: String,
    /// draft, open or closed.
    #[schema(value_type = String)]
    status: Phase,
    #[schema(value_type = Option<String>)]
    opens_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    closes_at: Option<Timestamp>,
    results: String,
    /// How far ahead a close by hand is set, so that every node knows of it in time.
    close_margin_seconds: f64,
    /// The gateways' channels.
    channels: Vec<String>,
    /// Null before the first count.
    #[schema(value_type = Option<super::openapi::CountsBody>)]
    counts: Option<Arc<Counts>>,
    lease: Lease,
    #[schema(value_type = NodesBody)]
    nodes: Nodes,
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
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    let (live, _) = admit_to(&worker, &parts, &slug).await?;
    let counts = worker.app.counts(&live.slug).await.map_err(|error| store_error(&error))?;
    let lease = Lease::load(&worker, &live.slug).await?;
    let now = worker.app.clock.now();
    Ok(json(&LiveView {
        server_time: now,
        contest: live.slug.clone(),
        title: live.contest.title.clone(),
        etag: live.etag().to_string(),
        status: live.contest.hours.phase(now),
        opens_at: live.contest.hours.opens_at,
        closes_at: live.contest.hours.closes_at,
        results: crate::pages::visibility(live.contest.results).to_owned(),
        close_margin_seconds: worker.app.contests.close_margin().as_secs_f64(),
        channels: live.channels.iter().map(|channel| channel.channel.to_string()).collect(),
        counts,
        lease,
        nodes: Nodes::of(&worker),
    }))
}

/// What administrators have done with a contest.
#[derive(Serialize, ToSchema)]
pub(crate) struct Audit {
    /// The latest 200, oldest first.
    entries: Vec<AuditEntry>,
}

/// One act.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditEntry {
    #[schema(value_type = String)]
    at: Timestamp,
    what: String,
    /// The name given at the sign-in; nobody has checked it.
    #[serde(default = "unnamed")]
    by: String,
}

/// Entries of an earlier version have no name.
fn unnamed() -> String {
    "administrator".to_owned()
}

async fn load_audit(worker: &Worker, slug: &Slug) -> Result<Vec<AuditEntry>, Problem> {
    let documents = worker.app.control.list(&format!("audit/{slug}/"), Read::Quorum).await;
    let documents = documents.map_err(|error| store_error(&error))?;
    let first = documents.len().saturating_sub(ACTS_MAX);
    let entries = documents[first..].iter();
    Ok(entries.filter_map(|(_, document)| serde_json::from_slice(&document.body).ok()).collect())
}

/// What was done, when and by whom.
#[utoipa::path(
    get, path = "/v1/admin/contests/{contest}/audit", tag = "administrators",
    security(("admin_token" = []), ("session" = [])),
    responses((status = 200, description = "The audit entries", body = Audit))
)]
pub(crate) async fn audit(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Result<Response, Problem> {
    let (live, _) = admit_to(&worker, &parts, &slug).await?;
    Ok(json(&Audit { entries: load_audit(&worker, &live.slug).await? }))
}

/// `GET /admin`.
pub(crate) async fn contests_page() -> Response {
    page(StatusCode::OK, console::contests())
}

/// `GET /admin/contests/{contest}`.
pub(crate) async fn contest_page() -> Response {
    page(StatusCode::OK, console::contest())
}

/// `GET /admin/new` and `/admin/contests/{contest}/edit`.
pub(crate) async fn edit_page() -> Response {
    page(StatusCode::OK, console::edit())
}

/// `GET /admin/contests/{contest}/protocol`: the result as an auditor files it.
pub(crate) async fn protocol_page(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    parts: Parts,
) -> Response {
    match protocol(&worker, &slug, &parts).await {
        Ok(html) => page(StatusCode::OK, html),
        // A person has followed a link: they sign in first.
        Err(problem) if problem.kind().status() == StatusCode::UNAUTHORIZED => {
            let mut response = StatusCode::SEE_OTHER.into_response();
            response.headers_mut().insert(LOCATION, HeaderValue::from_static("/admin"));
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn protocol(worker: &Worker, slug: &str, parts: &Parts) -> Result<String, Problem> {
    let (live, counts) = admit_to_counts(worker, parts, slug).await?;
    let acts = load_audit(worker, &live.slug).await?;
    let acts = acts.into_iter().map(|AuditEntry { at, what, by }| Act { at, what, by });
    Ok(render(worker, &live, &counts, &acts.collect::<Vec<_>>()))
}

fn render(worker: &Worker, live: &LiveContest, counts: &Counts, acts: &[Act]) -> String {
    let shown = Protocol {
        contest: &live.slug,
        definition: &live.contest,
        version: live.etag().to_string(),
        counts,
        acts,
        software: worker.app.peers.list().into_iter().map(|node| node.version).collect(),
        printed_at: worker.app.clock.now(),
    };
    shown.render()
}
