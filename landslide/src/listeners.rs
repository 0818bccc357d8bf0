//! Where a node listens: the public's listener or the only one, and one of operators' own.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use web::ServerSettings;

use crate::settings::Settings;

/// Connections that wait in the kernel until they are accepted.
const BACKLOG: u32 = 4_096;
/// Open connections of operators: their browsers, collectors and balancers.
const OPERATORS_CONNECTIONS_MAX: usize = 1_000;

/// How the public's listener serves, or the only one.
pub(crate) fn server_settings(settings: &Settings) -> ServerSettings {
    ServerSettings {
        threads: settings.threads,
        connections_max: settings.connections_max,
        connections_per_network_max: settings.connections_per_network_max,
        uncounted: settings.trusted_proxies.clone(),
        count_loopback: settings.limit_loopback,
    }
}

/// How the operators' listener serves: a thread and places of its own, whatever goes on at the other.
pub(crate) fn operators_server_settings() -> ServerSettings {
    ServerSettings {
        threads: 1,
        connections_max: OPERATORS_CONNECTIONS_MAX,
        connections_per_network_max: OPERATORS_CONNECTIONS_MAX,
        uncounted: Vec::new(),
        count_loopback: false,
    }
}

/// Listens, from now on; nobody is answered yet.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener> {
    try_listen(address).with_context(|| format!("cannot listen on {address}"))
}

fn try_listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        tokio::net::TcpSocket::new_v4()?
    } else {
        tokio::net::TcpSocket::new_v6()?
    };
    // A node that was killed and is started again finds its port in use otherwise.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
