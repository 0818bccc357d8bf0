//! Settings as plain data: every one has a flag, an environment variable and a key in the file,
//! in that order of precedence.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ballot::limits::QUEUE_BALLOTS_DEFAULT;
use clap::Args;
use ipnet::IpNet;
use serde::Deserialize;

use web::{PublicUrl, Roles};

use crate::stores::StoreAddress;

mod values;
pub(crate) use values::NODE_NAME_BYTES_MAX;
use values::{AddressList, NetList, NodeName, RoleList};
pub use values::{LogFormat, Span};

/// Characters of the administrator's token, at least. Whoever draws 16 hexadecimal digits by chance has
/// 64 bits; the limits on guessing see to the rest.
pub(crate) const ADMIN_TOKEN_CHARS_MIN: usize = 16;
/// A node that is told to end does so within 30 s: up to 5 s for the last commits, this, and up to 5 s
/// for replies under way.
const DRAIN_MAX: Duration = Duration::from_secs(15);

/// The command line's own part: where the file is, and the settings.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeOptions {
    /// Settings in TOML; its keys are the long flags with _ for -
    #[arg(long, env = "LANDSLIDE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    settings: Options,
}

/// Where the ballots are, for commands that need nothing else: the same flags, variables and keys, so
/// that a node's own file serves them too.
#[derive(Args, Clone, Debug, Default)]
pub struct StoreOptions {
    /// A node's settings in TOML, for where its store is
    #[arg(long, env = "LANDSLIDE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of an embedded store on which no node is running, short for --store embedded:DIR
    /// [default: landslide-data]
    #[arg(long, env = "LANDSLIDE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the ballots are: embedded:DIR, cql://host,host/keyspace or dynamodb://region/prefix
    #[arg(long, env = "LANDSLIDE_STORE", value_name = "STORE", hide_env_values = true)]
    store: Option<StoreAddress>,
    /// The password for the store's cluster, better given by its environment variable
    #[arg(long, env = "LANDSLIDE_STORE_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    store_password: Option<String>,
    /// A file that holds that password, instead of it
    #[arg(long, env = "LANDSLIDE_STORE_PASSWORD_FILE", value_name = "FILE")]
    store_password_file: Option<PathBuf>,
}

impl StoreOptions {
    /// Reads the file, if one is named, and decides.
    pub fn address(self) -> Result<StoreAddress, SettingsError> {
        let Self { config, data, store, store_password, store_password_file } = self;
        let flags =
            Options { data, store, store_password, store_password_file, ..Options::default() };
        let decided = flags.or(Options::from_file(config.as_deref())?);
        decided.store()
    }
}

/// Declares the settings once: their flags, variables and keys, and how two sources are merged.
macro_rules! options {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty, $env:literal, $value:literal;)+) => {
        /// Settings of one source; what is absent is for the next source to say.
        #[derive(Args, Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Options {
            $($(#[doc = $doc])+
            // Help is pasted into tickets: it names a variable, and never says what is in it.
            #[arg(long, env = $env, value_name = $value, hide_env_values = true)]
            $name: Option<$kind>,)+
        }

        impl Options {
            fn or(self, mut other: Self) -> Self {
                // Two ways to say one thing: whoever says it in one has said it.
                if self.data.is_some() || self.store.is_some() {
                    (other.data, other.store) = (None, None);
                }
                if self.admin_token.is_some() || self.admin_token_file.is_some() {
                    (other.admin_token, other.admin_token_file) = (None, None);
                }
                if self.store_password.is_some() || self.store_password_file.is_some() {
                    (other.store_password, other.store_password_file) = (None, None);
                }
                Self { $($name: self.$name.or(other.$name),)+ }
            }
        }
    };
}

options! {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8080]
    listen: SocketAddr, "LANDSLIDE_LISTEN", "ADDR";
    /// Where operators have a listener of their own, with health, metrics, console and the
    /// administrators' calls, which the public's then does not have; it speaks TLS if that does
    /// [default: none, all on one]
    operator_listen: SocketAddr, "LANDSLIDE_OPERATOR_LISTEN", "ADDR";
    /// The folder of the embedded store, short for --store embedded:DIR [default: landslide-data]
    data: PathBuf, "LANDSLIDE_DATA", "DIR";
    /// Where ballots are kept: embedded:DIR, cql://host,host/keyspace or dynamodb://region/prefix
    store: StoreAddress, "LANDSLIDE_STORE", "STORE";
    /// The password for the store's cluster, better given by its environment variable
    store_password: String, "LANDSLIDE_STORE_PASSWORD", "PASSWORD";
    /// A file that holds that password, instead of it
    store_password_file: PathBuf, "LANDSLIDE_STORE_PASSWORD_FILE", "FILE";
    /// This node's name among all that share the store [default: made of host, address and port]
    node: NodeName, "LANDSLIDE_NODE", "NAME";
    /// Batches that a worker may have on their way to the store at once [default: 2 embedded, 16
    /// on a cluster]
    commits_in_flight_max: usize, "LANDSLIDE_COMMITS_IN_FLIGHT_MAX", "N";
    /// What this node does: intake, tally, admin, separated by commas [default: all]
    roles: RoleList, "LANDSLIDE_ROLES", "ROLES";
    /// The administrator's token of at least 16 characters, better given by its environment
    /// variable than by this flag; without one nobody is an administrator
    admin_token: String, "LANDSLIDE_ADMIN_TOKEN", "TOKEN";
    /// A file that holds that token, instead of it
    admin_token_file: PathBuf, "LANDSLIDE_ADMIN_TOKEN_FILE", "FILE";
    /// Certificate chain in PEM; with it the node speaks HTTPS
    tls_certificate: PathBuf, "LANDSLIDE_TLS_CERTIFICATE", "FILE";
    /// The certificate's private key in PEM
    tls_key: PathBuf, "LANDSLIDE_TLS_KEY", "FILE";
    /// Where the public finds this site, such as https://vote.example: for QR codes and link
    /// previews [default: QR codes take it from the request, and there are no link previews]
    public_url: PublicUrl, "LANDSLIDE_PUBLIC_URL", "URL";
    /// A font (TrueType or OpenType) for titles on image cards in letters other than Latin, Greek,
    /// Cyrillic, Arabic and Hebrew; needs the feature card
    card_font: PathBuf, "LANDSLIDE_CARD_FONT", "FILE";
    /// Networks whose X-Forwarded-For and X-Forwarded-Proto are believed, separated by commas
    /// [default: none]
    trusted_proxies: NetList, "LANDSLIDE_TRUSTED_PROXIES", "NETS";
    /// Networks of balancers whose connections begin with a PROXY header (version 2 or 1), all of
    /// them, before TLS; not on the operators' listener [default: none]
    proxy_protocol: NetList, "LANDSLIDE_PROXY_PROTOCOL", "NETS";
    /// All addresses under which voters reach this service, such as
    /// https://vote.example,https://vote2.example: a page sends to the next when one does not answer
    /// [default: the page's own alone]
    vote_addresses: AddressList, "LANDSLIDE_VOTE_ADDRESSES", "URLS";
    /// Ballots a second from one network (/24 of IPv4, /56 of IPv6) [default: 500]
    ballots_per_second: u32, "LANDSLIDE_BALLOTS_PER_SECOND", "N";
    /// Ballots at once from one network [default: 5000]
    ballots_burst: u32, "LANDSLIDE_BALLOTS_BURST", "N";
    /// Limit direct peers on the loopback too [default: false]
    limit_loopback: bool, "LANDSLIDE_LIMIT_LOOPBACK", "BOOL";
    /// Worker threads [default: one a processor but one, which is left to the committer and the
    /// tally]
    threads: usize, "LANDSLIDE_THREADS", "N";
    /// Open connections; more wait in the kernel's backlog [default: 50000]
    connections_max: usize, "LANDSLIDE_CONNECTIONS_MAX", "N";
    /// Open connections of one network (/24 of IPv4, /56 of IPv6); more are closed at once. Those of
    /// trusted_proxies and of the loopback are not counted [default: a quarter of connections_max]
    connections_per_network_max: usize, "LANDSLIDE_CONNECTIONS_PER_NETWORK_MAX", "N";
    /// Open streams of results; more get 503 and ask now and then instead [default: 20000]
    streams_max: usize, "LANDSLIDE_STREAMS_MAX", "N";
    /// Ballots that may wait for a commit; more get 503 at once [default: 50000]
    queue_ballots_max: usize, "LANDSLIDE_QUEUE_BALLOTS_MAX", "N";
    /// When the tally counts, a cron expression with seconds [default: "*/2 * * * * *"]
    tally_schedule: String, "LANDSLIDE_TALLY_SCHEDULE", "CRON";
    /// How long a node that was told to end goes on answering, not ready any more, before it
    /// closes its connections; 15s at most [default: 1s]
    drain: Span, "LANDSLIDE_DRAIN", "TIME";
    /// Log level: error, warn, info, debug, trace; also by module, as in info,tally=debug
    /// [default: info,fjall=warn,lsm_tree=warn,scylla=warn,aws=warn,usvg=error]
    log: String, "LANDSLIDE_LOG", "LEVEL";
    /// Logs as text or json [default: text]
    log_format: LogFormat, "LANDSLIDE_LOG_FORMAT", "FORMAT";
}

/// Everything a node needs to know, decided.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the options above say what each means")]
pub struct Settings {
    pub listen: SocketAddr,
    pub operator_listen: Option<SocketAddr>,
    pub store: StoreAddress,
    pub node: Option<String>,
    pub commits_in_flight_max: Option<usize>,
    pub roles: Roles,
    pub admin_token: Option<String>,
    pub tls: Option<(PathBuf, PathBuf)>,
    pub public_url: Option<PublicUrl>,
    pub card_font: Option<PathBuf>,
    pub trusted_proxies: Vec<IpNet>,
    pub proxy_protocol: Vec<IpNet>,
    pub vote_addresses: Vec<String>,
    pub ballots_per_second: u32,
    pub ballots_burst: u32,
    pub limit_loopback: bool,
    pub threads: usize,
    pub connections_max: usize,
    pub connections_per_network_max: usize,
    pub streams_max: usize,
    pub queue_ballots_max: usize,
    pub tally_schedule: String,
    pub drain: Duration,
    pub log: String,
    pub log_format: LogFormat,
}

/// A mistake in the settings, a sentence for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl ServeOptions {
    /// Reads the file, if one is named, and decides every setting.
    pub fn settings(self) -> Result<Settings, SettingsError> {
        let file = Options::from_file(self.config.as_deref())?;
        self.settings.or(file).decide()
    }
}

impl Options {
    /// What the file says; nothing, if there is none.
    fn from_file(path: Option<&Path>) -> Result<Self, SettingsError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let wrong =
            |error: &dyn std::fmt::Display| SettingsError(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        toml::from_str(&text).map_err(|error| wrong(&error))
    }

    /// One store of the two ways to say it.
    fn store(&self) -> Result<StoreAddress, SettingsError> {
        let mut store = match (&self.store, &self.data) {
            (None, Some(data)) => StoreAddress::Embedded(data.clone()),
            (None, None) => StoreAddress::Embedded("landslide-data".into()),
            (Some(store), None) => store.clone(),
            (Some(store), Some(data)) => {
                let text = format!(
                    "data ({}) and store ({store}) both say where ballots are kept: give one",
                    data.display()
                );
                return Err(SettingsError(text));
            }
        };
        let (said, file) = (self.store_password.as_deref(), self.store_password_file.as_deref());
        if let Some(password) = secret("store_password", said, file)? {
            store.set_password(password).map_err(SettingsError)?;
        }
        Ok(store)
    }

    fn decide(self) -> Result<Settings, SettingsError> {
        let store = self.store()?;
        let tls = match (self.tls_certificate, self.tls_key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                let text = "tls_certificate and tls_key go together: give both or neither";
                return Err(SettingsError(text.into()));
            }
        };
        let (said, file) = (self.admin_token.as_deref(), self.admin_token_file.as_deref());
        let admin_token = secret("admin_token", said, file)?;
        let token_chars = admin_token.as_ref().map(|token| token.trim().chars().count());
        if let Some(chars) = token_chars.filter(|chars| *chars < ADMIN_TOKEN_CHARS_MIN) {
            return Err(SettingsError(format!(
                "the administrator's token has {chars} characters and needs at least \
                 {ADMIN_TOKEN_CHARS_MIN}: a shorter one can be guessed; make one with \
                 `openssl rand -hex 24`"
            )));
        }
        let drain = self.drain.map_or(Duration::from_secs(1), |span| span.0);
        if drain > DRAIN_MAX {
            let most = DRAIN_MAX.as_secs();
            let text = format!("drain: {most}s at most, for a node ends within 30 s");
            return Err(SettingsError(text));
        }
        let connections_max = self.connections_max.unwrap_or(50_000).max(1);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Settings {
            listen: self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            operator_listen: self.operator_listen,
            store,
            node: self.node.map(|name| name.0),
            commits_in_flight_max: self.commits_in_flight_max,
            roles: self.roles.map_or(Roles::ALL, |roles| roles.0),
            admin_token: admin_token.map(|token| token.trim().to_owned()),
            tls,
            public_url: self.public_url,
            card_font: self.card_font,
            trusted_proxies: self.trusted_proxies.map_or_else(Vec::new, |nets| nets.0),
            proxy_protocol: self.proxy_protocol.map_or_else(Vec::new, |nets| nets.0),
            vote_addresses: self.vote_addresses.map_or_else(Vec::new, |list| list.0),
            ballots_per_second: self.ballots_per_second.unwrap_or(500),
            ballots_burst: self.ballots_burst.unwrap_or(5_000),
            limit_loopback: self.limit_loopback.unwrap_or(false),
            threads: self.threads.unwrap_or(processors - 1).clamp(1, 1_024),
            connections_max,
            connections_per_network_max: self
                .connections_per_network_max
                .unwrap_or(connections_max.div_ceil(4))
                .max(1),
            streams_max: self.streams_max.unwrap_or(20_000),
            queue_ballots_max: self.queue_ballots_max.unwrap_or(QUEUE_BALLOTS_DEFAULT).max(1),
            tally_schedule: self.tally_schedule.unwrap_or_else(|| "*/2 * * * * *".into()),
            drain,
            log: self.log.unwrap_or_else(|| {
                "info,fjall=warn,lsm_tree=warn,scylla=warn,aws=warn,usvg=error".into()
            }),
            log_format: self.log_format.unwrap_or(LogFormat::Text),
        })
    }
}

/// A secret that is said, or lies in a file. An end of line is not part of it.
fn secret(
    name: &str,
    said: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<String>, SettingsError> {
    match (said, file) {
        (Some(_), Some(_)) => {
            Err(SettingsError(format!("{name} and {name}_file both say it: give one")))
        }
        (None, Some(path)) => {
            let wrong = |why: &dyn std::fmt::Display| {
                SettingsError(format!("{name}_file, {}: {why}", path.display()))
            };
            let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
            let secret = text.trim_end_matches(['\r', '\n']);
            if secret.is_empty() { Err(wrong(&"it is empty")) } else { Ok(Some(secret.to_owned())) }
        }
        (said, None) => Ok(said.map(str::to_owned)),
    }
}

impl Settings {
    /// Everything on, on a free port of the loopback.
    pub fn for_testing(data: PathBuf) -> Self {
        let options = Options {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            data: Some(data),
            admin_token: Some("a token for tests".into()),
            threads: Some(2),
            drain: Some(Span(Duration::ZERO)),
            ..Options::default()
        };
        options.decide().expect("these settings have no mistake")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Options {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_first_source_that_says_it_decides() {
        let flags = options("listen = '127.0.0.1:1'");
        let file =
            options("listen = '127.0.0.1:2'\ndata = '/d'\nroles = 'tally, admin'\ndrain = '9s'");
        let settings = flags.or(file).decide().unwrap();
        assert_eq!(settings.listen.port(), 1);
        assert_eq!(settings.store.to_string(), "embedded:/d");
        assert_eq!(settings.roles, Roles { intake: false, tally: true, admin: true });
        assert_eq!(settings.drain, Duration::from_secs(9));
    }

    #[test]
    fn a_store_that_is_said_in_one_way_is_not_said_by_the_file_in_the_other() {
        let file = "store = 'embedded:/file'\nadmin_token = 'sixteen letters!'";
        let folder = options("data = '/flag'").or(options(file)).decide().unwrap().store;
        assert_eq!(folder.to_string(), "embedded:/flag");
    }

    #[test]
    fn a_secret_may_lie_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let with = |text: &str| {
            std::fs::write(&path, text).unwrap();
            options(&format!("admin_token_file = '{}'", path.display())).decide()
        };
        let token = with("a token of a file\n").unwrap().admin_token;
        assert_eq!(token.as_deref(), Some("a token of a file"));
        assert!(with("").is_err() && with("\n").is_err() && with("too short\n").is_err());
        // Whoever says it in one way has said it, whatever a later source says in the other.
        std::fs::write(&path, "a token of a file\n").unwrap();
        let file = format!("admin_token_file = '{}'", path.display());
        let said = options("admin_token = 'a token that is said'").or(options(&file));
        assert_eq!(said.decide().unwrap().admin_token.as_deref(), Some("a token that is said"));
        assert!(options(&format!("{file}\nadmin_token = 'sixteen letters!'")).decide().is_err());
        assert!(options("store_password_file = '/nowhere'").decide().is_err());
    }

    #[test]
    fn mistakes_are_said() {
        for text in [
            "colour = 1",
            "listen = 'here'",
            "roles = 'everything'",
            "trusted_proxies = '10.0.0.0/99'",
            "vote_addresses = 'https://vote.example/'",
            "drain = '5'",
            "log_format = 'xml'",
            "node = 'A node'",
            "store = 'somewhere'",
            "public_url = 'vote.example'",
        ] {
            assert!(toml::from_str::<Options>(text).is_err(), "{text}");
        }
        assert!(options("data = 'a'\nstore = 'embedded:b'").decide().is_err());
        assert!(options("store_password = 'a'").decide().is_err());
        assert!(options("tls_key = 'k'").decide().is_err());
        assert!(options("drain = '16s'").decide().is_err());
        for short in [" ", "secret", "fifteen letters", " fifteen letters "] {
            let decided = options(&format!("admin_token = '{short}'")).decide();
            assert!(decided.unwrap_err().to_string().contains("at least 16"), "{short}");
        }
        assert!(options("admin_token = 'schlüssel مفتاح x'").decide().is_ok());
        let nets = options("trusted_proxies = '10.0.0.0/8, ::1'").decide().unwrap().trusted_proxies;
        assert_eq!(nets.len(), 2);
    }
}
