//! Signing in and out of the console.

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use ballot::limits;
use hyper::{
    Request,
    header::{HeaderValue, SET_COOKIE},
    http::request::Parts,
};

use crate::{
    app::App,
    http::{
        body,
        members::members,
        problem::{Problem, ProblemKind},
        reply::json,
    },
    identity::{
        administrators::{SESSION_SECONDS, Session},
        admitted::{
            COOKIE_PLAIN, COOKIE_SECURE, NO_TOKEN, asker, is_secure, look_at_token, session_of,
            unauthorized,
        },
        same_site::{check_console, check_intended},
    },
    shapes::{
        problem::ProblemBody,
        sessions::{SessionBody, SignIn},
    },
};

/// Characters of the name that an administrator signs in under.
const NAME_CHARS_MAX: usize = 64;

/// Exchanges the administrator's token for a session: a cookie that no script can read.
#[utoipa::path(
    post, path = "/admin/session", tag = "administrators", request_body = SignIn,
    responses(
        (status = 200, description = "Signed in, with the cookie set", body = SessionBody),
        (status = 401, description = "Not the token", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "Sent by another site's page", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many attempts from one address", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, request_body) = request.into_parts();
    check_console(asker(&app, &parts))?;
    body::check_content_type(&parts.headers, &["application/json"])?;
    let bytes = body::read(request_body, limits::BALLOT_BODY_BYTES_MAX).await?;
    let wanted: SignIn = members(&bytes)?;
    let name = wanted.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    if name.is_some_and(|name| {
        name.chars().count() > NAME_CHARS_MAX || name.contains(char::is_control)
    }) {
        let detail = format!("The name must be plain text of at most {NAME_CHARS_MAX} characters.");
        return Err(Problem::new(ProblemKind::InvalidMember, detail).field("name"));
    }
    let Some(administrators) = &app.administrators else {
        return Err(unauthorized(NO_TOKEN));
    };
    // Over the limit, a right guess is not told from a wrong one.
    if !look_at_token(&app, &parts, || administrators.is_token(wanted.token.trim()))? {
        tracing::warn!("a sign-in with a wrong token was refused");
        return Err(unauthorized("This is not the administrator's token."));
    }
    let value = administrators.start(name, app.clock.now(), &*app.entropy);
    let session = administrators.read(&value, app.clock.now()).unwrap_or_default();
    let mut response = json(&body_of(session));
    set_cookie(&mut response, &value, SESSION_SECONDS, is_secure(&app, &parts));
    Ok(response)
}

/// Whether there is a session. 200 in either case, so that a page may ask without an error.
#[utoipa::path(
    get, path = "/admin/session", tag = "administrators",
    responses((status = 200, description = "Signed in or not", body = SessionBody))
)]
pub(crate) async fn look(State(app): State<Arc<App>>, parts: Parts) -> Response {
    let administrators = app.administrators.as_ref();
    let found = administrators.map(|known| session_of(&app, known, &parts));
    json(&body_of(found.and_then(Result::ok).flatten()))
}

/// Signs out of this browser.
#[utoipa::path(
    delete, path = "/admin/session", tag = "administrators",
    responses(
        (status = 200, description = "Signed out, the cookie is gone", body = SessionBody),
        (status = 403, description = "Sent by another site's page", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn sign_out(
    State(app): State<Arc<App>>,
    parts: Parts,
) -> Result<Response, Problem> {
    let administrators = app.administrators.as_ref();
    if let Some(Ok(Some(session))) = administrators.map(|known| session_of(&app, known, &parts)) {
        check_intended(&session, &parts, asker(&app, &parts))?;
    }
    let mut response = json(&body_of(None));
    set_cookie(&mut response, "", 0, is_secure(&app, &parts));
    Ok(response)
}

fn set_cookie(response: &mut Response, value: &str, seconds: i64, is_secure: bool) {
    let (name, secure) = if is_secure { (COOKIE_SECURE, "; Secure") } else { (COOKIE_PLAIN, "") };
    let cookie =
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::try_from(cookie).expect("digits and letters are a header value");
    response.headers_mut().insert(SET_COOKIE, cookie);
}

fn body_of(session: Option<Session>) -> SessionBody {
    let Some(session) = session else {
        return SessionBody { signed_in: false, name: None, csrf: None, expires_at: None };
    };
    SessionBody {
        signed_in: true,
        name: session.name,
        csrf: Some(session.csrf),
        expires_at: Some(session.expires_at.to_string()),
    }
}
