//! What everybody may read: a contest's definition, and its results where it shows them.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::{Counts, Timestamp};
use bytes::Bytes;
use contests::LiveContest;
use futures_util::stream;
use hyper::{
    HeaderMap, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    },
};
use serde::Serialize;

use crate::{
    app::App,
    http::{
        conditions::matches,
        cors,
        in_path::InPath,
        problem::{Problem, ProblemKind},
        refusals::no_counts,
        reply::json,
    },
    public_results,
    shapes::{
        contests::{PublicContestBody, State as ContestState},
        counts::ResultsBody,
        problem::ProblemBody,
        standing::TimeBody,
    },
};

/// How long caches keep a contest's state: with it, the refresh and the pages' own pause a change is seen
/// within 15 s. A cache that serves millions asks for it twice in that time.
const STATE_AGE_S: u64 = 2;

/// A contest's public definition.
#[utoipa::path(
    get, path = "/v1/contests/{contest}", tag = "public",
    responses(
        (status = 200, description = "The definition", body = PublicContestBody),
        (status = 304, description = "Not changed since the ETag"),
        (status = 404, description = "No such contest, a draft without hours, or one that the \
            public is not to know of yet",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn contest(
    State(app): State<Arc<App>>,
    InPath(slug): InPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let live = app.contests.public(&slug).await?;
    let live = live.ok_or_else(Problem::no_such_contest)?;
    let etag = live.etag().to_string();
    // Short: a close by hand and a change of title must be seen soon.
    Ok(kept_json(&headers, &etag, live.public.clone(), "public, max-age=5"))
}

/// What a page that stays open asks for every few seconds: whether anything is otherwise than it shows.
/// Scripts of any site may read it; it is the same for everybody.
#[utoipa::path(
    get, path = "/v1/contests/{contest}/state", tag = "public",
    responses(
        (status = 200, description = "How it stands", body = ContestState),
        (status = 304, description = "Not changed since the ETag"),
        (status = 404, description = "No such contest, a draft without hours, or one that the \
            public is not to know of yet",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn state(
    State(app): State<Arc<App>>,
    InPath(slug): InPath,
    headers: HeaderMap,
) -> Response {
    let mut response = match app.contests.public(&slug).await {
        Ok(Some(live)) => state_of(&live, app.clock.now(), &headers),
        Ok(None) => Problem::no_such_contest().into_response(),
        Err(away) => Problem::from(away).into_response(),
    };
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn state_of(live: &LiveContest, now: Timestamp, headers: &HeaderMap) -> Response {
    let state = serde_json::to_vec(&ContestState::of(live, now));
    let body = Bytes::from(state.expect("a state has only string keys"));
    let etag = format!("\"{}\"", &blake3::hash(&body).to_hex()[..16]);
    // Never past an opening or a close that is known: the answer is another then.
    let times = [live.hours.opens_at, live.hours.closes_at].into_iter().flatten();
    let next = times.filter(|time| *time > now).min();
    let left_s = next.map_or(STATE_AGE_S, |next| next.since(now).as_secs());
    let kept = format!("public, max-age={}", left_s.min(STATE_AGE_S));
    kept_json(headers, &etag, body, &kept)
}

/// JSON that caches keep, or that the client has it already.
fn kept_json(asked: &HeaderMap, etag: &str, body: Bytes, kept: &str) -> Response {
    let mut response = if matches(asked, etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], body).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::try_from(etag).expect("digits in quotes"));
    headers.insert(CACHE_CONTROL, HeaderValue::try_from(kept).expect("words and numbers"));
    response
}

/// What time it is by the server's clock, which the hours are decided by. A page that caches keep
/// cannot say it.
#[utoipa::path(
    get, path = "/v1/time", tag = "public",
    responses((status = 200, description = "Now", body = TimeBody))
)]
pub(crate) async fn time(State(app): State<Arc<App>>) -> Response {
    json(&Time { now: app.clock.now() })
}

#[derive(Serialize)]
struct Time {
    now: Timestamp,
}

/// The results, where the contest shows them.
#[utoipa::path(
    get, path = "/v1/contests/{contest}/results", tag = "public",
    responses(
        (status = 200, description = "The counts as far as they go", body = ResultsBody),
        (status = 403, description = "Hidden, or not final yet", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "No such contest, or no counts yet", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn results(
    State(app): State<Arc<App>>,
    InPath(slug): InPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let live = public_contest(&app, &slug).await?;
    Ok(for_embedders(results_of(&app, &live).await, &live, &headers))
}

async fn results_of(app: &App, live: &Arc<LiveContest>) -> Result<Response, Problem> {
    let counts = visible(app, live).await?;
    let encoded = app.streams.encoded(counts.ok_or_else(no_counts)?, live);
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=1")];
    Ok((headers, encoded.json()).into_response())
}

/// The same as server-sent events named `counts`, one whenever the counts change.
#[utoipa::path(
    get, path = "/v1/contests/{contest}/results/stream", tag = "public",
    responses(
        (status = 200, description = "Events named counts", content_type = "text/event-stream",
            body = ResultsBody),
        (status = 403, description = "Hidden, or not final yet", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, description = "As many streams are open as this node serves: come back, or \
            ask for the results now and then", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn results_stream(
    State(app): State<Arc<App>>,
    InPath(slug): InPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let live = public_contest(&app, &slug).await?;
    Ok(for_embedders(stream_of(&app, &live).await, &live, &headers))
}

async fn stream_of(app: &App, live: &LiveContest) -> Result<Response, Problem> {
    visible(app, live).await?;
    let viewer = app.streams.subscribe(&live.slug).ok_or_else(|| {
        let detail = "As many streams are open as this node serves. Come back, or ask for the \
                      results now and then.";
        Problem::new(ProblemKind::Overloaded, detail)
    })?;
    // The events come as bytes that all viewers share; a writer of events would write them anew
    // for each.
    let events = stream::unfold(viewer, |mut viewer| async move {
        let event = viewer.next().await?;
        Some((Ok::<_, Infallible>(event), viewer))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // nginx gathers a response before it passes it on, unless told otherwise.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

async fn public_contest(app: &App, slug: &str) -> Result<Arc<LiveContest>, Problem> {
    app.contests.public(slug).await?.ok_or_else(Problem::no_such_contest)
}

/// Scripts of the sites that may frame the contest may read its results, too, without credentials.
fn for_embedders(
    reply: Result<Response, Problem>,
    live: &LiveContest,
    asked: &HeaderMap,
) -> Response {
    let mut response = reply.into_response();
    cors::allow(response.headers_mut(), asked, &live.contest.embed_origins);
    response
}

/// The contest's counts, if the public may see them now.
async fn visible(app: &App, live: &LiveContest) -> Result<Option<Arc<Counts>>, Problem> {
    let counts = app.counts(&live.slug).await?;
    if !public_results::is_visible(live, counts.as_deref()) {
        return Err(Problem::new(
            ProblemKind::ResultsHidden,
            "The results of this contest are not shown now.",
        ));
    }
    Ok(counts)
}
