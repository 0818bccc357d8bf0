//! The pages' routes: looks up what a page shows, and takes the ballot that its form posts.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::{BallotId, Contest, Counts, Device, Hours, Phase, ResultsVisibility, Slug, limits};
use bytes::Bytes;
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    header::{
        ACCEPT_LANGUAGE, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING,
        CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
        RETRY_AFTER, SET_COOKIE, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};

use super::{
    InPath, body,
    cast::{self, Submission},
    client::Client,
    page_cache::{self, MadeFrom, PageKey, Rendered, View},
    problem::{Problem, ProblemKind},
    public,
    server::{SharedWorker, Worker},
};
use contests::{LiveContest, StoreAway};

use crate::pages::{
    self, Asset, ConfirmPage, Form, Language, Page, RecordedPage, Refusal, VoterPage,
};

/// `GET /`: the contests that the public may see.
pub(crate) async fn contests(
    State(worker): State<SharedWorker>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let all = worker.app.contests.all();
    let now = worker.app.clock.now();
    let shown = all.iter().filter(|live| live.is_public());
    let shown = shown.map(|live| (&live.slug, &live.contest));
    let html = pages::contests(visitor(&uri, &headers, false), shown, now);
    // As long as the contest that changes next may be kept.
    let hours = all.iter().filter(|live| live.is_public()).map(|live| live.contest.hours);
    let times = hours.flat_map(|hours| [hours.opens_at, hours.closes_at]).flatten();
    let next = times.filter(|time| *time > now).min();
    let kept = page_cache::cache_control(Hours { opens_at: next, closes_at: None }, now);
    with_headers(Rendered::new(html).response(&headers, &kept), None, false, &[])
}

/// `GET /c/{contest}`: the voters' page.
pub(crate) async fn vote(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    voter_page(&worker, &slug, visitor(&uri, &headers, false), &headers).await
}

/// `GET /c/{contest}/embed`: the same page for other sites' frames.
pub(crate) async fn vote_embedded(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    voter_page(&worker, &slug, visitor(&uri, &headers, true), &headers).await
}

/// `POST /c/{contest}`: the voters' page without script. See [`cast_form`].
pub(crate) async fn cast(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Response {
    cast_form(&worker, &slug, request, false).await
}

/// `POST /c/{contest}/embed`: the same in another site's frame.
pub(crate) async fn cast_embedded(
    State(worker): State<SharedWorker>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Response {
    cast_form(&worker, &slug, request, true).await
}

/// A page that is the same for everybody, from memory if it has not changed.
async fn voter_page(worker: &Worker, slug: &str, page: Page, headers: &HeaderMap) -> Response {
    let live = match shown(worker, slug, page).await {
        Ok(live) => live,
        Err(said) => return said,
    };
    let view = if page.embedded { View::VoteEmbedded } else { View::Vote };
    let public_url = worker.app.public_url.as_ref();
    kept_page(worker, &live, page, view, headers, |phase, counts| {
        let shown = VoterPage {
            page,
            contest: &live.slug,
            definition: &live.contest,
            phase,
            results: counts,
            addresses: &worker.app.vote_addresses,
            refusal: None,
            chosen: None,
            public_url,
        };
        shown.render()
    })
    .await
}

/// A page of a contest that is the same for everybody: with its counts, if it shows them.
pub(super) async fn kept_page(
    worker: &Worker,
    live: &Arc<LiveContest>,
    page: Page,
    view: View,
    headers: &HeaderMap,
    render: impl FnOnce(Phase, Option<&Counts>) -> String,
) -> Response {
    let now = worker.app.clock.now();
    let phase = live.contest.hours.phase(now);
    let counts = shown_counts(worker, live).await;
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
    let rendered = worker.pages.get(&key, from, || render(phase, counts.as_deref()));
    let kept = page_cache::cache_control(live.contest.hours, now);
    let mut response = rendered.response(headers, &kept);
    let language = HeaderValue::from_static(page.language.tag);
    response.headers_mut().insert(CONTENT_LANGUAGE, language);
    with_headers(response, Some(&live.contest), page.embedded, &worker.app.vote_addresses)
}

/// The counts, if the contest shows them. A page without results is better than none: the store's
/// failure is logged where it is read. Hidden ones are not even looked at.
async fn shown_counts(worker: &Worker, live: &LiveContest) -> Option<Arc<Counts>> {
    if live.contest.results == ResultsVisibility::Hidden {
        return None;
    }
    let counts = worker.app.counts(&live.slug).await.unwrap_or_else(|error| {
        super::admin::store_error(&error);
        None
    });
    counts.filter(|counts| public::is_visible(live, Some(counts)))
}

/// Takes what a form posted. From the voters' page it has no ballot id, and is answered with one to
/// confirm; with that id a second click and a reload send the same ballot.
async fn cast_form(
    worker: &Worker,
    slug: &str,
    request: Request<Body>,
    embedded: bool,
) -> Response {
    let (parts, request_body) = request.into_parts();
    let headers = &parts.headers;
    let page = visitor(&parts.uri, headers, embedded);
    let live = match shown(worker, slug, page).await {
        Ok(live) => live,
        Err(said) => return said,
    };
    let client = Client::of(&parts.extensions);
    let form = match read_form(headers, request_body).await {
        Ok(form) => form,
        Err(refusal) => return refused_page(worker, &live, page, refusal, None),
    };
    if live.choice(form.choice.as_str()).is_none() {
        return refused_page(worker, &live, page, Refusal::ChoiceUnknown, None);
    }
    // Another site's form could vote for whoever visits it: what it posts is asked about first.
    let Some(id) = form.ballot_id.filter(|_| !is_from_another_site(headers)) else {
        return match closed(worker, &live) {
            Some(refusal) => refused_page(worker, &live, page, refusal, Some(&form.choice)),
            None => confirm_page(worker, &live, page, &form.choice, headers, client),
        };
    };
    let submission = Submission {
        ballot_id: Some(id.to_string().into()),
        choice: form.choice.as_str().into(),
        device: cast::device_of_cookie(headers),
    };
    match cast::record(worker, slug, &submission, headers, client).await {
        Ok(recorded) => {
            let shown = RecordedPage {
                page,
                contest: &live.slug,
                definition: &live.contest,
                choice: &form.choice,
                ballot_id: recorded.ballot_id,
                recorded_at: recorded.recorded_at,
            };
            let response = own_page(StatusCode::CREATED, shown.render(), Some(&live), page);
            let is_secure = worker.app.limits.is_secure(client, headers);
            keeping(response, recorded.new_device, is_secure, page)
        }
        Err(problem) => {
            let refusal = refusal(worker, &problem, &live);
            let mut response = if refusal.keeps_ballot_id() {
                again_page(&live, page, &form.choice, id, refusal)
            } else {
                refused_page(worker, &live, page, refusal, Some(&form.choice))
            };
            response.extensions_mut().insert(problem.kind());
            response
        }
    }
}

/// The choice to confirm, under a new ballot id. The device is fixed here, too: whoever comes back
/// after a lost answer and chooses again is still one voter.
fn confirm_page(
    worker: &Worker,
    live: &LiveContest,
    page: Page,
    choice: &Slug,
    headers: &HeaderMap,
    client: Client,
) -> Response {
    let ballot_id =
        BallotId::new(worker.app.clock.now(), ballot::random_bytes(&*worker.app.entropy));
    let (contest, definition) = (&live.slug, &live.contest);
    let shown = ConfirmPage { page, contest, definition, choice, ballot_id, refusal: None };
    let response = own_page(StatusCode::OK, shown.render(), Some(live), page);
    let known = cast::device_of_cookie(headers);
    let device = known.is_none().then(|| live.key.device_of_ballot(ballot_id));
    keeping(response, device, worker.app.limits.is_secure(client, headers), page)
}

/// The same ballot again, after an outcome that nobody knows.
fn again_page(
    live: &LiveContest,
    page: Page,
    choice: &Slug,
    ballot_id: BallotId,
    refusal: Refusal,
) -> Response {
    let (contest, definition) = (&live.slug, &live.contest);
    let shown =
        ConfirmPage { page, contest, definition, choice, ballot_id, refusal: Some(refusal) };
    own_page(status(refusal), shown.render(), Some(live), page)
}

/// The voters' page with what was wrong.
fn refused_page(
    worker: &Worker,
    live: &LiveContest,
    page: Page,
    refusal: Refusal,
    chosen: Option<&Slug>,
) -> Response {
    let shown = VoterPage {
        page,
        contest: &live.slug,
        definition: &live.contest,
        phase: live.contest.hours.phase(worker.app.clock.now()),
        results: None,
        addresses: &worker.app.vote_addresses,
        refusal: Some(refusal),
        chosen,
        public_url: None,
    };
    let response = own_page(status(refusal), shown.render(), Some(live), page);
    with_headers(response, Some(&live.contest), page.embedded, &worker.app.vote_addresses)
}

/// Lets the browser keep its device.
fn keeping(
    mut response: Response,
    device: Option<Device>,
    is_secure: bool,
    page: Page,
) -> Response {
    if let Some(device) = device {
        let cookie = cast::cookie_of_device(device, is_secure, page.embedded);
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// In which language a visitor reads: what the address asks for, else what the browser does.
pub(super) fn visitor(uri: &Uri, headers: &HeaderMap, embedded: bool) -> Page {
    let query = uri.query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let asked = pairs.find(|(name, _)| name == "lang");
    let asked = asked.and_then(|(_, tag)| Language::of_tag(&tag));
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = asked.unwrap_or_else(|| Language::accepted(accepted.unwrap_or_default()));
    Page { language, by_address: asked.is_some(), embedded }
}

fn is_from_another_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

/// Why a ballot would be refused now by the hours, if it would.
fn closed(worker: &Worker, live: &LiveContest) -> Option<Refusal> {
    match live.contest.hours.phase(worker.app.clock.now()) {
        Phase::Open => None,
        Phase::Draft => Some(Refusal::NotOpenYet),
        Phase::Closed => Some(Refusal::Closed),
    }
}

async fn read_form(headers: &HeaderMap, request_body: Body) -> Result<Form, Refusal> {
    let form = ["application/x-www-form-urlencoded"];
    body::check_content_type(headers, &form).map_err(|_| Refusal::Unreadable)?;
    let bytes = body::read(request_body, limits::BALLOT_BODY_BYTES_MAX).await;
    Form::decode(&bytes.map_err(|_| Refusal::Unreadable)?)
}

fn refusal(worker: &Worker, problem: &Problem, live: &LiveContest) -> Refusal {
    match problem.kind() {
        ProblemKind::UnknownChoice => Refusal::ChoiceUnknown,
        ProblemKind::InvalidBallotId => Refusal::BallotIdInvalid,
        ProblemKind::BallotIdOutOfTime => Refusal::BallotIdOutOfTime,
        ProblemKind::NotOpen => closed(worker, live).unwrap_or(Refusal::Closed),
        ProblemKind::TooManyRequests => Refusal::TooMany,
        _ => Refusal::Unavailable,
    }
}

fn status(refusal: Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// `GET /docs`: the API, to read and to try.
pub(crate) async fn docs() -> Response {
    whole_page(StatusCode::OK, pages::docs())
}

/// `GET /docs/{path}`.
pub(crate) async fn docs_asset(InPath(path): InPath, headers: HeaderMap) -> Response {
    let asset = pages::docs_asset(&path);
    asset.map_or_else(not_found, |asset| file(&asset, "public, max-age=300", &headers))
}

/// `GET /assets/{path}`.
pub(crate) async fn asset(InPath(path): InPath, headers: HeaderMap) -> Response {
    let asset = pages::static_asset(&path);
    let mut response = asset.map_or_else(not_found, |(asset, kept)| file(asset, kept, &headers));
    // Other sites load the element as a module, which a browser does only where it is allowed.
    let any = HeaderValue::from_static("*");
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, any);
    response
}

fn not_found() -> Response {
    Problem::new(ProblemKind::NotFound, "There is no such file.").into_response()
}

fn file(asset: &Asset, kept: &'static str, headers: &HeaderMap) -> Response {
    let gzip = asset.gzip.as_deref().filter(|_| page_cache::accepts_gzip(headers));
    let etag = match gzip {
        Some(_) => format!("{}-gz\"", asset.etag.trim_end_matches('"')),
        None => asset.etag.clone(),
    };
    let mut response = if public::matches(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = gzip.map_or_else(
            || asset.bytes.into_response(),
            |gzip| Bytes::copy_from_slice(gzip).into_response(),
        );
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        if let Some(encoding) = gzip.map(|_| "gzip").or(asset.content_encoding) {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    if asset.gzip.is_some() {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A contest that the public may know of, or the page that says why it is not shown.
pub(super) async fn shown(
    worker: &Worker,
    slug: &str,
    page: Page,
) -> Result<Arc<LiveContest>, Response> {
    match worker.app.contests.public(slug).await {
        Ok(Some(live)) => Ok(live),
        Ok(None) => Err(not_there(page)),
        Err(StoreAway) => {
            let html = pages::not_now(page);
            let mut response = own_page(StatusCode::SERVICE_UNAVAILABLE, html, None, page);
            let seconds = HeaderValue::from(fastrand::u16(1..=4));
            response.headers_mut().insert(RETRY_AFTER, seconds);
            Err(response)
        }
    }
}

pub(super) fn not_there(page: Page) -> Response {
    own_page(StatusCode::NOT_FOUND, pages::not_found(page), None, page)
}

/// A page that no cache keeps: it is one visitor's, or says what is wrong at this moment.
fn own_page(status: StatusCode, html: String, shown: Option<&LiveContest>, page: Page) -> Response {
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
fn with_headers(
    mut response: Response,
    shown: Option<&Contest>,
    embedded: bool,
    addresses: &[String],
) -> Response {
    let headers = response.headers_mut();
    for (name, value) in pages::HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let policy = pages::content_security_policy(shown, embedded, addresses);
    let policy = HeaderValue::try_from(policy).expect("a definition's origins are plain ASCII");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    response
}
