//! Requests and answers of the guest's interface.

use serde::{Deserialize, Serialize};

use crate::answer::DecisionId;
use crate::challenge::Challenge;
use crate::digest::Digest32;
use crate::encoding::Bytes;
use crate::evidence::Evidence;
use crate::identity::BrokerIdentity;
use crate::path::SecretPath;
use crate::suite::Suite;
use crate::transcript::ReleasePaths;

/// The answer to `POST /v1/challenge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeAnswer {
    /// Sent back unchanged with the request.
    pub challenge: Challenge,
    /// Which of its identities the broker will sign with. The guest only uses it to choose among those
    /// that it pins.
    pub identity: BrokerIdentity,
}

/// `POST /v1/release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// As the broker issued it.
    pub challenge: Challenge,
    /// The suite of the guest's key.
    pub suite: Suite,
    /// The guest's ephemeral public key.
    pub public_key: Bytes,
    /// What is asked for.
    pub paths: ReleasePaths,
    /// What the guest shows for it.
    pub evidence: Evidence,
}

/// The answer to a release that was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseAnswer {
    /// Under which the grant is on record.
    pub decision: DecisionId,
    /// The encapsulated key.
    pub enc: Bytes,
    /// In the order of the request's paths.
    pub secrets: Vec<WrappedSecret>,
    /// The broker's signature over all of it.
    pub signature: Bytes,
}

/// One wrapped secret of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrappedSecret {
    /// Where it lives.
    pub path: SecretPath,
    /// Which version this is.
    pub version: u64,
    /// SHA-256 of the policy that allowed it.
    pub policy_digest: Digest32,
    /// HPKE ciphertext.
    pub ciphertext: Bytes,
}
