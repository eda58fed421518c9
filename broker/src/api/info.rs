//! `/v1/info`, on the guests' listener.

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{BrokerIdentity, Digest32, Suite};

/// Public information about a broker. Nothing in it is secret or signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Version of the program.
    pub version: String,
    /// The identities that it signs with.
    pub identities: Vec<BrokerIdentity>,
    /// HPKE suites that it accepts.
    pub suites: Vec<Suite>,
    /// SHA-256 over all trust anchors.
    pub trust_anchors: Digest32,
    /// SHA-256 of each anchor that comes from a file.
    pub extra_trust_anchors: Vec<Digest32>,
}
