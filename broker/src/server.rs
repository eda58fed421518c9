//! Two HTTP servers in one process: guests' and operators', each with its own sockets, threads and limits,
//! so that a flood of the one does not reach the other.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpServer};
use rustls::ServerConfig;

use crate::broker::Broker;
use crate::config::Listener;
use crate::tls::{self, TlsError};
use crate::{guests, operators};

/// Why the listeners are not up.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Both servers, listening.
pub struct Servers {
    /// Where guests are served.
    pub guests: SocketAddr,
    /// Where operators are served.
    pub operators: SocketAddr,
    running: [Server; 2],
}

/// Stops both servers: requests that are being served may end first.
#[derive(Clone)]
pub struct Stop([ServerHandle; 2]);

impl Servers {
    /// Binds both addresses and starts to serve.
    ///
    /// # Errors
    /// [`ServeError`] names the address or the file.
    pub fn start(broker: &Arc<Broker>) -> Result<Self, ServeError> {
        let config = &broker.config;
        // Both are prepared before either is bound.
        let tls = [tls::server(&config.guests)?, tls::server(&config.operators)?];
        let [guests_tls, operators_tls] = tls;
        let (guests, guests_socket) = bind(&config.guests)?;
        let (operators, operators_socket) = bind(&config.operators)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let running = [
            serve(broker, guests_socket, guests_tls, threads, guests::configure)
                .map_err(|source| ServeError::Listen { address: guests, source })?,
            serve(broker, operators_socket, operators_tls, 1, operators::configure)
                .map_err(|source| ServeError::Listen { address: operators, source })?,
        ];
        Ok(Self { guests, operators, running })
    }

    /// How to stop them.
    #[must_use]
    pub fn stop(&self) -> Stop {
        Stop(self.running.each_ref().map(Server::handle))
    }

    /// Serves until stopped.
    ///
    /// # Errors
    /// When a server ends by itself.
    pub async fn run(self) -> std::io::Result<()> {
        let [guests, operators] = self.running;
        tokio::try_join!(guests, operators).map(|_| ())
    }
}

impl Stop {
    /// Takes no new connections and waits for requests that are being served, as long as configured.
    pub async fn stop(&self) {
        let [guests, operators] = &self.0;
        tokio::join!(guests.stop(true), operators.stop(true));
    }
}

fn bind(listener: &Listener) -> Result<(SocketAddr, TcpListener), ServeError> {
    let failed = |source| ServeError::Listen { address: listener.listen, source };
    let socket = TcpListener::bind(listener.listen).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    Ok((address, socket))
}

fn serve(
    broker: &Arc<Broker>,
    socket: TcpListener,
    tls: ServerConfig,
    threads: usize,
    configure: fn(&Broker, &mut ServiceConfig),
) -> std::io::Result<Server> {
    let limits = broker.config.limits;
    let (data, stop_timeout) = (Data::from(Arc::clone(broker)), broker.config.stop_timeout);
    let app = move || {
        let broker = data.clone();
        App::new().app_data(broker.clone()).configure(|app| configure(&broker, app))
    };
    Ok(HttpServer::new(app)
        .workers(threads)
        .max_connections(limits.connections.div_ceil(threads))
        // Handshakes in flight; at this number every listener of the process stops accepting.
        .max_connection_rate(MAX_HANDSHAKES)
        .tls_handshake_timeout(limits.handshake)
        .client_request_timeout(limits.head)
        .client_disconnect_timeout(DISCONNECT)
        .keep_alive(limits.idle)
        .tcp_nodelay(true)
        .shutdown_timeout(stop_timeout.as_secs())
        .disable_signals()
        .listen_rustls_0_23(socket, tls)?
        .run())
}

const MAX_HANDSHAKES: usize = 10_000;
const DISCONNECT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
