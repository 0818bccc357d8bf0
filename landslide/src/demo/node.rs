//! The demo's node: the same parts as `serve`, in a folder of its own.

use std::{io::ErrorKind, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use ballot::Slug;
use tokio::net::TcpListener;

use crate::{
    logging,
    machine::SystemEntropy,
    settings::{ADMIN_TOKEN_CHARS_MIN, LogFormat, ServeOptions},
    stores::StoreAddress,
    wiring::Running,
};

/// A running node and the way in.
pub(super) struct DemoNode {
    pub(super) url: String,
    /// The administrator's token.
    pub(super) token: String,
    running: Running,
}

/// The votes, in the demo's folder.
const STORE: &str = "store";
/// The administrator's token, in the demo's folder, so that an open page works after a restart.
const TOKEN: &str = "admin-token";

impl DemoNode {
    /// Starts a node on that address, or on a free port if that one is busy.
    pub(super) async fn start(folder: &Path, listen: SocketAddr) -> anyhow::Result<Self> {
        // The terminal is the demo's; only what is wrong is said besides.
        logging::start("error", LogFormat::Text)?;
        let token = token(folder)?;
        let mut settings = ServeOptions::default().settings()?;
        settings.store = StoreAddress::Embedded(folder.join(STORE));
        settings.admin_token = Some(token.clone());
        settings.listen = free(listen).await?;
        settings.drain = Duration::ZERO;
        let running = Running::start(&settings).await?;
        Ok(Self { url: running.url(), token, running })
    }

    /// Where to vote.
    pub(super) fn page(&self, contest: &Slug) -> String {
        format!("{}/c/{contest}", self.url)
    }

    /// Where to watch the counts as an administrator. The token is in the fragment, which no
    /// browser sends, and which the page takes out of its address at once.
    pub(super) fn admin_page(&self, contest: &Slug) -> String {
        format!("{}/admin#sign-in={}&contest={contest}&name=demo", self.url, self.token)
    }

    /// Resolves with the reason when the store has failed.
    pub(super) async fn failed(&self) -> Arc<str> {
        self.running.failed().await
    }

    /// Commits and answers what was accepted, then ends.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.running.stop().await
    }
}

async fn free(listen: SocketAddr) -> anyhow::Result<SocketAddr> {
    match TcpListener::bind(listen).await {
        Ok(_) => Ok(listen),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(SocketAddr::new(listen.ip(), 0)),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {listen}")),
    }
}

fn token(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join(TOKEN);
    match std::fs::read_to_string(&path) {
        Ok(token) if token.trim().chars().count() >= ADMIN_TOKEN_CHARS_MIN => {
            return Ok(token.trim().to_owned());
        }
        // One of an earlier version, or nothing: a node would not start with it.
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    }
    let random: [u8; 32] = ballot::random_bytes(&SystemEntropy);
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    write_secret(&path, &token).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(token)
}

/// Only the user who started the demo may read it.
fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(secret.as_bytes())
}
