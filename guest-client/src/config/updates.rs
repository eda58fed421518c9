//! `[updates]`: for which baseline the digests of the next boot are proposed.

use serde::Deserialize;
use vouchsafe_protocol::ObjectName;

/// `[updates]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdatesConfig {
    /// The baseline that this VM's policies demand.
    pub baseline: ObjectName,
}
