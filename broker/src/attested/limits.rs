//! Requests that are turned away before they are verified, and whose share of fetches a request uses.

use std::time::Instant;

use super::session::Session;
use crate::collateral::Asker;
use crate::failed::Origin;
use crate::gate::Limited;
use crate::pool::Lane;

impl Session {
    /// Turns away what sent too many worthless requests, and an instance that has used up its share, before its own
    /// signatures are verified. Does not count the request: a certificate is public, so only requests of proved instances count.
    pub(super) fn admit(&self, certified: Option<&str>) -> Result<(), Limited> {
        let (failed, network, now) = (&self.broker.failed, self.arrival.network(), Instant::now());
        match certified {
            None => failed.admit(Origin::Network(network), now)?,
            Some(name) => {
                failed.admit(Origin::Certified(network, name), now)?;
                failed.admit(Origin::Proved(name), now)?;
            }
        }
        self.broker.rate.peek(certified, self.now)
    }

    /// Counts a verified request for its instance, or for all VMs without a named instance together.
    pub(super) fn count(&self, instance: Option<&str>) -> Result<(), Limited> {
        self.broker.rate.take(instance, self.now)
    }

    /// The lane in which the request is verified and decided.
    pub(crate) fn lane(&self) -> Lane {
        self.arrival.lane(&self.broker)
    }

    /// The client to whose share the fetches of this request are counted. The missing items are named by
    /// unverified evidence, even if its AK certificate is verified. So a VM that names one chip after another
    /// is treated as an unverified client (T56).
    pub(super) fn asker(&self, certified: Option<&str>) -> Asker {
        let network = self.arrival.network();
        match certified {
            Some(name) if self.broker.wants.take(name, network, self.now) => Asker::Verified,
            _ => Asker::Unverified(network),
        }
    }
}
