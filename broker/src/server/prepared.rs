//! Everything about the listeners that can fail before a broker exists: their certificates and addresses.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use vouchsafe_protocol::UnixTime;

use crate::config::{BrokerConfig, Listener};
use crate::metrics::LISTENERS;
use crate::tls::{self, ListenerTls, TlsError};

use super::error::ServeError;

/// The certificates of both servers, replaceable at run time.
#[derive(Clone)]
pub struct Certificates(pub(super) [Arc<ArcSwap<ListenerTls>>; 2]);

impl Certificates {
    fn load(config: &BrokerConfig) -> Result<Self, TlsError> {
        let load = |listener| Ok(Arc::new(ArcSwap::from_pointee(tls::load(listener)?)));
        let loaded = Self([load(&config.guests)?, load(&config.operators)?]);
        tls::warn_of_exposed_keys(config);
        Ok(loaded)
    }

    /// The end of the guests' certificate and of the operators', as far as they can be read.
    #[must_use]
    pub fn ends(&self) -> [Option<UnixTime>; 2] {
        self.0.each_ref().map(|tls| tls.load().ends_at)
    }

    /// Loads the configured certificates and keys, for new connections.
    ///
    /// # Errors
    /// [`TlsError`] names the file; nothing has changed then.
    pub fn reload(&self, config: &BrokerConfig) -> Result<(), TlsError> {
        let new = Self::load(config)?;
        for (old, new) in self.0.iter().zip(new.0) {
            old.store(new.load_full());
        }
        Ok(())
    }
}

/// Both listeners: certificates loaded, addresses bound. Connections are refused until they listen, so that no
/// client waits for a broker that is still opening, or that does not start at all.
pub struct PreparedListeners {
    pub(crate) certificates: Certificates,
    pub(super) guests: PreparedSocket,
    pub(super) operators: PreparedSocket,
}

impl PreparedListeners {
    /// Loads the certificates and binds the addresses.
    ///
    /// # Errors
    /// [`ServeError`] names the file, or the address and what to do.
    pub fn bind(config: &BrokerConfig) -> Result<Self, ServeError> {
        let certificates = Certificates::load(config)?;
        let [guests, operators] = LISTENERS;
        Ok(Self {
            certificates,
            guests: PreparedSocket::bind(guests, &config.guests)?,
            operators: PreparedSocket::bind(operators, &config.operators)?,
        })
    }
}

/// The socket of one listener: bound, and listening after [`Self::listen`].
pub(super) struct PreparedSocket {
    /// The listener's section of the configuration.
    pub(super) section: &'static str,
    /// With the port that the system chose for port 0.
    pub(super) address: SocketAddr,
    pub(super) socket: TcpListener,
}

impl PreparedSocket {
    pub(super) fn bind(section: &'static str, listener: &Listener) -> Result<Self, ServeError> {
        let address = listener.listen;
        let failed = |source| ServeError::Listen { section, address, source };
        let socket = bound(address).map_err(|error| failed(error.into()))?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { section, address, socket })
    }

    /// Starts to listen. Fails only if another process began to listen at the address since it was bound.
    pub(super) fn listen(self) -> Result<Self, ServeError> {
        let Self { section, address, .. } = self;
        // Many guests may connect at once; the standard library's backlog is shorter.
        listen(&self.socket, BACKLOG).map_err(|error| ServeError::Listen {
            section,
            address,
            source: error.into(),
        })?;
        Ok(self)
    }
}

/// As the standard library binds, which listens at once.
fn bound(address: SocketAddr) -> Result<TcpListener, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Connections of an earlier process that are still being closed do not keep the address taken.
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    Ok(socket.into())
}

/// Backlog of pending connections, capped by the kernel's `somaxconn`.
const BACKLOG: i32 = 4096;
