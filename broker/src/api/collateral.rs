//! `/v1/collateral`; `export` answers with a [`Bundle`](vouchsafe_protocol::bundle::Bundle).

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{BrokerIdentity, Digest32, Digest48};

pub use crate::collateral::{CollateralStatus, CrlStatus, ItemStatus};

/// Query of `import`, whose body is one file or a bundle.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportCollateral {
    /// The broker whose bundles are accepted; default: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<BrokerIdentity>,
    /// The body is the launch endorsement for this measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<Digest48>,
}

/// `remove`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveCollateral {
    /// SHA-256 of the item.
    pub digest: Digest32,
}
