//! The client of a request.

use std::net::IpAddr;
use std::rc::Rc;

use actix_web::HttpRequest;

use super::connection::Connection;
use crate::admission::Network;

/// The client of a request, as the network shows it: a hint for people and the unit of limits, never evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// `None` only where a request has no connection, in tests.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) network: Network,
}

impl Client {
    /// The client that sent this request.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let connected = request.conn_data::<Rc<Connection>>().map(|connection| connection.peer());
        let peer = connected.or_else(|| request.peer_addr().map(|peer| peer.ip()));
        peer.map_or(Self { peer: None, network: Network::from(UNKNOWN) }, Self::from)
    }
}

impl From<IpAddr> for Client {
    fn from(peer: IpAddr) -> Self {
        Self { peer: Some(peer.to_canonical()), network: Network::from(peer) }
    }
}

/// Clients without an address are one network.
const UNKNOWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
