//! The ballot that the voters' page posts where there is no script.

use axum::{body::Body, extract::State, response::Response};
use ballot::{BallotId, Device, Phase, Slug, limits, random_bytes};
use contests::LiveContest;
use hyper::{
    HeaderMap, Request, StatusCode,
    header::{HeaderValue, SET_COOKIE},
};

use super::{
    served::{own_page, shown},
    visitor::visitor,
};
use crate::{
    api::record::{Submission, record},
    app::App,
    http::{
        body,
        client::Client,
        cookies::{cookie_of_device, cookies, crossing, device_of_cookie},
        in_path::InPath,
        problem::{Problem, ProblemKind},
    },
    identity::{
        form_token::{form_token, is_form_token},
        same_site::Asker,
    },
    pages::{
        confirm::{ConfirmPage, RecordedPage},
        form::Form,
        message,
        page::Page,
        refusal::Refusal,
        refused::refused,
        subject::first_counts,
        voted::Voted,
    },
    worker::Worker,
};

/// The cookie that says which vote of this browser counts; see [`Voted`].
const VOTED: &str = "voted";
/// A contest and its aftermath: 30 days.
const VOTED_KEPT_S: u32 = 30 * 24 * 3_600;

/// `POST /c/{contest}`: the voters' page without script. See [`cast_form`].
pub(crate) async fn cast(
    State(worker): State<Worker>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Response {
    cast_form(&worker, &slug, request, false).await
}

/// `POST /c/{contest}/embed`: the same in another site's frame.
pub(crate) async fn cast_embedded(
    State(worker): State<Worker>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Response {
    cast_form(&worker, &slug, request, true).await
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
    let live = match shown(&worker.app, slug, page).await {
        Ok(live) => live,
        Err(said) => return said,
    };
    let (app, client) = (&worker.app, Client::of(&parts.extensions));
    if app.is_over_plain_http(client, headers) {
        return not_ours(app, &live, page, ProblemKind::PlainHttp);
    }
    // Another site's form could vote for whoever visits it.
    let asker = app.asker(client, headers, &parts.uri);
    if asker == Asker::Other {
        return not_ours(app, &live, page, ProblemKind::CrossSite);
    }
    let form = match read_form(headers, request_body).await {
        Ok(form) => form,
        Err(refusal) => return refused_page(&live, page, refusal),
    };
    if live.choice(form.choice.as_str()).is_none() {
        return refused_page(&live, page, Refusal::ChoiceUnknown);
    }
    let voted = voted_before(headers, &live);
    let is_secure = app.limits.is_secure(client, headers);
    let device = device_of_cookie(headers, is_secure);
    // Without an id nothing is recorded yet: the voter is asked.
    let Some(id) = form.ballot_id else {
        let choice = &form.choice;
        return match closed(app, &live) {
            Some(refusal) => refused_page(&live, page, refusal),
            None => confirm_page(app, &live, page, choice, device, voted.as_ref(), is_secure),
        };
    };
    let is_for_voter = |given: &str| is_form_token(given, token_of(&live, id, device));
    if asker != Asker::Own && !form.token.as_deref().is_some_and(is_for_voter) {
        return not_ours(app, &live, page, ProblemKind::CrossSite);
    }
    let submission = Submission {
        ballot_id: Some(id.to_string().into()),
        choice: form.choice.as_str().into(),
        device,
    };
    match record(worker, slug, &submission, headers, client).await {
        Ok(recorded) => {
            let shown = RecordedPage {
                page,
                contest: &live.slug,
                definition: &live.contest,
                choice: &form.choice,
                ballot_id: recorded.ballot_id,
                recorded_at: recorded.recorded_at,
                first: voted.as_ref().filter(|voted| voted.choice != form.choice),
            };
            let response = own_page(StatusCode::CREATED, shown.render(), Some(&live), page);
            let response = keeping(response, recorded.new_device, is_secure, page);
            if voted.is_some() || !first_counts(live.contest.policy) {
                return response;
            }
            let (ballot_id, recorded_at) = (recorded.ballot_id, recorded.recorded_at);
            let voted = Voted { choice: form.choice, ballot_id, recorded_at };
            remembering(response, &voted, &live, is_secure, page)
        }
        Err(problem) => {
            let refusal = refusal(app, &problem, &live);
            let mut response = if refusal.keeps_ballot_id() {
                again_page(&live, page, &form.choice, (id, device), refusal)
            } else {
                refused_page(&live, page, refusal)
            };
            response.extensions_mut().insert(problem.kind());
            response
        }
    }
}

/// The choice to confirm, under a new ballot id. The device is fixed here, too: whoever comes back
/// after a lost answer and chooses again is still one voter.
fn confirm_page(
    app: &App,
    live: &LiveContest,
    page: Page,
    choice: &Slug,
    known: Option<Device>,
    voted: Option<&Voted>,
    is_secure: bool,
) -> Response {
    let ballot_id = BallotId::new(app.clock.now(), random_bytes(&*app.entropy));
    let (contest, definition, refusal) = (&live.slug, &live.contest, None);
    let derived = known.is_none().then(|| live.key.device_of_ballot(ballot_id));
    let token = token_of(live, ballot_id, known);
    let first = voted.map(|voted| &voted.choice).filter(|voted| *voted != choice);
    let shown = ConfirmPage { page, contest, definition, choice, ballot_id, token, refusal, first };
    let response = own_page(StatusCode::OK, shown.render(), Some(live), page);
    keeping(response, derived, is_secure, page)
}

/// The token of a ballot and of its device: the voter's own, else the one derived from it.
fn token_of(live: &LiveContest, ballot_id: BallotId, device: Option<Device>) -> blake3::Hash {
    let device = device.unwrap_or_else(|| live.key.device_of_ballot(ballot_id));
    form_token(&live.key, ballot_id, device)
}

/// What was posted did not come from a page of the contest's: the way to that page, and nothing is
/// recorded.
fn not_ours(app: &App, live: &LiveContest, page: Page, kind: ProblemKind) -> Response {
    // Over plain HTTP the page's own host would be the wrong way again.
    let origin = app.public_url.as_ref().filter(|_| kind == ProblemKind::PlainHttp);
    let html = message::not_ours(page, &live.slug, &live.contest.title, origin);
    let mut response = own_page(kind.status(), html, Some(live), page);
    response.extensions_mut().insert(kind);
    response
}

/// The same ballot again, after an outcome that nobody knows.
fn again_page(
    live: &LiveContest,
    page: Page,
    choice: &Slug,
    (ballot_id, device): (BallotId, Option<Device>),
    refusal: Refusal,
) -> Response {
    let (contest, definition) = (&live.slug, &live.contest);
    let token = token_of(live, ballot_id, device);
    let (status, refusal, first) = (status(refusal), Some(refusal), None);
    let shown = ConfirmPage { page, contest, definition, choice, ballot_id, token, refusal, first };
    own_page(status, shown.render(), Some(live), page)
}

/// What was wrong, and the way back.
fn refused_page(live: &LiveContest, page: Page, refusal: Refusal) -> Response {
    let html = refused(page, &live.slug, &live.contest, refusal);
    own_page(status(refusal), html, Some(live), page)
}

/// The vote of this browser that counts, where the first one does, as far as it says.
fn voted_before(headers: &HeaderMap, live: &LiveContest) -> Option<Voted> {
    if !first_counts(live.contest.policy) {
        return None;
    }
    let edition = live.contest.edition.as_deref()?;
    cookies(headers, VOTED).find_map(|value| Voted::read(value, edition, &live.contest))
}

/// Lets the browser keep which vote counts, for this contest's pages alone: no ballot carries it.
fn remembering(
    mut response: Response,
    voted: &Voted,
    live: &LiveContest,
    is_secure: bool,
    page: Page,
) -> Response {
    let Some(edition) = &live.contest.edition else { return response };
    let place = crossing(is_secure, page.embedded);
    let (value, slug) = (voted.write(edition), &live.slug);
    let cookie = format!("{VOTED}={value}; Path=/c/{slug}; Max-Age={VOTED_KEPT_S}; {place}");
    let cookie = HeaderValue::try_from(cookie).expect("slugs, ids and numbers are ASCII");
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

/// Lets the browser keep its device.
fn keeping(
    mut response: Response,
    device: Option<Device>,
    is_secure: bool,
    page: Page,
) -> Response {
    if let Some(device) = device {
        let cookie = cookie_of_device(device, is_secure, page.embedded);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Why a ballot would be refused now by the hours, if it would.
fn closed(app: &App, live: &LiveContest) -> Option<Refusal> {
    match live.contest.hours.phase(app.clock.now()) {
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

fn refusal(app: &App, problem: &Problem, live: &LiveContest) -> Refusal {
    match problem.kind() {
        ProblemKind::UnknownChoice => Refusal::ChoiceUnknown,
        ProblemKind::InvalidBallotId => Refusal::BallotIdInvalid,
        ProblemKind::BallotIdOutOfTime => Refusal::BallotIdOutOfTime,
        ProblemKind::NotOpen => closed(app, live).unwrap_or(Refusal::Closed),
        ProblemKind::TooManyRequests => Refusal::TooMany,
        _ => Refusal::Unavailable,
    }
}

fn status(refusal: Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
