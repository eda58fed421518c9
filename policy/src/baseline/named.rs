//! A baseline under its name.

use std::sync::Arc;

use vouchsafe_protocol::ObjectName;

use super::document::Baseline;

/// A stored baseline.
#[derive(Clone, Debug)]
pub struct NamedBaseline {
    /// Its name.
    pub name: ObjectName,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Its content.
    pub baseline: Arc<Baseline>,
}
