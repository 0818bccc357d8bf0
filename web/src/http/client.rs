//! Where a request comes from.

use std::net::IpAddr;

use hyper::http::Extensions;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// Who connected: the voter's address, or a proxy's.
    pub(crate) peer: IpAddr,
    /// Whether the connection is encrypted up to us.
    pub(crate) is_secure: bool,
}

impl Client {
    /// Who sent a request.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        *extensions.get().expect("the server sets it on every request")
    }
}
