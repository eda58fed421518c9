//! Proxies in front of a listener, and the address of the client behind them.
//!
//! From the addresses that the configuration lists, every connection has to begin with one header of the PROXY
//! protocol, version 2. From all others nothing is parsed, so that no client names its own address.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Semaphore;
use vouchsafe_system::proxy::{FIXED, Fixed, LONGEST, ProxyError, Source};

use crate::config::ProxyNetwork;
use crate::log::sampled::Sampled;

/// Connections of proxies to one listener, of which the client is not known yet.
#[derive(Debug)]
pub(super) struct Proxies {
    listener: &'static str,
    /// They are not admitted yet, so they have a bound of their own.
    waiting: Semaphore,
    lines: Sampled<()>,
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
enum HeaderError {
    /// The connection ended, as that of a check of the port does.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The header is refused.
    #[error(transparent)]
    Header(#[from] ProxyError),
}

impl Proxies {
    pub(super) fn new(listener: &'static str) -> Self {
        Self { listener, waiting: Semaphore::new(MOST_WAITING), lines: Sampled::new(BETWEEN_LINES) }
    }

    /// The address of the client of a connection from `peer`, of which nothing has been read: its own, or what a
    /// listed proxy says. `None` when the connection is to be closed.
    pub(super) async fn client<S: AsyncRead + Unpin>(
        &self,
        listed: &[ProxyNetwork],
        io: &mut S,
        peer: IpAddr,
    ) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        if !listed.iter().any(|network| network.contains(peer)) {
            return Some(peer);
        }
        let _waiting = self.waiting.try_acquire().ok()?;
        match read(io).await {
            Ok(Source::Client(client)) => Some(client),
            Ok(Source::Proxy) => Some(peer),
            Err(HeaderError::Io(_)) => None,
            Err(HeaderError::Header(error)) => {
                if let Some(count) = self.lines.due((), Instant::now()) {
                    tracing::warn!(
                        event = "listener.proxy_refused",
                        listener = self.listener,
                        %peer,
                        %error,
                        count,
                        "connections of listed proxies were closed since the last such line"
                    );
                }
                None
            }
        }
    }
}

/// Reads a header, and no byte after it.
async fn read<S: AsyncRead + Unpin>(io: &mut S) -> Result<Source, HeaderError> {
    let mut fixed = [0; FIXED];
    io.read_exact(&mut fixed).await?;
    let fixed = Fixed::parse(fixed)?;
    let mut rest = [0; LONGEST - FIXED];
    let rest = rest.get_mut(..fixed.length()).ok_or(ProxyError::TooLong(fixed.length()))?;
    io.read_exact(rest).await?;
    Ok(fixed.source(rest)?)
}

/// A proxy sends the header with the first bytes of a connection.
const MOST_WAITING: usize = 1024;
/// The least time between two log lines.
const BETWEEN_LINES: Duration = Duration::from_secs(10);
