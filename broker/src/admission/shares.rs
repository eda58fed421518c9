//! The limits of a listener, and why it turns a client away.

use crate::config::Limits;

/// The limits of a listener, and one network's share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Connections at the same time.
    pub connections: usize,
    /// Of these, connections of one network.
    pub connections_of_network: usize,
    /// Connections that one network may open per minute, evenly spread, after an initial burst as large as
    /// its share: each connection costs a TLS handshake.
    pub opened_by_network: u32,
    /// Requests of one network; `None` without a limit.
    pub requests_of_network: Option<Rate>,
    /// Bytes of request bodies held at the same time.
    pub bodies: usize,
    /// Of these, bytes held by one network.
    pub bodies_of_network: usize,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Evenly spread.
    pub per_minute: u32,
    /// At once, before that.
    pub burst: u32,
}

impl Shares {
    /// The limits of the guests' listener.
    #[must_use]
    pub fn guests(limits: &Limits) -> Self {
        // A guest needs a challenge and a release: as many guests as there may be connections can begin at once.
        let burst = u32::try_from(limits.connections_per_address.saturating_mul(2)).unwrap_or(u32::MAX);
        Self {
            requests_of_network: Some(Rate { per_minute: limits.requests_per_minute, burst }),
            connections: limits.connections,
            connections_of_network: limits.connections_per_address,
            opened_by_network: limits.connections_per_minute,
            bodies: limits.bodies.saturating_mul(MIB),
            bodies_of_network: limits.bodies_per_address.saturating_mul(MIB),
        }
    }

    /// Connections that one network may open in a burst.
    pub(super) fn burst(&self) -> f64 {
        f64::from(u32::try_from(self.connections_of_network).unwrap_or(u32::MAX))
    }

    /// Connections of all networks of one site.
    pub(super) const fn connections_of_site(&self) -> usize {
        self.connections_of_network.saturating_mul(SHARES_OF_SITE)
    }

    /// Bytes of bodies of all networks of one site.
    pub(super) const fn bodies_of_site(&self) -> usize {
        self.bodies_of_network.saturating_mul(SHARES_OF_SITE)
    }

    /// The limits of the operators' listener. There a body is read only under a valid token, and may be a
    /// whole bundle.
    #[must_use]
    pub fn operators(limits: &Limits) -> Self {
        let guests = Self::guests(limits);
        Self { bodies_of_network: guests.bodies, requests_of_network: None, ..guests }
    }
}

/// Why a connection or a body was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnedAway {
    /// The listener is at its limit.
    #[error("the listener is full")]
    Full,
    /// The network or its site has used up its share.
    #[error("the address has used up its share")]
    Address,
    /// The network opens connections faster than its share allows.
    #[error("the address opens too many connections")]
    Rate,
}

impl TurnedAway {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Full, Self::Address, Self::Rate];

    /// The reason as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Address => "address",
            Self::Rate => "rate",
        }
    }
}

const MIB: usize = 1024 * 1024;
/// The networks of one site together get this multiple of the share of one network.
pub(crate) const SHARES_OF_SITE: usize = 4;
