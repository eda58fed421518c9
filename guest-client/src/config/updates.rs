//! `[updates]`: for which baseline the digests of the next boot are proposed.

use std::path::PathBuf;

use serde::Deserialize;
use vouchsafe_protocol::ObjectName;

/// `[updates]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdatesConfig {
    /// The baseline that this VM's policies demand.
    pub baseline: ObjectName,
    /// The folder with component lists of image builders, which are sent with a proposal. It may be missing.
    #[serde(default = "default_lists")]
    pub lists: PathBuf,
}

fn default_lists() -> PathBuf {
    "/usr/lib/vouchsafe/updates.d".into()
}
