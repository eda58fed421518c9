//! `/v1/info`, on the guests' listener.

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{BrokerIdentity, Digest32, Suite};

/// What a broker says of itself. Nothing in it is secret, nothing in it is signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Of the program.
    pub version: String,
    /// Those that it signs with.
    pub identities: Vec<BrokerIdentity>,
    /// HPKE suites that it takes.
    pub suites: Vec<Suite>,
    /// SHA-256 over all trust anchors.
    pub trust_anchors: Digest32,
    /// SHA-256 of each anchor that comes from a file.
    pub extra_trust_anchors: Vec<Digest32>,
}
