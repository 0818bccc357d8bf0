//! The cluster that the tests share, and the keyspace of this run.

use std::{io::Write, path::PathBuf, sync::Arc};

use store::{
    CqlSettings, CqlStore,
    cql::{CqlAuthority, CqlTls},
};
use tokio::sync::OnceCell;

/// Settings for a keyspace that no other test and no other run has, if there is a cluster.
pub(crate) fn new_settings() -> Option<CqlSettings> {
    let required =
        std::env::var("LANDSLIDE_TEST_ENGINES").is_ok_and(|engines| engines == "required");
    let Ok(hosts) = std::env::var("LANDSLIDE_TEST_CQL") else {
        assert!(!required, "LANDSLIDE_TEST_CQL is not set, and the engines are required");
        // Past the test harness, which hides what a test prints that does not fail.
        writeln!(std::io::stderr().lock(), "SKIPPED: LANDSLIDE_TEST_CQL is not set").unwrap();
        return None;
    };
    let copies = std::env::var("LANDSLIDE_TEST_CQL_REPLICATION").unwrap_or_else(|_| "1".into());
    let keyspace = format!("test_{:016x}", fastrand::u64(..));
    Some(format!("cql://{hosts}/{keyspace}?replication={copies}").parse().unwrap())
}

/// The keyspace that the tests of this run share; made by the first that asks.
pub(crate) async fn settings() -> Option<CqlSettings> {
    static SETTINGS: OnceCell<CqlSettings> = OnceCell::const_new();
    let settings = new_settings()?;
    let made = SETTINGS.get_or_init(async || {
        CqlStore::apply_schema(&settings).await.unwrap();
        settings
    });
    Some(made.await.clone())
}

pub(crate) async fn store() -> Option<Arc<CqlStore>> {
    let settings = settings().await?;
    Some(CqlStore::connect(&settings).await.unwrap())
}

/// The same cluster and keyspace, encrypted, where the nodes ask for a client's certificate; and the
/// folder with `client.pem`, `client-key.pem` and `ca.pem`, which the settings name already.
pub(crate) async fn encrypted_settings() -> Option<(CqlSettings, PathBuf)> {
    let settings = settings().await?;
    let variable = |name| std::env::var(name).ok();
    let (hosts, folder) = match (
        variable("LANDSLIDE_TEST_CQL_TLS"),
        variable("LANDSLIDE_TEST_CQL_CERTIFICATES").map(PathBuf::from),
    ) {
        (Some(hosts), Some(folder)) => (hosts, folder),
        _ => {
            writeln!(std::io::stderr().lock(), "SKIPPED: LANDSLIDE_TEST_CQL_TLS is not set")
                .unwrap();
            return None;
        }
    };
    let client = Some((folder.join("client.pem"), folder.join("client-key.pem")));
    let tls = CqlTls { authority: CqlAuthority::File(folder.join("ca.pem")), client };
    let hosts = hosts.split(',').map(str::to_owned).collect();
    Some((CqlSettings { hosts, tls: Some(tls), ..settings }, folder))
}
