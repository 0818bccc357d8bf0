//! Where a server listens, and how a connection there begins.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use tokio::net::TcpListener;

use super::{client::Audience, proxies::is_in, tls::Tls};

/// A listener before it listens to anybody.
#[derive(Debug)]
pub struct Listening {
    /// The socket.
    pub listener: TcpListener,
    /// What connections there begin with.
    pub entrance: Entrance,
}

/// How connections to one listener begin.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// Whom it is for.
    pub audience: Audience,
    /// With it the listener speaks TLS.
    pub tls: Option<Arc<Tls>>,
    /// Balancers whose connections begin with a PROXY header, all of them. From elsewhere such a header
    /// is neither TLS nor HTTP.
    pub proxy_protocol: Vec<IpNet>,
}

impl Entrance {
    pub(crate) fn expects_proxy_header(&self, peer: IpAddr) -> bool {
        is_in(peer, &self.proxy_protocol)
    }
}
