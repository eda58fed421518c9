//! Proxies in front of a listener, and the address of the client behind them.
//!
//! From the addresses that the configuration lists, every connection has to begin with one header of the PROXY
//! protocol, version 2. From all others nothing is parsed, so that no client names its own address.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Semaphore;
use vouchsafe_system::proxy::{FIXED, Fixed, LONGEST, ProxyError, Source};

use crate::admission::{Admission, TurnedAway};
use crate::config::ProxyNetwork;
use crate::log::sampled::Sampled;

/// Connections of proxies to one listener, of which the client is not known yet.
#[derive(Debug)]
pub(super) struct Proxies {
    admission: Arc<Admission>,
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
    pub(super) fn new(admission: &Arc<Admission>) -> Self {
        let admission = Arc::clone(admission);
        Self { admission, waiting: Semaphore::new(MOST_WAITING), lines: Sampled::new(BETWEEN_LINES) }
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
        let Ok(_waiting) = self.waiting.try_acquire() else {
            self.admission.turn_away(TurnedAway::Full, Instant::now());
            return None;
        };
        match read(io).await {
            Ok(Source::Client(client)) => Some(client),
            Ok(Source::Proxy) => Some(peer),
            Err(HeaderError::Io(_)) => None,
            Err(HeaderError::Header(error)) => {
                if let Some(count) = self.lines.due((), Instant::now()) {
                    tracing::warn!(
                        event = "listener.proxy_refused",
                        listener = self.admission.listener(),
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;
    use crate::admission::Shares;
    use crate::config::Limits;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn t54_connections_of_proxies_beyond_those_that_may_wait_are_counted() {
        let metrics = Metrics::new().expect("metrics");
        let shares = Shares::guests(&Limits::default());
        let proxies = Proxies::new(&Admission::new("guests", shares, metrics.listeners.clone()));
        let (peer, listed) = (IpAddr::from([127, 0, 0, 9]), ["127.0.0.9".parse().expect("an address")]);
        let turned_away = || {
            let text = String::from_utf8(metrics.text().expect("text")).expect("text");
            let name = "vouchsafe_connections_turned_away_total{listener=\"guests\",reason=\"full\"} ";
            text.lines().find_map(|line| line.strip_prefix(name)).expect("counted from the start").to_owned()
        };
        let (_client, mut server) = tokio::io::duplex(64);
        let _held = proxies.waiting.acquire_many(u32::try_from(MOST_WAITING).expect("few") - 1).await;
        let mut last = pin!(proxies.client(&listed, &mut server, peer));
        poll_fn(|context| {
            assert!(last.as_mut().poll(context).is_pending(), "it waits for its header");
            Poll::Ready(())
        })
        .await;
        assert_eq!(turned_away(), "0");
        let (_client, mut another) = tokio::io::duplex(64);
        assert_eq!(proxies.client(&listed, &mut another, peer).await, None);
        assert_eq!(turned_away(), "1");
        // A client that is no proxy does not wait.
        let other = IpAddr::from([127, 0, 0, 8]);
        assert_eq!(proxies.client(&listed, &mut another, other).await, Some(other));
    }
}
