//! Who is an administrator: the token itself, or a session that it was exchanged for.
//!
//! A session is its cookie. It says until when it holds and under which name its owner signed in,
//! signed with a key derived from the administrator's token. So every node that has the token
//! knows the session, none stores it, and a new token ends them all. What changes something also
//! needs the session's second secret in a header, which only the console's own script can read.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::{Entropy, Timestamp, limits};
use hyper::{
    HeaderMap, Method, Request, Uri,
    header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN, SET_COOKIE},
    http::request::Parts,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    body,
    client::Client,
    cookies, json,
    openapi::ProblemBody,
    problem::{Problem, ProblemKind},
    server::{SharedWorker, Worker},
};

/// How long a session lasts: a long evening in the control room, and not the next one.
const SESSION_SECONDS: i64 = 12 * 3_600;
/// Characters of the name that an administrator signs in under.
const NAME_CHARS_MAX: usize = 64;
/// The header with the session's second secret.
const CSRF_HEADER: &str = "x-csrf-token";
/// The cookie. Over TLS its name forbids that another host or a plain connection has set it.
const COOKIE_SECURE: &str = "__Host-landslide-session";
const COOKIE_PLAIN: &str = "landslide-session";
const KEY_CONTEXT: &str = "landslide 2026-11-24 administrator's session";

/// What makes somebody an administrator of this node.
#[derive(Clone)]
pub(crate) struct Administrators {
    token_hash: blake3::Hash,
    key: [u8; 32],
}

/// A session, read from its cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    expires_at: Timestamp,
    name: Option<String>,
    csrf: String,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Administrator {
    name: Option<String>,
}

impl Administrator {
    /// For the record: the name given at the sign-in. Nobody has checked it.
    pub(crate) fn by(&self) -> &str {
        self.name.as_deref().unwrap_or("administrator")
    }
}

impl Administrators {
    pub(crate) fn new(token: &str) -> Self {
        Self {
            token_hash: blake3::hash(token.as_bytes()),
            key: blake3::derive_key(KEY_CONTEXT, token.as_bytes()),
        }
    }

    fn is_token(&self, token: &str) -> bool {
        // `blake3::Hash` compares in constant time.
        blake3::hash(token.as_bytes()) == self.token_hash
    }

    /// A new session's cookie value.
    fn start(&self, name: Option<&str>, now: Timestamp, entropy: &dyn Entropy) -> String {
        let expires = now.as_micros() / 1_000_000 + SESSION_SECONDS;
        let chance = hex(&ballot::random_bytes::<16>(entropy));
        let payload = format!("{expires}.{chance}.{}", hex(name.unwrap_or_default().as_bytes()));
        let signature = self.sign("session", &payload).to_hex();
        format!("{payload}.{signature}")
    }

    /// The session of a cookie's value. `Ok(None)`: it was one, and is over.
    fn read(&self, value: &str, now: Timestamp) -> Result<Option<Session>, Forged> {
        let (payload, signature) = value.rsplit_once('.').ok_or(Forged)?;
        let signature = blake3::Hash::from_hex(signature).map_err(|_| Forged)?;
        if self.sign("session", payload) != signature {
            return Err(Forged);
        }
        let mut parts = payload.split('.');
        let expires: i64 = parts.next().and_then(|text| text.parse().ok()).ok_or(Forged)?;
        let name = parts.nth(1).and_then(unhex).ok_or(Forged)?;
        let expires_at = Timestamp::from_micros(expires.saturating_mul(1_000_000));
        if now >= expires_at {
            return Ok(None);
        }
        let csrf = self.sign("csrf", payload).to_hex().to_string();
        Ok(Some(Session { expires_at, name: Some(name).filter(|name| !name.is_empty()), csrf }))
    }

    fn sign(&self, purpose: &str, payload: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.key, format!("{purpose}:{payload}").as_bytes())
    }
}

/// A cookie that no node of this token has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forged;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<String> {
    let digits = text.as_bytes().as_chunks::<2>();
    if !digits.1.is_empty() {
        return None;
    }
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    String::from_utf8(digits.0.iter().map(byte).collect::<Option<_>>()?).ok()
}

/// The bearer's token, if there is one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    // Not `to_str`, which is for ASCII: a token may have any letters.
    let value = str::from_utf8(headers.get(AUTHORIZATION)?.as_bytes()).ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Refuses whoever is not an administrator. Before everything else, so that nobody else learns
/// which contests there are.
pub(crate) fn admit(worker: &Worker, parts: &Parts) -> Result<Administrator, Problem> {
    let Some(administrators) = &worker.app.administrators else {
        count_refused(worker, parts)?;
        return Err(unauthorized(NO_TOKEN));
    };
    if let Some(token) = bearer(&parts.headers) {
        if administrators.is_token(token) {
            return Ok(Administrator { name: None });
        }
        count_refused(worker, parts)?;
        return Err(unauthorized(TOKEN_NEEDED));
    }
    match session(worker, administrators, parts) {
        Ok(Some(session)) => {
            check_intended(&session, parts)?;
            Ok(Administrator { name: session.name })
        }
        // A page that was left open over night is no attempt at guessing.
        Ok(None) if cookie(worker, parts).is_some() => {
            Err(unauthorized("The session is over. Sign in again."))
        }
        Ok(None) | Err(Forged) => {
            count_refused(worker, parts)?;
            Err(unauthorized(TOKEN_NEEDED))
        }
    }
}

const TOKEN_NEEDED: &str = "The administrator's token is needed: Authorization: Bearer <token>.";
const NO_TOKEN: &str =
    "This node has no administrator's token; set LANDSLIDE_ADMIN_TOKEN and start it again.";

fn unauthorized(detail: &str) -> Problem {
    Problem::new(ProblemKind::Unauthorized, detail)
}

fn count_refused(worker: &Worker, parts: &Parts) -> Result<(), Problem> {
    worker.app.limits.check_refused_login(Client::of(&parts.extensions), &parts.headers)
}

fn session(
    worker: &Worker,
    administrators: &Administrators,
    parts: &Parts,
) -> Result<Option<Session>, Forged> {
    let Some(value) = cookie(worker, parts) else { return Ok(None) };
    administrators.read(value, worker.app.clock.now())
}

fn is_secure(worker: &Worker, parts: &Parts) -> bool {
    worker.app.limits.is_secure(Client::of(&parts.extensions), &parts.headers)
}

fn cookie<'a>(worker: &Worker, parts: &'a Parts) -> Option<&'a str> {
    let name = if is_secure(worker, parts) { COOKIE_SECURE } else { COOKIE_PLAIN };
    cookies(&parts.headers, name).next()
}

/// A browser sends the cookie also where another site made it send the request. What changes
/// something must come from the console's own script.
fn check_intended(session: &Session, parts: &Parts) -> Result<(), Problem> {
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return Ok(());
    }
    check_origin(&parts.headers, &parts.uri)?;
    let given = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    let given = given.and_then(|text| blake3::Hash::from_hex(text).ok());
    // Compared as hashes are, in constant time.
    if given.is_some() && given == blake3::Hash::from_hex(&session.csrf).ok() {
        return Ok(());
    }
    let detail = "With a session, a change needs the X-CSRF-Token that GET /admin/session tells.";
    Err(Problem::new(ProblemKind::CrossSite, detail))
}

/// Whether a page of another site made the browser ask, as far as the browser says so.
fn check_origin(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_own = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host =
                text(HOST.as_str()).or(uri.authority().map(hyper::http::uri::Authority::as_str));
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == host
        }
        // No browser.
        (None, None) => true,
    };
    if is_own {
        return Ok(());
    }
    let detail = "Another site's page has sent this. Use the console at /admin.";
    Err(Problem::new(ProblemKind::CrossSite, detail))
}

/// What an administrator signs in with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The administrator's token.
    token: String,
    /// Who it is, for the audit entries; up to 64 characters. Nobody checks it.
    name: Option<String>,
}

/// A session, as the console's script needs it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    signed_in: bool,
    /// The name given at the sign-in.
    name: Option<String>,
    /// What a change must carry as X-CSRF-Token.
    csrf: Option<String>,
    /// RFC 3339.
    expires_at: Option<String>,
}

impl SessionBody {
    fn of(session: Option<Session>) -> Self {
        let Some(session) = session else {
            return Self { signed_in: false, name: None, csrf: None, expires_at: None };
        };
        Self {
            signed_in: true,
            name: session.name,
            csrf: Some(session.csrf),
            expires_at: Some(session.expires_at.to_string()),
        }
    }
}

/// Exchanges the administrator's token for a session: a cookie that no script can read.
#[utoipa::path(
    post, path = "/admin/session", tag = "administrators", request_body = SignIn,
    responses(
        (status = 200, description = "Signed in, with the cookie set", body = SessionBody),
        (status = 401, description = "Not the token", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "Sent by another site's page", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many attempts from one network", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn sign_in(
    State(worker): State<SharedWorker>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, request_body) = request.into_parts();
    check_origin(&parts.headers, &parts.uri)?;
    body::check_content_type(&parts.headers, &["application/json"])?;
    let bytes = body::read(request_body, limits::BALLOT_BODY_BYTES_MAX).await?;
    let wanted: SignIn = super::cast::members(&bytes)?;
    let name = wanted.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    if name.is_some_and(|name| {
        name.chars().count() > NAME_CHARS_MAX || name.contains(char::is_control)
    }) {
        let detail = format!("The name must be plain text of at most {NAME_CHARS_MAX} characters.");
        return Err(Problem::new(ProblemKind::InvalidMember, detail).field("name"));
    }
    let Some(administrators) = &worker.app.administrators else {
        return Err(unauthorized(NO_TOKEN));
    };
    // Every attempt counts, and before it is looked at: over the limit, a right guess is not told
    // from a wrong one.
    count_refused(&worker, &parts)?;
    if !administrators.is_token(wanted.token.trim()) {
        tracing::warn!("a sign-in with a wrong token was refused");
        return Err(unauthorized("This is not the administrator's token."));
    }
    let value = administrators.start(name, worker.app.clock.now(), &*worker.app.entropy);
    let session = administrators.read(&value, worker.app.clock.now()).unwrap_or_default();
    let mut response = json(&SessionBody::of(session));
    set_cookie(&mut response, &value, SESSION_SECONDS, is_secure(&worker, &parts));
    Ok(response)
}

/// Whether there is a session. 200 in either case, so that a page may ask without an error.
#[utoipa::path(
    get, path = "/admin/session", tag = "administrators",
    responses((status = 200, description = "Signed in or not", body = SessionBody))
)]
pub(crate) async fn look(State(worker): State<SharedWorker>, parts: Parts) -> Response {
    let administrators = worker.app.administrators.as_ref();
    let found = administrators.map(|known| session(&worker, known, &parts));
    json(&SessionBody::of(found.and_then(Result::ok).flatten()))
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
    State(worker): State<SharedWorker>,
    parts: Parts,
) -> Result<Response, Problem> {
    let administrators = worker.app.administrators.as_ref();
    if let Some(Ok(Some(session))) = administrators.map(|known| session(&worker, known, &parts)) {
        check_intended(&session, &parts)?;
    }
    let mut response = json(&SessionBody::of(None)).into_response();
    set_cookie(&mut response, "", 0, is_secure(&worker, &parts));
    Ok(response)
}

fn set_cookie(response: &mut Response, value: &str, seconds: i64, is_secure: bool) {
    let (name, secure) = if is_secure { (COOKIE_SECURE, "; Secure") } else { (COOKIE_PLAIN, "") };
    let cookie =
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::try_from(cookie).expect("digits and letters are a header value");
    response.headers_mut().insert(SET_COOKIE, cookie);
}

impl std::fmt::Debug for Administrators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Administrators")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_464_000_000_000);

    /// A counter: never the same twice.
    struct Counted(std::sync::atomic::AtomicU8);

    impl Entropy for Counted {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    static ENTROPY: Counted = Counted(std::sync::atomic::AtomicU8::new(0));

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_micros(NOW.as_micros() + seconds * 1_000_000)
    }

    #[test]
    fn a_session_holds_on_every_node_of_the_token_until_it_ends() {
        let (a, b) = (Administrators::new("token"), Administrators::new("token"));
        let cookie = a.start(Some("Zoë, studio 2"), NOW, &ENTROPY);
        let session = b.read(&cookie, seconds(SESSION_SECONDS - 1)).unwrap().unwrap();
        assert_eq!(session.name.as_deref(), Some("Zoë, studio 2"));
        assert_eq!(a.read(&cookie, NOW).unwrap().unwrap().csrf, session.csrf);
        assert_eq!(a.read(&cookie, seconds(SESSION_SECONDS)), Ok(None));
        assert_eq!(Administrators::new("token 2").read(&cookie, NOW), Err(Forged));
        let another = a.start(None, NOW, &ENTROPY);
        let another = a.read(&another, NOW).unwrap().unwrap();
        assert_eq!(another.name, None);
        assert_ne!(another.csrf, session.csrf);
    }

    #[test]
    fn no_byte_of_a_session_can_be_changed() {
        let administrators = Administrators::new("token");
        let cookie = administrators.start(Some("a"), NOW, &ENTROPY);
        for at in 0..cookie.len() {
            let mut bytes = cookie.clone().into_bytes();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(administrators.read(&changed, NOW), Err(Forged), "{changed}");
        }
        // The second secret is no session, though the same key made it.
        let (payload, _) = cookie.rsplit_once('.').unwrap();
        let csrf = administrators.read(&cookie, NOW).unwrap().unwrap().csrf;
        assert_eq!(administrators.read(&format!("{payload}.{csrf}"), NOW), Err(Forged));
        for bad in ["", ".", "1.2.3.4", "....", "9999999999.00.", &"é".repeat(40)] {
            assert_eq!(administrators.read(bad, NOW), Err(Forged), "{bad}");
        }
    }

    #[test]
    fn another_sites_page_is_told_apart() {
        let uri: Uri = "/admin/session".parse().unwrap();
        let check = |headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            check_origin(&map, &uri).is_ok()
        };
        let host = ("host", "vote.example:8080");
        assert!(check(&[host]) && check(&[]));
        assert!(check(&[host, ("origin", "https://vote.example:8080")]));
        assert!(check(&[host, ("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "none", ""] {
            let own = ("origin", "https://vote.example:8080");
            assert!(!check(&[host, own, ("sec-fetch-site", site)]), "{site}");
        }
        for origin in ["null", "https://vote.example", "https://evil.example", "vote.example:8080"]
        {
            assert!(!check(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(!check(&[("origin", "https://vote.example")]), "no host to compare with");
        let http2: Uri = "https://vote.example/admin/session".parse().unwrap();
        let mut map = HeaderMap::new();
        map.insert("origin", "https://vote.example".parse().unwrap());
        assert!(check_origin(&map, &http2).is_ok());
    }
}
