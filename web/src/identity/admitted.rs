//! Whom a call is for, as its handler asks for it: an administrator, one and a contest, one and a
//! contest's counts. Admitted before everything else, so that nobody else learns which contests there
//! are.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use ballot::Counts;
use contests::LiveContest;
use hyper::http::request::Parts;

use super::{
    administrators::{Administrators, Forged, Session},
    bearer::bearer,
    same_site::{Asker, check_intended},
};
use crate::{
    app::App,
    http::{
        client::Client,
        cookies::cookies,
        in_path::InPath,
        problem::{Problem, ProblemKind},
        refusals::{no_counts, unreadable_contest},
    },
    public_results::retitled,
};

/// The cookie. Over TLS its name forbids that another host or a plain connection has set it.
pub(crate) const COOKIE_SECURE: &str = "__Host-landslide-session";
pub(crate) const COOKIE_PLAIN: &str = "landslide-session";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Administrator {
    name: Option<String>,
}

impl Administrator {
    /// For the record: the name given at the sign-in. Nobody has checked it.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("administrator")
    }
}

/// An administrator, and the contest in the path.
#[derive(Clone, Debug)]
pub(crate) struct Managed {
    pub(crate) live: Arc<LiveContest>,
    pub(crate) by: Administrator,
}

/// The contest in the path and its counts row, which is there, for an administrator.
#[derive(Clone, Debug)]
pub(crate) struct ManagedCounts {
    pub(crate) live: Arc<LiveContest>,
    pub(crate) counts: Arc<Counts>,
}

impl<S> FromRequestParts<S> for Administrator
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        admit(&Arc::<App>::from_ref(state), parts)
    }
}

impl<S> FromRequestParts<S> for Managed
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = Arc::<App>::from_ref(state);
        let by = admit(&app, parts)?;
        let InPath(slug) = InPath::from_request_parts(parts, state).await?;
        let live = app.contests.get_fresh(&slug).await.map_err(|away| {
            // An administrator can do something about it.
            let why = app.contests.unreadable();
            why.get(&*slug).map_or_else(|| away.into(), |why| unreadable_contest(why))
        })?;
        Ok(Self { live: live.ok_or_else(Problem::no_such_contest)?, by })
    }
}

impl<S> FromRequestParts<S> for ManagedCounts
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Managed { live, .. } = Managed::from_request_parts(parts, state).await?;
        let counts = Arc::<App>::from_ref(state).counts(&live.slug).await?;
        let counts = retitled(counts.ok_or_else(no_counts)?, &live);
        Ok(Self { live, counts })
    }
}

/// Refuses whoever is not an administrator. Before everything else, so that nobody else learns
/// which contests there are.
pub(crate) fn admit(app: &App, parts: &Parts) -> Result<Administrator, Problem> {
    let Some(administrators) = &app.administrators else { return Err(unauthorized(NO_TOKEN)) };
    if let Some(token) = bearer(&parts.headers) {
        let is_right = look_at_token(app, parts, || administrators.is_token(token))?;
        return if is_right {
            Ok(Administrator { name: None })
        } else {
            Err(unauthorized(TOKEN_NEEDED))
        };
    }
    match session_of(app, administrators, parts) {
        Ok(Some(session)) => {
            check_intended(&session, parts, asker(app, parts))?;
            Ok(Administrator { name: session.name })
        }
        // A page that was left open over night is no attempt at guessing.
        Ok(None) if cookie(app, parts).is_some() => {
            Err(unauthorized("The session is over. Sign in again."))
        }
        // Nor is a question without anything.
        Ok(None) => Err(unauthorized(TOKEN_NEEDED)),
        Err(Forged) => {
            look_at_token(app, parts, || false)?;
            Err(unauthorized(TOKEN_NEEDED))
        }
    }
}

const TOKEN_NEEDED: &str = "The administrator's token is needed: Authorization: Bearer <token>.";
pub(crate) const NO_TOKEN: &str =
    "This node has no administrator's token; set LANDSLIDE_ADMIN_TOKEN and start it again.";

/// A refusal of whoever is not an administrator.
pub(crate) fn unauthorized(detail: &str) -> Problem {
    Problem::new(ProblemKind::Unauthorized, detail)
}

/// Whether a token is right, unless too many wrong ones have come from there.
pub(crate) fn look_at_token(
    app: &App,
    parts: &Parts,
    is_right: impl FnOnce() -> bool,
) -> Result<bool, Problem> {
    let client = Client::of(&parts.extensions);
    Ok(app.limits.look_at_token(client, &parts.headers, app.clock.moment(), is_right)?)
}

/// Which page made the browser ask.
pub(crate) fn asker(app: &App, parts: &Parts) -> Asker {
    app.asker(Client::of(&parts.extensions), &parts.headers, &parts.uri)
}

/// The session of the request's cookie, if it has one.
pub(crate) fn session_of(
    app: &App,
    administrators: &Administrators,
    parts: &Parts,
) -> Result<Option<Session>, Forged> {
    let Some(value) = cookie(app, parts) else { return Ok(None) };
    administrators.read(value, app.clock.now())
}

/// Whether the administrator's connection is encrypted.
pub(crate) fn is_secure(app: &App, parts: &Parts) -> bool {
    app.limits.is_secure(Client::of(&parts.extensions), &parts.headers)
}

fn cookie<'a>(app: &App, parts: &'a Parts) -> Option<&'a str> {
    let name = if is_secure(app, parts) { COOKIE_SECURE } else { COOKIE_PLAIN };
    cookies(&parts.headers, name).next()
}
