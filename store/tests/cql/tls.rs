//! Encrypted connections: by a proxy before a node that takes TLS and forwards what is in it, and to
//! nodes that take it themselves and ask for a client's certificate.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use ballot::{Bucket, Shard};
use bytes::Bytes;
use futures_util::TryStreamExt;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivatePkcs8KeyDer;
use store::{
    BallotStore, ConnectError, ControlStore, CqlSettings, CqlStore, Read, Version,
    cql::{CqlAuthority, CqlTls},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{cluster, puts::batch};

/// Proxies before the nodes, which must be on this machine's loopback interface.
struct Proxies {
    /// Each at its node's address, all at one port.
    hosts: Vec<String>,
    /// The certificate of all, as PEM.
    certificate: String,
    /// Connections that have come through.
    through: Arc<AtomicUsize>,
}

/// `name`: whom the certificate is for; `None`: for the nodes' addresses.
async fn proxies(settings: &CqlSettings, name: Option<&str>) -> Proxies {
    let nodes: Vec<SocketAddr> = settings.hosts.iter().map(|host| host.parse().unwrap()).collect();
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => nodes.iter().map(|node| node.ip().to_string()).collect(),
    };
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (mut port, mut hosts, through) = (0, Vec::new(), Arc::new(AtomicUsize::new(0)));
    for node in nodes {
        let listener = TcpListener::bind((node.ip(), port)).await.unwrap();
        let here = listener.local_addr().unwrap();
        port = here.port();
        hosts.push(here.to_string());
        tokio::spawn(serve(listener, acceptor.clone(), node, through.clone()));
    }
    Proxies { hosts, certificate: cert.pem(), through }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    node: SocketAddr,
    through: Arc<AtomicUsize>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, through) = (acceptor.clone(), through.clone());
        tokio::spawn(async move {
            let mut stream = acceptor.accept(stream).await?;
            through.fetch_add(1, Relaxed);
            let mut node = TcpStream::connect(node).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut node).await
        });
    }
}

/// Settings for the shared keyspace by way of the proxies.
fn encrypted(settings: &CqlSettings, proxies: &Proxies, authority: &Path) -> CqlSettings {
    let tls = CqlTls { authority: CqlAuthority::File(authority.to_owned()), client: None };
    CqlSettings { hosts: proxies.hosts.clone(), tls: Some(tls), ..settings.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_by_way_of_tls_is_there() {
    let Some(settings) = cluster::settings().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let authority = dir.path().join("ca.pem");
    let proxies = proxies(&settings, None).await;
    std::fs::write(&authority, &proxies.certificate).unwrap();
    let store = CqlStore::connect(&encrypted(&settings, &proxies, &authority)).await.unwrap();
    let key = format!("tls-{:016x}", fastrand::u64(..));
    let body = Bytes::from(vec![7; 300_000]);
    store.compare_and_swap(&key, Version::NONE, body.clone()).await.unwrap();
    assert!(proxies.through.load(Relaxed) > 0, "nothing came through the proxies");
    drop(store);
    let plain = cluster::store().await.unwrap();
    assert!(
        plain.get(&key, Read::Serial).await.unwrap().is_some_and(|document| document.body == body)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_trusted_or_of_another_name_is_refused() {
    let Some(settings) = cluster::settings().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let authority = dir.path().join("ca.pem");
    for (name, trusted) in [(None, false), (Some("node.example"), true)] {
        let proxies = proxies(&settings, name).await;
        let other = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let pem = if trusted { proxies.certificate.clone() } else { other.cert.pem() };
        std::fs::write(&authority, pem).unwrap();
        let error = CqlStore::connect(&encrypted(&settings, &proxies, &authority)).await;
        let error = error.err().unwrap();
        assert!(matches!(&error, ConnectError::Unavailable(_)), "{error:?}");
        assert_eq!(proxies.through.load(Relaxed), 0, "{name:?}: it was taken");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_ask_for_a_certificate_take_the_clients() {
    let Some((settings, folder)) = cluster::encrypted_settings().await else { return };
    // As an operator writes it.
    let folder = folder.display();
    let address = format!(
        "cql://{}/{}?replication={}&tls={folder}/ca.pem&tls_cert={folder}/client.pem\
         &tls_key={folder}/client-key.pem",
        settings.hosts.join(","),
        settings.keyspace,
        settings.hosts.len(),
    );
    let store = CqlStore::connect(&address.parse().unwrap()).await.unwrap();
    let contest = format!("tls-{:016x}", fastrand::u64(..));
    let batch = batch(&contest, 1_795_464_000_123, Bytes::from(vec![7; 45_000]));
    store.put_batch(batch.clone()).await.unwrap();
    let plain = cluster::store().await.unwrap();
    for store in [store, plain] {
        let scan = store.scan(&batch.contest, Shard(3), Bucket(0)..=Bucket(u64::MAX));
        assert_eq!(scan.try_collect::<Vec<_>>().await.unwrap(), std::slice::from_ref(&batch));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_a_certificate_or_with_a_strange_one_hears_of_it() {
    let Some((settings, _)) = cluster::encrypted_settings().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("strange.pem"), dir.path().join("strange-key.pem"));
    let strange = generate_simple_self_signed(["strange".to_owned()]).unwrap();
    std::fs::write(&certificate, strange.cert.pem()).unwrap();
    std::fs::write(&key, strange.signing_key.serialize_pem()).unwrap();
    for (client, word) in [(None, "tls_cert="), (Some((certificate, key)), "strange.pem")] {
        let tls = CqlTls { client, ..settings.tls.clone().unwrap() };
        let error = CqlStore::connect(&CqlSettings { tls: Some(tls), ..settings.clone() }).await;
        let error = error.err().unwrap();
        assert!(matches!(&error, ConnectError::Address(_)), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

/// Files without certificates are the address's fault. Needs no cluster.
#[tokio::test]
async fn files_without_certificates_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for file in [empty, dir.path().join("missing.pem")] {
        let address = format!("cql://127.0.0.1:1/landslide?tls={}", file.display());
        let error = CqlStore::connect(&address.parse().unwrap()).await.err().unwrap();
        assert!(matches!(&error, ConnectError::Address(_)), "{error:?}");
    }
}
