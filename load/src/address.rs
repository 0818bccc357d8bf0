//! Where a node is, and the way there: TCP, with TLS where the URL says `https`.

use std::{io, path::Path, sync::Arc};

use anyhow::{Context, bail, ensure};
use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    },
};

use crate::endpoints::{Endpoints, Resolve, SystemResolver};

/// A node's address, read from a URL. Its host may have several: two balancers behind one name.
#[derive(Clone)]
pub struct Address {
    /// The URL without a trailing slash.
    pub url: String,
    /// Host and port as the `Host` header has them.
    pub authority: String,
    /// What stands before `/v1`, empty mostly.
    pub prefix: String,
    endpoints: Arc<Endpoints>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Which certificates are trusted.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// What the system trusts.
    System,
    /// The certificates in this file (PEM), and no others.
    File(&'a Path),
    /// Any. For tests with certificates of one's own.
    Anything,
}

impl Address {
    /// Reads `http://host:port` or `https://host:port`, maybe with a path that goes before `/v1`.
    pub fn parse(url: &str, trust: Trust<'_>) -> anyhow::Result<Self> {
        Self::resolved_by(url, trust, Arc::new(SystemResolver))
    }

    /// The same, with a resolver of one's own.
    pub(crate) fn resolved_by(
        url: &str,
        trust: Trust<'_>,
        resolver: Arc<dyn Resolve>,
    ) -> anyhow::Result<Self> {
        let wrong = || format!("{url:?} is not a URL such as http://127.0.0.1:8080");
        let uri: Uri = url.parse().with_context(wrong)?;
        let (host, authority) = match (uri.host(), uri.authority()) {
            (Some(host), Some(authority)) => (host, authority.as_str()),
            _ => bail!(wrong()),
        };
        ensure!(!authority.contains('@') && uri.query().is_none(), wrong());
        // A literal IPv6 address has brackets in a URL, and none anywhere else.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => {
                let name = ServerName::try_from(host.clone()).with_context(wrong)?;
                (Some((connector(trust)?, name)), 443)
            }
            _ => bail!(wrong()),
        };
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            authority: authority.to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            endpoints: Arc::new(Endpoints::new(host, uri.port_u16().unwrap_or(port), resolver)),
            tls,
        })
    }

    /// Whether the host has another address to go to.
    pub(crate) fn has_others(&self) -> bool {
        self.endpoints.has_others()
    }

    /// Opens a connection to one of the host's addresses: the one whose `turn` it is, or the next
    /// that answers.
    pub async fn connect(&self, turn: usize) -> io::Result<Box<dyn Stream>> {
        let tcp = self.endpoints.connect(turn).await?;
        tcp.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(tcp),
            Some((connector, name)) => Box::new(connector.connect(name.clone(), tcp).await?),
        })
    }
}

/// A connected stream, with TLS or without.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

fn connector(trust: Trust<'_>) -> anyhow::Result<TlsConnector> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .context("TLS")?;
    let config = match trust {
        Trust::Anything => config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TrustsAnything(provider)))
            .with_no_client_auth(),
        Trust::File(path) => config.with_root_certificates(roots(path)?).with_no_client_auth(),
        Trust::System => {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            ensure!(!roots.is_empty(), "the system trusts no certificates: give --ca FILE");
            config.with_root_certificates(roots).with_no_client_auth()
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots(path: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path)
        .with_context(|| format!("{} is not readable as certificates (PEM)", path.display()))?;
    for certificate in certificates {
        let certificate = certificate.with_context(|| path.display().to_string())?;
        roots.add(certificate).with_context(|| path.display().to_string())?;
    }
    ensure!(!roots.is_empty(), "{} holds no certificate (PEM)", path.display());
    Ok(roots)
}

/// `--insecure`: any certificate will do; the handshake itself is still checked.
#[derive(Debug)]
struct TrustsAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustsAnything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> anyhow::Result<Address> {
        Address::parse(url, Trust::Anything)
    }

    #[test]
    fn reads_urls() {
        let plain = parse("http://127.0.0.1:8080/").unwrap();
        assert_eq!((plain.endpoints.host.as_str(), plain.endpoints.port), ("127.0.0.1", 8080));
        assert_eq!((plain.authority.as_str(), plain.prefix.as_str()), ("127.0.0.1:8080", ""));
        let tls = parse("https://vote.example/tv/").unwrap();
        assert_eq!((tls.endpoints.port, tls.prefix.as_str()), (443, "/tv"));
        assert!(tls.tls.is_some());
        let six = parse("http://[::1]:8080").unwrap();
        assert_eq!((six.endpoints.host.as_str(), six.authority.as_str()), ("::1", "[::1]:8080"));
    }

    #[test]
    fn refuses_what_is_no_address_of_a_node() {
        for bad in ["", "localhost:8080", "ftp://a", "http://", "http://a:b@c", "http://a?b=c"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let nowhere = Address::parse("https://a", Trust::File(Path::new("/nonexistent.pem")));
        assert!(nowhere.is_err());
    }
}
