//! How pages are served: found or not, kept or not, and what a browser may do with them.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use ballot::{Contest, Counts, ResultsVisibility};
use contests::{LiveContest, StoreAway};
use hyper::{
    HeaderMap, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue,
        RETRY_AFTER,
    },
};

use super::page_cache::{self, MadeFrom, PageKey, View};
use crate::{
    app::App,
    pages::{headers, message, page::Page, subject::Subject},
    public_results::{is_visible, retitled},
    worker::Worker,
};

/// A page of a contest that is the same for everybody: with its counts, if it shows them.
pub(crate) async fn kept_page(
    worker: &Worker,
    live: &Arc<LiveContest>,
    page: Page,
    view: View,
    headers: &HeaderMap,
    render: impl FnOnce(Subject<'_>, Option<&Counts>) -> String,
) -> Response {
    let now = worker.app.clock.now();
    let phase = live.contest.hours.phase(now);
    let counts = shown_counts(&worker.app, live).await;
    let from = MadeFrom {
        live: Arc::clone(live),
        phase,
        generation: counts.as_ref().map(|counts| counts.generation),
    };
    let key = PageKey {
        contest: live.slug.clone(),
        language: page.language.tag,
        by_address: page.by_address,
        view,
    };
    let rendered = worker.pages.get(&key, from, || {
        let of = Subject {
            contest: &live.slug,
            definition: &live.contest,
            edition: live.contest.edition.as_deref().unwrap_or_default(),
            mark: &live.mark,
            phase,
        };
        render(of, counts.as_deref())
    });
    let kept = page_cache::cache_control(live.contest.hours, now);
    let mut response = rendered.response(headers, &kept);
    let language = HeaderValue::from_static(page.language.tag);
    response.headers_mut().insert(CONTENT_LANGUAGE, language);
    let may_be_framed = matches!(view, View::VoteEmbedded | View::Results);
    with_headers(response, Some(&live.contest), may_be_framed, &worker.app.vote_addresses)
}

/// The counts, if the contest shows them. A page without results is better than none: the store's
/// failure is logged where it is read. Hidden ones are not even looked at.
async fn shown_counts(app: &App, live: &LiveContest) -> Option<Arc<Counts>> {
    if live.contest.results == ResultsVisibility::Hidden {
        return None;
    }
    let counts = app.counts_rows.get_if_readable(&live.slug).await;
    let counts = counts.filter(|counts| is_visible(live, Some(counts)))?;
    Some(retitled(counts, live))
}

/// A contest that the public may know of, or the page that says why it is not shown.
pub(crate) async fn shown(app: &App, slug: &str, page: Page) -> Result<Arc<LiveContest>, Response> {
    match app.contests.public(slug).await {
        Ok(Some(live)) => Ok(live),
        Ok(None) => Err(not_there(page)),
        Err(StoreAway) => {
            let html = message::not_now(page);
            let mut response = own_page(StatusCode::SERVICE_UNAVAILABLE, html, None, page);
            let seconds = HeaderValue::from(fastrand::u16(1..=4));
            response.headers_mut().insert(RETRY_AFTER, seconds);
            Err(response)
        }
    }
}

pub(crate) fn not_there(page: Page) -> Response {
    own_page(StatusCode::NOT_FOUND, message::not_found(page), None, page)
}

/// A page that no cache keeps: it is one visitor's, or says what is wrong at this moment.
pub(crate) fn own_page(
    status: StatusCode,
    html: String,
    shown: Option<&LiveContest>,
    page: Page,
) -> Response {
    let mut response = (status, html).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let language = HeaderValue::from_static(page.language.tag);
    response.headers_mut().insert(CONTENT_LANGUAGE, language);
    with_headers(response, shown.map(|live| &live.contest), page.embedded, &[])
}

/// A page of ours in English that no cache keeps.
pub(crate) fn whole_page(status: StatusCode, html: String) -> Response {
    let mut response = (status, html).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    with_headers(response, None, false, &[])
}

/// Adds what every page has: its type, and what a browser may do with it.
pub(crate) fn with_headers(
    mut response: Response,
    shown: Option<&Contest>,
    may_be_framed: bool,
    addresses: &[String],
) -> Response {
    let headers = response.headers_mut();
    for (name, value) in headers::HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let policy = headers::content_security_policy(shown, may_be_framed, addresses);
    let policy = HeaderValue::try_from(policy).expect("a definition's origins are plain ASCII");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    response
}
