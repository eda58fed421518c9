//! The resources that a request holds.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::admission::{BodyPermit, Network};
use crate::broker::Broker;
use crate::gate::Admitted;
use crate::pool::Lane;
use crate::server::client::Client;
use crate::tries::Try;

/// Where a request came from, and the bounded resources that it holds: its challenge, a slot among the releases, and
/// the room for its body.
///
/// They belong to the work, not to the connection, and are released after the last buffer of the request: a
/// client that disconnects while its request waits for a verifier frees nothing early.
#[derive(Debug)]
pub(crate) struct Arrival {
    client: Client,
    tried: Arc<Try>,
    _admitted: Admitted,
    _room: Arc<BodyPermit>,
}

impl Arrival {
    /// Takes a slot among the releases for a request whose body holds this room.
    pub(crate) fn enter(broker: &Broker, client: Client, tried: Arc<Try>, room: Arc<BodyPermit>) -> Self {
        Self { client, tried, _admitted: broker.gate.enter(client.network), _room: room }
    }

    /// The lane of this client.
    pub(crate) fn lane(&self, broker: &Broker) -> Lane {
        match broker.failed.suspects(self.client.network, Instant::now()) {
            true => Lane::Suspects(self.client.network),
            false => Lane::Guests(self.client.network),
        }
    }

    /// The use of the challenge.
    pub(super) const fn tried(&self) -> &Arc<Try> {
        &self.tried
    }

    /// The client's network.
    pub(crate) const fn network(&self) -> Network {
        self.client.network
    }

    /// The client's address.
    pub(super) const fn peer(&self) -> Option<IpAddr> {
        self.client.peer
    }
}
