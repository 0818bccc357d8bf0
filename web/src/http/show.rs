//! Showing a vote and its results: the result page, the studio's wall, the way to the vote as a QR
//! code, the image that other sites show with a link.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::Slug;
use bytes::Bytes;
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, HeaderValue,
        X_CONTENT_TYPE_OPTIONS,
    },
    http::uri::Authority,
};

use super::{
    InPath,
    client::Client,
    page_cache::View,
    pages::{kept_page, shown, visitor},
    problem::{Problem, ProblemKind},
    public::matches,
    server::{SharedWorker, Worker},
};
use crate::{
    PublicUrl,
    pages::{ResultsPage, WallLook, WallPage},
    qr,
};

/// An image whose address is in the settings may be kept for this long.
const KEPT: &str = "public, max-age=300";
/// What was made from a request's `Host` is for whoever asked: a shared cache that confuses hosts
/// would hand one visitor's made-up host to all.
const KEPT_BY_ONE: &str = "private, max-age=60";
#[cfg(feature = "card")]
/// How long a card is waited for while others are drawn.
const CARD_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// `GET /c/{contest}/results`: the results, for everybody.
pub(crate) async fn results(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let page = visitor(&uri, &headers, false);
    let live = match shown(&worker, &slug, page).await {
        Ok(live) => live,
        Err(said) => return said,
    };
    let public_url = worker.app.public_url.as_ref();
    kept_page(&worker, &live, page, View::Results, &headers, |phase, counts| {
        let (contest, definition) = (&live.slug, &live.contest);
        ResultsPage { page, contest, definition, phase, results: counts, public_url }.render()
    })
    .await
}

/// `GET /c/{contest}/wall`: the same for a screen in the studio. `?top=` says how many choices,
/// `?theme=light` that the screen is bright.
pub(crate) async fn wall(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let page = visitor(&uri, &headers, false);
    let live = match shown(&worker, &slug, page).await {
        Ok(live) => live,
        Err(said) => return said,
    };
    let public_url = worker.app.public_url.as_ref();
    let look = WallLook::of_query(uri.query().unwrap_or_default());
    kept_page(&worker, &live, page, View::Wall(look), &headers, |phase, counts| {
        let (contest, definition) = (&live.slug, &live.contest);
        WallPage { page, look, contest, definition, phase, results: counts, public_url }.render()
    })
    .await
}

/// `GET /c/{contest}/qr.svg`: the way to the vote page, for a phone's camera.
pub(crate) async fn qr(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let slug = public_slug(&worker, &slug).await?;
    let client = Client::of(request.extensions());
    let known = worker.app.public_url.clone();
    let kept = if known.is_some() { KEPT } else { KEPT_BY_ONE };
    let url = known.or_else(|| url_of_request(&worker, &request, client)).ok_or_else(|| {
        Problem::new(ProblemKind::Unreadable, "The request does not say which host it is for.")
            .field("Host")
    })?;
    let svg = qr::svg(&format!("{url}/c/{slug}")).ok_or_else(|| {
        Problem::new(ProblemKind::Internal, "The address is too long for a QR code.")
    })?;
    Ok(image(svg.into(), "image/svg+xml", kept, request.headers()))
}

#[cfg(feature = "card")]
/// `GET /c/{contest}/card.png`: what other sites show with a link to the vote. No counts on it.
pub(crate) async fn card(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let live = worker.app.contests.public(&slug).await?;
    let live = live.ok_or_else(Problem::no_such_contest)?;
    let page = visitor(&uri, &headers, false);
    let text = crate::pages::card_text(page, &live.contest, worker.app.public_url.as_ref());
    let drawn = tokio::time::timeout(CARD_PATIENCE, worker.app.cards.get(text)).await;
    let png = drawn.unwrap_or(Err(crate::card::CardError::Busy)).map_err(|error| match error {
        crate::card::CardError::Busy => {
            Problem::new(ProblemKind::Overloaded, "Many cards are being drawn.")
        }
        crate::card::CardError::NotDrawn(why) => {
            tracing::error!(contest = %live.slug, why, "a card was not drawn");
            Problem::new(ProblemKind::Internal, "The card could not be drawn.")
        }
    })?;
    let mut response = image(png, "image/png", KEPT, &headers);
    // Without `?lang=` it is in the language that the request asks for.
    let vary = HeaderValue::from_static("Accept-Language");
    response.headers_mut().insert(hyper::header::VARY, vary);
    Ok(response)
}

async fn public_slug(worker: &Worker, slug: &str) -> Result<Slug, Problem> {
    let live = worker.app.contests.public(slug).await?;
    live.map(|live| live.slug.clone()).ok_or_else(Problem::no_such_contest)
}

/// Where whoever asks found us: `Host`, and behind trusted proxies the scheme that they were asked by.
fn url_of_request(worker: &Worker, request: &Request<Body>, client: Client) -> Option<PublicUrl> {
    let headers = request.headers();
    // Over HTTP/2 it is part of the address.
    let authority = request.uri().authority().map(Authority::as_str);
    let authority = authority.or_else(|| headers.get(HOST)?.to_str().ok())?;
    PublicUrl::new(worker.app.limits.is_secure(client, headers), authority)
}

fn image(
    body: Bytes,
    content_type: &'static str,
    kept: &'static str,
    asked: &HeaderMap,
) -> Response {
    let etag = format!("\"{}\"", &blake3::hash(&body).to_hex()[..16]);
    let mut response = if matches(asked, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        body.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ETAG, HeaderValue::try_from(etag).expect("digits in quotes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    // Opened by itself, a picture is a document.
    let policy = HeaderValue::from_static("default-src 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
