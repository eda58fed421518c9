//! What a request holds of the broker's bounds.

use std::sync::Arc;

use crate::admission::{BodyPermit, Network};
use crate::broker::Broker;
use crate::gate::Admitted;

/// Where a request came from, and what it holds of the bounds: its place among the releases, and the room of its body.
///
/// It belongs to the work, not to the connection, and is dropped after the last buffer of it: a client that goes away
/// while its request waits for a verifier gives nothing back before that.
#[derive(Debug)]
pub(crate) struct Arrival {
    network: Network,
    _admitted: Admitted,
    _room: Arc<BodyPermit>,
}

impl Arrival {
    /// Takes a place among the releases, for a request that was read from a body with this room.
    pub(crate) fn enter(broker: &Broker, network: Network, room: Arc<BodyPermit>) -> Self {
        Self { network, _admitted: broker.gate.enter(), _room: room }
    }

    /// Whose the request is.
    pub(super) const fn network(&self) -> Network {
        self.network
    }
}
