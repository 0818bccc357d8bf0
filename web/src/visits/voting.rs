//! Pages to vote on: the list of contests, and one to vote in.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use ballot::Hours;
use hyper::{HeaderMap, Uri};

use super::{
    page_cache::{self, Rendered, View},
    served::{kept_page, shown, with_headers},
    visitor::visitor,
};
use crate::{
    app::App,
    http::in_path::InPath,
    pages::{index, page::Page, voter::VoterPage},
    worker::Worker,
};

/// `GET /`: the contests that the public may see.
pub(crate) async fn contests(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let all = app.contests.all();
    let now = app.clock.now();
    let listed = || all.iter().filter(|live| live.contest.listed && live.is_public(now));
    let shown = listed().map(|live| (&live.slug, &live.contest));
    let html = index::contests(visitor(&uri, &headers, false), shown, now);
    // As long as the contest that changes next may be kept. Not until one is no secret any more: that
    // would tell of it.
    let hours = listed().map(|live| live.contest.hours);
    let times = hours.flat_map(|hours| [hours.opens_at, hours.closes_at]).flatten();
    let next = times.filter(|time| *time > now).min();
    let kept = page_cache::cache_control(Hours { opens_at: next, closes_at: None }, now);
    with_headers(Rendered::new(html).response(&headers, &kept), None, false, &[])
}

/// `GET /c/{contest}`: the voters' page.
pub(crate) async fn vote(
    State(worker): State<Worker>,
    InPath(slug): InPath,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    voter_page(&worker, &slug, visitor(&uri, &headers, false), &headers).await
}

/// `GET /c/{contest}/embed`: the same page for other sites' frames.
pub(crate) async fn vote_embedded(
    State(worker): State<Worker>,
    InPath(slug): InPath,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    voter_page(&worker, &slug, visitor(&uri, &headers, true), &headers).await
}

/// A page that is the same for everybody, from memory if it has not changed.
async fn voter_page(worker: &Worker, slug: &str, page: Page, headers: &HeaderMap) -> Response {
    let live = match shown(&worker.app, slug, page).await {
        Ok(live) => live,
        Err(said) => return said,
    };
    let view = if page.embedded { View::VoteEmbedded } else { View::Vote };
    let public_url = worker.app.public_url.as_ref();
    let addresses = &worker.app.vote_addresses;
    kept_page(worker, &live, page, view, headers, |of, counts| {
        VoterPage { page, of, results: counts, addresses, public_url }.render()
    })
    .await
}
