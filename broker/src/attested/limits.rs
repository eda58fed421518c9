//! Request rate per instance, and whose share of fetches a request uses.

use super::session::Session;
use crate::collateral::Asker;
use crate::gate::Limited;

impl Session {
    /// Turns away an instance that has used up its share, before its own signatures are verified. Does not
    /// count the request: a certificate is public, so only requests of proved instances count.
    pub(super) fn admit(&self, certified: Option<&str>) -> Result<(), Limited> {
        self.broker.rate.peek(certified, self.now)
    }

    /// Counts a verified request for its instance, or for all VMs without a named instance together.
    pub(super) fn count(&self, instance: Option<&str>) -> Result<(), Limited> {
        self.broker.rate.take(instance, self.now)
    }

    /// The client to whose share the fetches of this request are counted. The missing items are named by
    /// unverified evidence, even if its AK certificate is verified. So a VM that names one chip after another
    /// is treated as an unverified client (T56).
    pub(super) fn asker(&self, certified: Option<&str>) -> Asker {
        match certified {
            Some(name) if self.broker.wants.take(Some(name), self.now).is_ok() => Asker::Verified,
            _ => Asker::Unverified(self.arrival.network()),
        }
    }
}
