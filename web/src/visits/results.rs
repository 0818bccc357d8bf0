//! Showing results: the result page, and the studio's wall.

use axum::{extract::State, response::Response};
use hyper::{HeaderMap, Uri};

use super::{
    page_cache::View,
    served::{kept_page, shown},
    visitor::visitor,
};
use crate::{
    http::in_path::InPath,
    pages::show::{ResultsPage, WallLook, WallPage},
    worker::Worker,
};

/// `GET /c/{contest}/results`: the results, for everybody.
pub(crate) async fn results(
    State(worker): State<Worker>,
    InPath(slug): InPath,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let page = visitor(&uri, &headers, false);
    let live = match shown(&worker.app, &slug, page).await {
        Ok(live) => live,
        Err(said) => return said,
    };
    let public_url = worker.app.public_url.as_ref();
    kept_page(&worker, &live, page, View::Results, &headers, |of, counts| {
        ResultsPage { page, of, results: counts, public_url }.render()
    })
    .await
}

/// `GET /c/{contest}/wall`: the same for a screen in the studio. `?top=` says how many choices,
/// `?theme=light` that the screen is bright.
pub(crate) async fn wall(
    State(worker): State<Worker>,
    InPath(slug): InPath,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let page = visitor(&uri, &headers, false);
    let live = match shown(&worker.app, &slug, page).await {
        Ok(live) => live,
        Err(said) => return said,
    };
    let public_url = worker.app.public_url.as_ref();
    let look = WallLook::of_query(uri.query().unwrap_or_default());
    kept_page(&worker, &live, page, View::Wall(look), &headers, |of, counts| {
        WallPage { page, look, of, results: counts, public_url }.render()
    })
    .await
}
