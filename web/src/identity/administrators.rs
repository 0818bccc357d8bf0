//! The administrator's token, and the sessions that it is exchanged for.
//!
//! A session is its cookie. It says until when it holds and under which name its owner signed in,
//! signed with a key derived from the administrator's token. So every node that has the token
//! knows the session, none stores it, and a new token ends them all. What changes something also
//! needs the session's second secret in a header, which only the console's own script can read.

use ballot::{Entropy, Timestamp, random_bytes};

/// How long a session lasts: a long evening in the control room, and not the next one.
pub(crate) const SESSION_SECONDS: i64 = 12 * 3_600;
const KEY_CONTEXT: &str = "landslide 2026-11-24 administrator's session";

/// What makes somebody an administrator of this node.
#[derive(Clone)]
pub(crate) struct Administrators {
    token_hash: blake3::Hash,
    key: [u8; 32],
}

/// A session, read from its cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) expires_at: Timestamp,
    pub(crate) name: Option<String>,
    /// Its second secret, as hexadecimal digits of a hash.
    pub(crate) csrf: String,
}

impl Administrators {
    /// Whoever has this token.
    pub(crate) fn new(token: &str) -> Self {
        Self {
            token_hash: blake3::hash(token.as_bytes()),
            key: blake3::derive_key(KEY_CONTEXT, token.as_bytes()),
        }
    }

    /// Whether this is the token.
    pub(crate) fn is_token(&self, token: &str) -> bool {
        // `blake3::Hash` compares in constant time.
        blake3::hash(token.as_bytes()) == self.token_hash
    }

    /// A new session's cookie value.
    pub(crate) fn start(
        &self,
        name: Option<&str>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> String {
        let expires = now.as_micros() / 1_000_000 + SESSION_SECONDS;
        let chance = hex(&random_bytes::<16>(entropy));
        let payload = format!("{expires}.{chance}.{}", hex(name.unwrap_or_default().as_bytes()));
        let signature = self.sign("session", &payload).to_hex();
        format!("{payload}.{signature}")
    }

    /// The session of a cookie's value. `Ok(None)`: it was one, and is over.
    pub(crate) fn read(&self, value: &str, now: Timestamp) -> Result<Option<Session>, Forged> {
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
pub(crate) struct Forged;

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
}
