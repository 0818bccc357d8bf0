//! Where a request comes from.

use std::net::IpAddr;

use hyper::http::Extensions;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// Who connected: the voter's address, or a proxy's. After a PROXY header, whom it names.
    pub(crate) peer: IpAddr,
    /// Whether the connection began with a PROXY header.
    pub(crate) is_behind_proxy: bool,
    /// Whether the connection is encrypted up to us.
    pub(crate) is_secure: bool,
    /// Whom the listener is for that it came to.
    pub(crate) audience: Audience,
}

/// Whom a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody: there is no other listener.
    Everybody,
    /// Voters and viewers, since operators have a listener of their own.
    Public,
    /// Operators and administrators.
    Operators,
}

impl Client {
    /// Who sent a request.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        *extensions.get().expect("the server sets it on every request")
    }

    /// Somebody who connects straight to the only listener.
    #[cfg(test)]
    pub(crate) fn direct(peer: &str, is_secure: bool) -> Self {
        let peer = peer.parse().unwrap();
        Self { peer, is_behind_proxy: false, is_secure, audience: Audience::Everybody }
    }
}
