//! Where the cluster is and what is expected of it, as one address that an operator writes.

use std::{
    collections::BTreeMap, fmt, num::NonZeroU8, path::PathBuf, str::FromStr, time::Duration,
};

use crate::ConnectError;

/// How long a connection may take until it can be used.
pub(super) const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// The port of the native protocol where the address names none.
pub(super) const PORT: u16 = 9042;
/// Copies of everything where the address does not say.
const REPLICATION: NonZeroU8 = NonZeroU8::new(3).expect("not zero");
/// What Cassandra takes as a keyspace's name.
const KEYSPACE_BYTES_MAX: usize = 48;

/// How to reach a cluster of Cassandra or ScyllaDB, and what it must keep.
///
/// Read from an address:
/// `cql://[user[:password]@]host[:port][,host[:port]..]/keyspace[?option=value[&..]]`, with `%xx`
/// in the user, the password and the values. An IPv6 host stands in brackets. The options:
///
/// - `replication=3` or `replication=dc1:3,dc2:3`: copies the keyspace must have, at least, in
///   every or in the named datacenters; also what the schema creates. Default 3.
/// - `commitlog=periodic`: a node may acknowledge a write before it is on its disk.
/// - `tls=system` or `tls=/path/to/ca.pem`: encrypted, the nodes' certificates issued by an
///   authority that the system or the file trusts.
/// - `tls_cert=/path/to/cert.pem` and `tls_key=/path/to/key.pem`: the client's own certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct CqlSettings {
    /// `host:port` of the nodes to ask first, at least one; the others are learned from them.
    pub hosts: Vec<String>,
    /// The keyspace that holds the tables.
    pub keyspace: String,
    /// Whom the cluster is to know us as; `None`: nobody.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// Copies that the keyspace must have, at least.
    pub replication: Replication,
    /// The operator accepts that a node acknowledges a write before it is on its disk.
    pub periodic_accepted: bool,
    /// How connections are encrypted; `None`: not at all.
    pub tls: Option<CqlTls>,
}

/// Copies of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replication {
    /// So many in each datacenter.
    Everywhere(NonZeroU8),
    /// So many in each datacenter named.
    Datacenters(BTreeMap<String, NonZeroU8>),
}

/// How connections are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CqlTls {
    /// Who issues the nodes' certificates.
    pub authority: CqlAuthority,
    /// The client's own certificate and its key, as PEM files, where the cluster asks for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Who issues the nodes' certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CqlAuthority {
    /// Whoever the operating system trusts.
    System,
    /// The certificates of this PEM file.
    File(PathBuf),
}

impl fmt::Debug for CqlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CqlSettings")
            .field("hosts", &self.hosts)
            .field("keyspace", &self.keyspace)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "not shown"))
            .field("replication", &self.replication)
            .field("periodic_accepted", &self.periodic_accepted)
            .field("tls", &self.tls)
            .finish()
    }
}

impl FromStr for CqlSettings {
    type Err = ConnectError;

    fn from_str(address: &str) -> Result<Self, ConnectError> {
        // No part of the address is repeated in a message where a password might be part of it.
        let rest = address.strip_prefix("cql://").ok_or_else(|| {
            wrong("the store's address does not begin with cql://, as in cql://host/keyspace")
        })?;
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        // The last '@': one in a password may stand there unescaped.
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(credentials), rest),
            None => (None, rest),
        };
        let (hosts, keyspace) = rest.split_once('/').ok_or_else(|| {
            wrong("the store's address names no keyspace, as in cql://host/keyspace")
        })?;
        let (user, password) = credentials.map_or(Ok((None, None)), read_credentials)?;
        let mut settings = Self {
            hosts: hosts.split(',').map(read_host).collect::<Result<_, _>>()?,
            keyspace: read_keyspace(keyspace)?,
            user,
            password,
            replication: Replication::Everywhere(REPLICATION),
            periodic_accepted: false,
            tls: None,
        };
        settings.read_options(options)?;
        Ok(settings)
    }
}

impl CqlSettings {
    fn read_options(&mut self, options: &str) -> Result<(), ConnectError> {
        let (mut authority, mut cert, mut key) = (None, None, None);
        let mut seen = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if seen.contains(&name) {
                return Err(wrong(&format!("the store's address has the option {name} twice")));
            }
            seen.push(name);
            let value = decode(value)?;
            match (name, value.as_str()) {
                ("replication", value) => self.replication = read_replication(value)?,
                ("commitlog", "periodic") => self.periodic_accepted = true,
                ("commitlog", _) => {
                    return Err(wrong(
                        "the option commitlog of the store's address is periodic, or left out",
                    ));
                }
                ("tls", "system") => authority = Some(CqlAuthority::System),
                ("tls", path) if path.starts_with('/') => {
                    authority = Some(CqlAuthority::File(path.into()));
                }
                ("tls", _) => {
                    return Err(wrong(
                        "the option tls of the store's address is system, or the absolute path of \
                         a PEM file with the authority's certificates",
                    ));
                }
                ("tls_cert", path) if !path.is_empty() => cert = Some(PathBuf::from(path)),
                ("tls_key", path) if !path.is_empty() => key = Some(PathBuf::from(path)),
                _ => {
                    return Err(wrong(&format!(
                        "the store's address has an option {name:?} that says nothing; known are \
                         replication, commitlog, tls, tls_cert and tls_key"
                    )));
                }
            }
        }
        let client = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(wrong("tls_cert and tls_key go together")),
        };
        self.tls = authority.map(|authority| CqlTls { authority, client: client.clone() });
        if self.tls.is_none() && client.is_some() {
            return Err(wrong("tls_cert goes with tls=system or tls=/path/to/ca.pem"));
        }
        Ok(())
    }
}

fn wrong(sentence: &str) -> ConnectError {
    ConnectError::Address(sentence.into())
}

fn read_credentials(text: &str) -> Result<(Option<String>, Option<String>), ConnectError> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(decode(password)?)),
        None => (text, None),
    };
    let user = decode(user)?;
    if user.is_empty() {
        return Err(wrong("the store's address has an '@' but no user before it"));
    }
    Ok((Some(user), password))
}

/// `host:port`, with the port made explicit.
fn read_host(text: &str) -> Result<String, ConnectError> {
    let bad = || {
        let example = "host, host:9042 or [::1]:9042";
        wrong(&format!("{text:?} in the store's address is not a host such as {example}"))
    };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(bad)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
            (format!("[{host}]"), port.strip_prefix(':').or(port.is_empty().then_some("")))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port).filter(|port| !port.is_empty())),
            None => (text.to_owned(), Some("")),
        },
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.is_empty() || !(host.starts_with('[') || host.bytes().all(plain)) {
        return Err(bad());
    }
    let port = match port.ok_or_else(bad)? {
        "" => PORT,
        port if port.starts_with('+') => return Err(bad()),
        port => port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?,
    };
    Ok(format!("{host}:{port}"))
}

fn read_keyspace(text: &str) -> Result<String, ConnectError> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let fits = (1..=KEYSPACE_BYTES_MAX).contains(&text.len());
    if !fits || !text.bytes().all(plain) || !text.as_bytes()[0].is_ascii_lowercase() {
        return Err(wrong(
            "the keyspace in the store's address is not a letter and up to 47 more of a-z, 0-9 \
             and '_'",
        ));
    }
    Ok(text.to_owned())
}

fn read_replication(text: &str) -> Result<Replication, ConnectError> {
    let bad = || {
        wrong(
            "the option replication of the store's address is a number of copies such as 3, or \
             one for each datacenter such as dc1:3,dc2:3",
        )
    };
    let copies = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().map_err(|_| bad()),
        false => Err(bad()),
    };
    if !text.contains(':') {
        return copies(text).map(Replication::Everywhere);
    }
    let mut datacenters = BTreeMap::new();
    for part in text.split(',') {
        let (name, number) = part.split_once(':').ok_or_else(bad)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let taken = datacenters.insert(name.to_owned(), copies(number)?).is_some();
        if name.is_empty() || !name.bytes().all(plain) || taken {
            return Err(bad());
        }
    }
    Ok(Replication::Datacenters(datacenters))
}

/// Text in which `%xx` stands for a byte.
fn decode(text: &str) -> Result<String, ConnectError> {
    let bad = || wrong("in the store's address a '%' is not followed by two hexadecimal digits");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>().ok_or_else(bad)?;
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(bad);
        bytes.push((digit(digits[0])? * 16 + digit(digits[1])?) as u8);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| wrong("the store's address is not text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(address: &str) -> CqlSettings {
        address.parse().unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    #[test]
    fn a_short_address_has_the_defaults() {
        let settings = parse("cql://a.example/landslide");
        let expected = CqlSettings {
            hosts: vec!["a.example:9042".to_owned()],
            keyspace: "landslide".to_owned(),
            user: None,
            password: None,
            replication: Replication::Everywhere(NonZeroU8::new(3).unwrap()),
            periodic_accepted: false,
            tls: None,
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_long_address_is_read_whole() {
        let settings = parse(
            "cql://ann%40x:p%3A%2f:@%25@10.0.0.1,node-2:19042,[::1],[fe80::1]:9/k_1\
             ?replication=dc1:3,dc2:2&commitlog=periodic&tls=/etc/a%20b.pem\
             &tls_cert=/c.pem&tls_key=/k.pem",
        );
        assert_eq!(settings.hosts, ["10.0.0.1:9042", "node-2:19042", "[::1]:9042", "[fe80::1]:9"]);
        assert_eq!(settings.user.as_deref(), Some("ann@x"));
        assert_eq!(settings.password.as_deref(), Some("p:/:@%"));
        let copies = |n| NonZeroU8::new(n).unwrap();
        let datacenters = [("dc1".to_owned(), copies(3)), ("dc2".to_owned(), copies(2))];
        assert_eq!(settings.replication, Replication::Datacenters(datacenters.into()));
        assert!(settings.periodic_accepted);
        let tls = CqlTls {
            authority: CqlAuthority::File("/etc/a b.pem".into()),
            client: Some(("/c.pem".into(), "/k.pem".into())),
        };
        assert_eq!(settings.tls, Some(tls));
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_a_sentence() {
        for bad in [
            "",
            "cql:",
            "cql://",
            "cql://a",
            "cql://a/",
            "cql:///k",
            "cql://a,/k",
            "cql://a:/k",
            "cql://a:0/k",
            "cql://a:+1/k",
            "cql://a:65536/k",
            "cql://a b/k",
            "cql://[::1/k",
            "cql://[::1]9042/k",
            "cql://[dead]/k",
            "cql://@a/k",
            "cql://:secret@a/k",
            "cql://u:%zz@a/k",
            "cql://u:%f@a/k",
            "cql://u:%ff@a/k",
            "cql://a/K",
            "cql://a/1k",
            "cql://a/k-1",
            "cql://a/k;drop",
            "cql://a/k?replication=0",
            "cql://a/k?replication=",
            "cql://a/k?replication=+3",
            "cql://a/k?replication=dc1:3,dc1:2",
            "cql://a/k?replication=dc1:3,2",
            "cql://a/k?replication=d'c:3",
            "cql://a/k?commitlog=group",
            "cql://a/k?tls=on",
            "cql://a/k?tls_cert=/c&tls_key=/k",
            "cql://a/k?tls=system&tls_cert=/c",
            "cql://a/k?unknown=1",
            "cql://a/k?replication=3&replication=3",
            "http://a/k",
        ] {
            let error = bad.parse::<CqlSettings>().expect_err(bad);
            let sentence = error.to_string();
            assert!(matches!(error, ConnectError::Address(_)), "{bad}: {error:?}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
        let long = format!("cql://a/{}", "k".repeat(49));
        long.parse::<CqlSettings>().expect_err(&long);
    }

    #[test]
    fn the_password_is_never_shown() {
        let shown = format!("{:?}", parse("cql://ann:hunter2@a/k"));
        assert!(shown.contains("ann") && !shown.contains("hunter2"), "{shown}");
    }

    fn encode(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02x}")).collect()
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(cql://)?.*") {
            let _ = text.parse::<CqlSettings>();
        }

        #[test]
        fn any_user_and_password_come_back(user in ".+", password in ".*", port in 1_u16..) {
            let address =
                format!("cql://{}:{}@host:{port}/keyspace", encode(&user), encode(&password));
            let settings = parse(&address);
            prop_assert_eq!(settings.user, Some(user));
            prop_assert_eq!(settings.password, Some(password));
            prop_assert_eq!(settings.hosts, [format!("host:{port}")]);
        }
    }
}
