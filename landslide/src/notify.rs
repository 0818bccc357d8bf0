//! Tells systemd how the node is (`Type=notify`): what depends on the unit starts when votes are
//! taken, and not when the process merely runs. Elsewhere it does nothing.

use std::{
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// The node takes votes.
pub(crate) const READY: &str = "READY=1";
/// The node was told to end.
pub(crate) const STOPPING: &str = "STOPPING=1";

/// Tells it, where somebody listens.
pub(crate) fn notify(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(socket.as_bytes(), state) {
        tracing::warn!(%error, state, "systemd was not told");
    }
}

fn send(socket: &[u8], state: &str) -> io::Result<()> {
    // A first @ stands for the zero byte of an abstract address.
    let address = match socket.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(socket))?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_an_abstract_name_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("landslide-{}", path.display());
        let of_name = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let listeners = [UnixDatagram::bind(&path), UnixDatagram::bind_addr(&of_name)];
        let sockets = [path.display().to_string(), format!("@{name}")];
        for (listener, socket) in listeners.into_iter().zip(sockets) {
            send(socket.as_bytes(), READY).unwrap();
            let mut told = [0; 32];
            let length = listener.unwrap().recv(&mut told).unwrap();
            assert_eq!(&told[..length], b"READY=1");
        }
        send(folder.path().join("nobody").as_os_str().as_bytes(), READY).unwrap_err();
    }
}
