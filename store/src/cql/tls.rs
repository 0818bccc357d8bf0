//! TLS to the nodes, in front of the driver.
//!
//! The driver's own TLS brings rustls with aws-lc, beside the ring that the rest of the program
//! uses, and a program with both must say at each use which it means. So the driver speaks plainly
//! to a listener of ours on the loopback interface, one for each node, and what it says goes on
//! encrypted. The listeners take connections of the user that we run as, and nobody else's.

use std::{
    collections::HashMap,
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use rustls::{
    AlertDescription, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use scylla::{
    errors::TranslationError,
    policies::address_translator::{AddressTranslator, UntranslatedPeer},
};
use tokio::{
    io::{AsyncReadExt, copy_bidirectional},
    net::{TcpListener, TcpStream, lookup_host},
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use super::settings::{CONNECTION_TIMEOUT, CqlAuthority, CqlSettings, CqlTls, PORT};
use crate::ConnectError;

/// How long a connection that has failed is asked whether the node has said why.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(200);

/// The tunnels to all nodes. They end when this is dropped.
pub(super) struct Tunnels {
    connector: TlsConnector,
    failures: Arc<Failures>,
    /// Names that certificates must be for; where there is none, for the address.
    names: HashMap<IpAddr, String>,
    hosts: Vec<SocketAddr>,
    open: Mutex<Open>,
}

/// Why connections failed: the driver only sees that they did.
#[derive(Default)]
struct Failures {
    last: Mutex<Option<Arc<str>>>,
    /// What a node said of our certificate, or of there being none.
    of_certificate: Mutex<Option<AlertDescription>>,
}

#[derive(Default)]
struct Open {
    /// The listener of each node.
    listeners: HashMap<SocketAddr, SocketAddr>,
    tasks: JoinSet<()>,
}

impl Tunnels {
    /// Reads the certificates, and looks up where the hosts of the settings are.
    pub(super) async fn new(
        settings: &CqlSettings,
        tls: &CqlTls,
    ) -> Result<Arc<Self>, ConnectError> {
        let config = config(tls)?;
        let (mut names, mut hosts) = (HashMap::new(), Vec::new());
        for host in &settings.hosts {
            let found = lookup_host(host).await.map_err(|error| {
                ConnectError::Unavailable(format!("{host} is not found: {error}").into())
            })?;
            let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
            for address in found {
                hosts.push(address);
                names.insert(address.ip(), name.trim_matches(['[', ']']).to_owned());
            }
        }
        let connector = TlsConnector::from(Arc::new(config));
        let (failures, open) = (Arc::default(), Mutex::default());
        Ok(Arc::new(Self { connector, failures, names, hosts, open }))
    }

    /// What the driver's failure to connect is, with what it does not know.
    pub(super) fn not_connected(&self, tls: &CqlTls, error: ConnectError) -> ConnectError {
        let sentence = match (*self.failures.of_certificate.lock(), &tls.client) {
            (Some(alert), Some((certificate, _))) => format!(
                "the nodes do not take the certificate {} (their word: {alert:?})",
                certificate.display()
            ),
            (Some(alert), None) if alert != AlertDescription::InternalError => format!(
                "the nodes ask for a client's certificate; name one by \
                 tls_cert=/path/to/cert.pem&tls_key=/path/to/key.pem (their word: {alert:?})"
            ),
            _ => {
                return match (error, &*self.failures.last.lock()) {
                    (ConnectError::Unavailable(reason), Some(last)) => {
                        ConnectError::Unavailable(format!("{reason}; encrypted: {last}").into())
                    }
                    (error, _) => error,
                };
            }
        };
        ConnectError::Address(sentence.into())
    }

    /// Where the driver finds the hosts of the settings.
    pub(super) async fn contact_points(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let mut points = Vec::new();
        for host in &self.hosts {
            let point = self.tunnel(*host).await;
            points
                .push(point.map_err(|error| ConnectError::Unavailable(error.to_string().into()))?);
        }
        Ok(points)
    }

    /// The listener whose connections end at the node.
    async fn tunnel(&self, node: SocketAddr) -> io::Result<SocketAddr> {
        if let Some(listener) = self.open.lock().listeners.get(&node) {
            return Ok(*listener);
        }
        let name = self.names.get(&node.ip()).cloned().unwrap_or_else(|| node.ip().to_string());
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let here = listener.local_addr()?;
        let mut open = self.open.lock();
        // Where two have come here at the same time, the second's listener is closed again.
        if let Some(listener) = open.listeners.get(&node) {
            return Ok(*listener);
        }
        open.listeners.insert(node, here);
        let route = Route {
            node,
            name,
            connector: self.connector.clone(),
            failures: Arc::clone(&self.failures),
        };
        open.tasks.spawn(accept(listener, here, route));
        Ok(here)
    }
}

#[async_trait]
impl AddressTranslator for Tunnels {
    async fn translate_address(
        &self,
        node: &UntranslatedPeer,
    ) -> Result<SocketAddr, TranslationError> {
        // The driver has a node's port from its own connection: that of a tunnel. Nodes of one
        // cluster listen on one port, but for those that the settings know better.
        let ip = node.untranslated_address().ip();
        let known = self.hosts.iter().find(|host| host.ip() == ip).or(self.hosts.first());
        let port = known.map_or(PORT, SocketAddr::port);
        self.tunnel(SocketAddr::new(ip, port))
            .await
            .map_err(|error| TranslationError::IoError(Arc::new(error)))
    }
}

fn config(tls: &CqlTls) -> Result<ClientConfig, ConnectError> {
    let wrong = |sentence: String| ConnectError::Address(sentence.into());
    let mut roots = RootCertStore::empty();
    match &tls.authority {
        CqlAuthority::System => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(wrong("tls=system, but the system trusts no authority".to_owned()));
            }
        }
        CqlAuthority::File(path) => {
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| wrong(format!("{}: {error}", path.display())))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &tls.client else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(certificate)?;
    let unreadable = |error: &dyn std::fmt::Display| wrong(format!("{}: {error}", key.display()));
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(&error))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| unreadable(&error))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let wrong = |reason: String| {
        ConnectError::Address(format!("the certificates of {}: {reason}", path.display()).into())
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() { Err(wrong("there is none".to_owned())) } else { Ok(certificates) }
}

/// Where a tunnel's connections go.
#[derive(Clone)]
struct Route {
    node: SocketAddr,
    name: ServerName<'static>,
    connector: TlsConnector,
    failures: Arc<Failures>,
}

/// Takes connections for a node, until dropped with the [`Tunnels`].
async fn accept(listener: TcpListener, here: SocketAddr, route: Route) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) if is_ours(from, here) => {
                    connections.spawn(forward(stream, route.clone()));
                }
                Ok((_, from)) => {
                    tracing::warn!(%from, "somebody else's connection to our tunnel is refused");
                }
                // Out of file descriptors: wait for some to be closed.
                Err(error) => {
                    let node = route.node;
                    tracing::warn!(%error, %node, "no connection to a node is taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Forwards a connection until one side ends it. The driver sees every failure as its connection
/// being closed, and connects again; its own limits end what takes too long.
async fn forward(mut from: TcpStream, route: Route) {
    let Route { node, name, connector, failures } = route;
    let done = async {
        from.set_nodelay(true)?;
        let encrypted = async {
            let stream = TcpStream::connect(node).await?;
            stream.set_nodelay(true)?;
            connector.connect(name, stream).await
        };
        // A handshake that hangs is not to outlive the driver's patience.
        let mut stream = tokio::time::timeout(CONNECTION_TIMEOUT, encrypted).await??;
        let Err(error) = copy_bidirectional(&mut from, &mut stream).await else { return Ok(()) };
        // A node that takes no certificate says so after the handshake, and closes: what breaks
        // first may be the next thing that we write.
        let said = tokio::time::timeout(LAST_WORDS_TIMEOUT, stream.read(&mut [0])).await;
        Err(said.ok().and_then(Result::err).filter(|said| alert(said).is_some()).unwrap_or(error))
    };
    let done: io::Result<()> = done.await;
    if let Err(error) = done {
        tracing::warn!(%error, %node, "a connection to a node failed");
        failures.note(&error);
    }
}

impl Failures {
    fn note(&self, error: &io::Error) {
        use AlertDescription as A;
        if let Some(
            alert @ (A::CertificateRequired
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            // What TLS 1.2 has for a certificate that is required.
            | A::HandshakeFailure
            // What Cassandra 5 has for a certificate of an authority that it does not know.
            | A::InternalError),
        ) = alert(error)
        {
            *self.of_certificate.lock() = Some(alert);
        }
        *self.last.lock() = Some(error.to_string().into());
    }
}

/// What the other side has ended the connection with.
fn alert(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref() {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    }
}

/// Whether the other end of a connection to `here` belongs to the user that we run as.
#[cfg(target_os = "linux")]
fn is_ours(from: SocketAddr, here: SocketAddr) -> bool {
    fs::read_to_string("/proc/self/net/tcp")
        .is_ok_and(|table| owner(&table, from, here) == Some(rustix::process::geteuid().as_raw()))
}

/// The user of the socket from `local` to `remote` in the kernel's table.
#[cfg(target_os = "linux")]
fn owner(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let column = |address: SocketAddr| match address.ip() {
        // As the kernel has it in memory, which is not the order of the network.
        IpAddr::V4(ip) => {
            format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port())
        }
        IpAddr::V6(_) => String::new(),
    };
    let (local, remote) = (column(local), column(remote));
    table.lines().find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let ends = (columns.next()?, columns.next()?);
        (ends == (local.as_str(), remote.as_str())).then(|| columns.nth(4)?.parse().ok())?
    })
}

/// Elsewhere the kernel does not tell; there, others on the same machine must be trusted.
#[cfg(not(target_os = "linux"))]
fn is_ours(_: SocketAddr, _: SocketAddr) -> bool {
    true
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_of_ours_is_known_by_its_user() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let here = listener.local_addr().unwrap();
        let client = TcpStream::connect(here).await.unwrap();
        let (_accepted, from) = listener.accept().await.unwrap();
        assert_eq!(from, client.local_addr().unwrap());
        assert!(is_ours(from, here));
        // One that is not in the table is nobody's.
        assert!(!is_ours(here, SocketAddr::new(from.ip(), 1)));
    }

    #[test]
    fn the_owner_is_read_from_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 1 1\n\
            \x20  1: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 2 1\n";
        let (client, here) =
            ("127.0.0.1:49153".parse().unwrap(), "127.0.0.1:8080".parse().unwrap());
        if cfg!(target_endian = "little") {
            assert_eq!(owner(table, client, here), Some(1_000));
            assert_eq!(owner(table, here, client), Some(0));
        }
        assert_eq!(owner(table, here, here), None);
    }
}
