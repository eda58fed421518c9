//! A baseline under its name.

use std::sync::Arc;

use vouchsafe_protocol::ObjectName;

use super::document::Baseline;

/// A baseline of the keystore.
#[derive(Clone, Debug)]
pub struct NamedBaseline {
    /// Its name.
    pub name: ObjectName,
    /// Whether it was revoked.
    pub revoked: bool,
    /// What it allows.
    pub baseline: Arc<Baseline>,
}
