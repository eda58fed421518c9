//! Tells systemd that the broker has started or stops: `sd_notify(3)`, for units with `Type=notify`.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Both listeners accept connections.
    Ready,
    /// No connection is accepted any more; running requests finish.
    Stopping,
}

impl State {
    const fn message(self) -> &'static [u8] {
        match self {
            Self::Ready => b"READY=1",
            Self::Stopping => b"STOPPING=1",
        }
    }
}

/// Tells the service manager, if there is one that wants to know. A failure is logged: the manager notices by its own time limit.
pub fn notify(state: State) {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(event = "broker.notify_failed", %error, "the service manager was not told");
    }
}

fn send(socket: &OsStr, state: State) -> io::Result<()> {
    // A leading @ is an abstract name, any other address is a path.
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.message(), &address)?;
    Ok(())
}

/// The variable with the address of the service manager's socket.
const SOCKET: &str = "NOTIFY_SOCKET";

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> Vec<u8> {
        let mut message = [0; 64];
        let length = socket.recv(&mut message).unwrap();
        message[..length].to_vec()
    }

    #[test]
    fn the_manager_is_told_at_a_path_or_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), State::Ready).unwrap();
        assert_eq!(received(&socket), b"READY=1");

        let name = format!("vouchsafe-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(OsStr::new(&format!("@{name}")), State::Stopping).unwrap();
        assert_eq!(received(&socket), b"STOPPING=1");
    }

    #[test]
    fn a_socket_that_is_gone_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let gone = send(folder.path().join("gone").as_os_str(), State::Ready);
        assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
