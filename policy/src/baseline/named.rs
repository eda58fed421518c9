//! A baseline under its name.

use std::sync::Arc;

use vouchsafe_protocol::ObjectName;

use super::document::Baseline;
use super::parse::BaselineError;

/// A stored baseline.
#[derive(Clone, Debug)]
pub struct NamedBaseline {
    /// Its name.
    pub name: ObjectName,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Its content, or why this version cannot read it: an earlier one accepted documents that are rejected now.
    pub baseline: Result<Arc<Baseline>, BaselineError>,
}

impl NamedBaseline {
    /// Its content, unless it was revoked or cannot be read.
    pub(crate) fn in_force(&self) -> Option<&Baseline> {
        self.baseline.as_deref().ok().filter(|_| !self.revoked)
    }

    /// Why it cannot be read. The content of a revoked baseline does not matter.
    pub(crate) fn unreadable(&self) -> Option<&BaselineError> {
        self.baseline.as_ref().err().filter(|_| !self.revoked)
    }
}
