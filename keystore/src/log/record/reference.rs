//! What records name beside their own members: evidence, and what it is bound to.

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{BrokerIdentity, Bytes, Digest32, Suite};

/// Fields of a grant's transcript that are not elsewhere in its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantBinding {
    /// The broker that the guest addressed.
    pub broker: BrokerIdentity,
    /// The guest's ephemeral public key, whose length depends on the suite.
    pub public_key: Bytes,
    /// The HPKE suite.
    pub suite: Suite,
}

/// A reference to a piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRef {
    /// SHA-256 of its bytes.
    pub digest: Digest32,
    /// Its kind, such as `event-log`.
    pub kind: String,
}
