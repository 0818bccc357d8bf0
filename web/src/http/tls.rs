//! TLS 1.2 and 1.3 with certificate and key from files, read again when they change.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// A certificate and its key, as files in PEM.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
}

/// Why the certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, String),
    /// Certificate and key do not go together.
    #[error("the certificate and its key: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Tls {
    /// Reads both files.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Arc<Self>, TlsError> {
        let config = ArcSwap::from(read(&certificate, &key)?);
        Ok(Arc::new(Self { certificate, key, config }))
    }

    /// What takes a new connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Reads the files again whenever they change; goes on with the old ones if the new are bad.
    pub async fn reload_on_change(self: Arc<Self>) {
        let mut seen = self.modified();
        loop {
            tokio::time::sleep(LOOK).await;
            let modified = self.modified();
            if modified == seen {
                continue;
            }
            match read(&self.certificate, &self.key) {
                Ok(config) => {
                    self.config.store(config);
                    tracing::info!("certificate read again");
                }
                Err(error) => tracing::error!(%error, "the new certificate is not used"),
            }
            seen = modified;
        }
    }

    fn modified(&self) -> [Option<SystemTime>; 2] {
        let modified = |path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
        [modified(&self.certificate), modified(&self.key)]
    }
}

fn read(certificate: &PathBuf, key: &PathBuf) -> Result<Arc<ServerConfig>, TlsError> {
    let unreadable = |path: &PathBuf| {
        let path = path.clone();
        move |error: rustls::pki_types::pem::Error| TlsError::Unreadable(path, error.to_string())
    };
    let certificates = CertificateDer::pem_file_iter(certificate)
        .map_err(unreadable(certificate))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
