//! The socket from which systemd reads keys and credentials: its own, or one that systemd listens on already.
//!
//! Guaranteed: the folder is accessible to its owner only, the socket too, and only root is served. The peer sends nothing; what it
//! wants is in its name ([`key_request`](super::key_request)).

use std::fs::{DirBuilder, Permissions, metadata, remove_file, set_permissions};
use std::io::{self, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_peercred, socket_type};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::geteuid;
use vouchsafe_protocol::PlaintextSecret;

use super::key_request::KeyRequest;

/// A listening socket.
pub(crate) struct KeySocket {
    listener: UnixListener,
    inherited: bool,
}

/// A connection.
pub(crate) struct Peer {
    stream: UnixStream,
    /// What it wants.
    pub(crate) request: Result<KeyRequest, NoRequest>,
}

/// Why a peer wants nothing that it could get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRequest {
    #[error("the program does not run as root")]
    NotRoot,
    #[error("the program's socket names neither a volume nor a credential")]
    NoName,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: other users may enter this folder; it has to be this user's, with mode 0700", .0.display())]
    SharedFolder(PathBuf),
    #[error("{}: exists, and is not a socket", .0.display())]
    NotASocket(PathBuf),
    #[error("systemd passed {0} descriptors; one listening socket of AF_UNIX is needed (ListenStream=)")]
    Inherited(String),
    #[error("accepting a connection: {0}")]
    Accept(io::Error),
}

impl KeySocket {
    /// The socket that systemd passed on, or a new one at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, SocketError> {
        match inherited()? {
            Some(listener) => Ok(Self { listener, inherited: true }),
            None => Self::bind(path),
        }
    }

    fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SocketError::Io { path, source }
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        if !private_folder(folder).map_err(failed(folder))? {
            return Err(SocketError::SharedFolder(folder.to_owned()));
        }
        match metadata(path) {
            Ok(old) if old.file_type().is_socket() => remove_file(path).map_err(failed(path))?,
            Ok(_) => return Err(SocketError::NotASocket(path.to_owned())),
            Err(_) => {}
        }
        let listener = UnixListener::bind(path).map_err(failed(path))?;
        // Until here the folder keeps other users away.
        set_permissions(path, Permissions::from_mode(0o600)).map_err(failed(path))?;
        Ok(Self { listener, inherited: false })
    }

    /// Whether systemd passed it on, because somebody had connected.
    pub(crate) const fn is_inherited(&self) -> bool {
        self.inherited
    }

    /// Waits for the next connection.
    pub(crate) fn accept(&self) -> Result<Peer, SocketError> {
        let (stream, address) = self.listener.accept().map_err(SocketError::Accept)?;
        let root = socket_peercred(&stream).is_ok_and(|peer| may_ask(peer.uid.as_raw()));
        let named = address.as_abstract_name().and_then(KeyRequest::parse).ok_or(NoRequest::NoName);
        Ok(Peer { stream, request: if root { named } else { Err(NoRequest::NotRoot) } })
    }
}

impl Peer {
    /// Writes the secret and closes the connection: its end is the end of the secret.
    pub(crate) fn give(self, secret: &PlaintextSecret) -> io::Result<()> {
        write_within(self.stream, secret.expose(), PATIENCE)
    }

    /// Makes the peer fail.
    ///
    /// A connection of AF_UNIX that is closed is at its end: to the peer that would be an empty key, with which a service would start.
    /// The kernel resets such a connection only if it has unread data, and systemd sends none. So the peer gets more random bytes
    /// than any credential has: systemd starts no service with that (E2BIG, src/core/exec-credential.c), and systemd-cryptsetup, for
    /// which it is a wrong key, goes on to the passphrase. An attacker cannot foresee the bytes and make a volume that they open.
    pub(crate) fn refuse(self) {
        let mut random = vec![0; REFUSAL];
        aws_lc_rs::rand::fill(&mut random).expect("the operating system has randomness");
        // A peer that has read enough closes its end.
        let _closed = write_within(self.stream, &random, PATIENCE);
    }
}

/// Writes all of it, or fails when the time is over, however slowly the peer reads: the next one is waiting.
fn write_within(mut stream: UnixStream, bytes: &[u8], patience: Duration) -> io::Result<()> {
    let end = Instant::now() + patience;
    for part in bytes.chunks(CHUNK) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        stream.write_all(part)?;
    }
    Ok(())
}

/// Only root asks: systemd, and programs that it starts as root.
const fn may_ask(user: u32) -> bool {
    user == 0
}

/// Makes the folder, if it is missing. Whether it belongs to this user, and no other may enter it.
fn private_folder(folder: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(folder)?;
    Ok(found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0)
}

/// The socket of a socket unit (`sd_listen_fds(3)`): descriptor 3, if `LISTEN_PID` is this process.
fn inherited() -> Result<Option<UnixListener>, SocketError> {
    let number = |name: &str| std::env::var_os(name)?.into_string().ok();
    if number("LISTEN_PID") != Some(std::process::id().to_string()) {
        return Ok(None);
    }
    let count = number("LISTEN_FDS").unwrap_or_default();
    if count != "1" {
        return Err(SocketError::Inherited(count));
    }
    let socket = first_descriptor();
    let listens = socket_acceptconn(&socket) == Ok(true)
        && socket_domain(&socket) == Ok(AddressFamily::UNIX)
        && socket_type(&socket) == Ok(SocketType::STREAM);
    if !listens {
        return Err(SocketError::Inherited(count));
    }
    let listener = UnixListener::from(socket);
    listener.set_nonblocking(false).map_err(SocketError::Accept)?;
    Ok(Some(listener))
}

#[expect(unsafe_code, reason = "an inherited descriptor has no owner in this program yet")]
fn first_descriptor() -> OwnedFd {
    // SAFETY: it is open, since systemd said so to this very process, and nothing else in the program uses it.
    unsafe { OwnedFd::from_raw_fd(3) }
}

/// More than `CREDENTIAL_SIZE_MAX` of systemd, 1 MiB, with encryption and base64.
const REFUSAL: usize = 2 * 1024 * 1024;
/// Written at once; the kernel's time limit is one for each write.
const CHUNK: usize = 4096;
/// How long a peer may take to read.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn only_root_may_ask() {
        assert!(may_ask(0));
        for user in [1, 1000, 65534, u32::MAX] {
            assert!(!may_ask(user));
        }
    }

    #[test]
    fn a_peer_that_reads_slowly_does_not_hold_up_the_next_one() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let slow = std::thread::spawn(move || {
            let mut byte = [0; 512];
            while theirs.read(&mut byte).unwrap() != 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let error = write_within(ours, &[7; REFUSAL], Duration::from_millis(200)).unwrap_err();
        assert!(matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{error}");
        drop(slow);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        write_within(ours, &[7; 10_000], PATIENCE).unwrap();
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).unwrap();
        assert_eq!(read, [7; 10_000]);
    }

    #[test]
    fn folder_and_socket_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vouchsafe/keys.sock");
        let socket = KeySocket::bind(&path).unwrap();
        let mode = |path: &Path| metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        // The socket of a process that has ended is replaced.
        drop(socket);
        KeySocket::bind(&path).unwrap();
        set_permissions(path.parent().unwrap(), Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(KeySocket::bind(&path).err().unwrap(), SocketError::SharedFolder(_)));
        set_permissions(path.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
        remove_file(&path).unwrap();
        std::fs::write(&path, "data").unwrap();
        assert!(matches!(KeySocket::bind(&path).err().unwrap(), SocketError::NotASocket(_)));
    }
}
