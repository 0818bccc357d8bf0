//! Pictures: the way to the vote as a QR code, and what other sites show with a link.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::Slug;
use bytes::Bytes;
use hyper::{
    HeaderMap, Request, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, HeaderValue,
        X_CONTENT_TYPE_OPTIONS,
    },
    http::uri::Authority,
};

use crate::{
    app::App,
    http::{
        client::Client,
        conditions::matches,
        in_path::InPath,
        problem::{Problem, ProblemKind},
    },
    public_url::PublicUrl,
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

/// `GET /c/{contest}/qr.svg`: the way to the vote page, for a phone's camera.
pub(crate) async fn qr(
    State(app): State<Arc<App>>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let slug = public_slug(&app, &slug).await?;
    let client = Client::of(request.extensions());
    let known = app.public_url.clone();
    let kept = if known.is_some() { KEPT } else { KEPT_BY_ONE };
    let url = known.or_else(|| url_of_request(&app, &request, client)).ok_or_else(|| {
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
    State(app): State<Arc<App>>,
    InPath(slug): InPath,
    uri: hyper::Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let live = app.contests.public(&slug).await?;
    let live = live.ok_or_else(Problem::no_such_contest)?;
    let page = super::visitor::visitor(&uri, &headers, false);
    let text = crate::pages::card_text::card_text(page, &live.contest, app.public_url.as_ref());
    let drawn = tokio::time::timeout(CARD_PATIENCE, app.cards.get(text)).await;
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

async fn public_slug(app: &App, slug: &str) -> Result<Slug, Problem> {
    let live = app.contests.public(slug).await?;
    live.map(|live| live.slug.clone()).ok_or_else(Problem::no_such_contest)
}

/// Where whoever asks found us: `Host`, and behind trusted proxies the scheme that they were asked by.
fn url_of_request(app: &App, request: &Request<Body>, client: Client) -> Option<PublicUrl> {
    let headers = request.headers();
    // Over HTTP/2 it is part of the address.
    let authority = request.uri().authority().map(Authority::as_str);
    let authority = authority.or_else(|| headers.get(HOST)?.to_str().ok())?;
    PublicUrl::new(app.limits.is_secure(client, headers), authority)
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
