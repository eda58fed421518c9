//! How often one instance may ask, and whose share of fetches a request uses.

use super::session::Session;
use crate::collateral::Asker;
use crate::gate::Limited;

impl Session {
    /// Turns away an instance whose share is used up, before its own signatures are verified. Counts nothing: a
    /// certificate is no secret, so that only requests of proved instances count.
    pub(super) fn admit(&self, certified: Option<&str>) -> Result<(), Limited> {
        self.broker.rate.peek(certified, self.now)
    }

    /// Counts a verified request as one of its instance, or of all that name none.
    pub(super) fn count(&self, instance: Option<&str>) -> Result<(), Limited> {
        self.broker.rate.take(instance, self.now)
    }

    /// Whose share of fetches this request uses. What it misses is unverified, even where its AK certificate is verified: a
    /// VM that names one chip after the other counts as a stranger (T56).
    pub(super) fn asker(&self, certified: Option<&str>) -> Asker {
        match certified {
            Some(name) if self.broker.wants.take(Some(name), self.now).is_ok() => Asker::Verified,
            _ => Asker::Anybody(self.arrival.network()),
        }
    }
}
