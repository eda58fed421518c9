//! Requests and answers of the guests' API.

use serde::{Deserialize, Serialize};

use crate::answer::DecisionId;
use crate::challenge::Challenge;
use crate::digest::Digest32;
use crate::encoding::Bytes;
use crate::evidence::Evidence;
use crate::identity::BrokerIdentity;
use crate::path::SecretPath;
use crate::request::{
    BaselineProposal, Body, CarriedLists, CarriedListsError, HeadersError, ProposalId, ReleaseBody,
    ReleasePaths, VolumeAction, VolumeHeaders,
};
use crate::suite::Suite;
use crate::time::UnixTime;

/// The answer to `POST /v1/challenge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeAnswer {
    /// Sent back unchanged with the request.
    pub challenge: Challenge,
    /// The identity that the broker will sign with. The guest only uses it to choose among its pinned ones.
    pub identity: BrokerIdentity,
}

/// `POST /v1/release`. `challenge` is the first member of the object and ends within
/// [`MAX_OPENING`](crate::limits::MAX_OPENING) bytes: a broker authenticates it before it reads the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// As the broker issued it.
    pub challenge: Challenge,
    /// The suite of the guest's key.
    pub suite: Suite,
    /// The guest's ephemeral public key.
    pub public_key: Bytes,
    /// The requested paths.
    pub paths: ReleasePaths,
    /// The headers that the guest is about to open volumes with, for some of the paths. A volume that is
    /// registered needs one.
    #[serde(default, skip_serializing_if = "VolumeHeaders::is_empty")]
    pub headers: VolumeHeaders,
    /// The guest's evidence.
    pub evidence: Evidence,
}

impl ReleaseRequest {
    /// What is requested.
    ///
    /// # Errors
    /// When a header is for a path that is not requested.
    pub fn body(&self) -> Result<Body, HeadersError> {
        ReleaseBody::new(self.paths.clone(), self.headers.clone()).map(Body::Release)
    }
}

/// `POST /v1/volumes`. `challenge` is the first member, as in a [`ReleaseRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeRequest {
    /// As the broker issued it.
    pub challenge: Challenge,
    /// The suite of the guest's key.
    pub suite: Suite,
    /// The guest's ephemeral public key. Nothing is wrapped to it, but the transcript covers it.
    pub public_key: Bytes,
    /// What to do.
    pub action: VolumeAction,
    /// The guest's evidence, which has to name its instance.
    pub evidence: Evidence,
}

/// `POST /v1/baseline-proposals`. `challenge` is the first member, as in a [`ReleaseRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalRequest {
    /// As the broker issued it.
    pub challenge: Challenge,
    /// The suite of the guest's key.
    pub suite: Suite,
    /// The guest's ephemeral public key. Nothing is wrapped to it, but the transcript covers it.
    pub public_key: Bytes,
    /// What the next boot will measure.
    pub proposal: BaselineProposal,
    /// The component lists that the proposal names by their digests, in the same order.
    #[serde(default, skip_serializing_if = "CarriedLists::is_empty")]
    pub lists: CarriedLists,
    /// The guest's evidence, which has to name its instance and to show that it is a member of the baseline.
    pub evidence: Evidence,
}

impl ProposalRequest {
    /// What is requested.
    ///
    /// # Errors
    /// When the lists are not those that the proposal names.
    pub fn body(&self) -> Result<Body, CarriedListsError> {
        if self.lists.digests() != self.proposal.lists {
            return Err(CarriedListsError::OtherLists);
        }
        Ok(Body::Proposal(self.proposal.clone()))
    }
}

/// Result of parsing the first bytes of a request.
#[derive(Debug)]
pub enum Opening {
    /// The challenge, whole.
    Challenge(Challenge),
    /// Valid so far, but more bytes are needed.
    Incomplete,
    /// No request starts like this.
    Malformed(String),
}

impl Opening {
    /// Parses the challenge from the first bytes of a request. Parsing the whole request gives the same one:
    /// duplicate members are rejected there.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        for token in [b"{".as_slice(), b"\"challenge\"", b":"] {
            rest = rest.trim_ascii_start();
            rest = match rest.strip_prefix(token) {
                Some(after) => after,
                None if token.starts_with(rest) => return Self::Incomplete,
                None => return Self::Malformed("a request starts with its challenge".to_owned()),
            };
        }
        match serde_json::Deserializer::from_slice(rest).into_iter().next() {
            Some(Ok(challenge)) => Self::Challenge(challenge),
            None => Self::Incomplete,
            Some(Err(error)) if error.is_eof() => Self::Incomplete,
            Some(Err(error)) => Self::Malformed(error.to_string()),
        }
    }
}

/// The answer to a release that was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseAnswer {
    /// The id of the recorded grant.
    pub decision: DecisionId,
    /// The encapsulated key.
    pub enc: Bytes,
    /// In the order of the request's paths.
    pub secrets: Vec<WrappedSecret>,
    /// The broker's signature over all of it.
    pub signature: Bytes,
}

/// The answer to a `POST /v1/volumes` that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeAnswer {
    /// The id of the record; a request that changed nothing has none.
    pub decision: DecisionId,
    /// The volume after it.
    pub volume: VolumeState,
    /// The broker's signature over all of it.
    pub signature: Bytes,
}

/// What is registered for a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeState {
    /// The digest of the current header.
    pub current: Digest32,
    /// The number of that header: 1 for the one that was registered, one more for each that took its place.
    pub generation: u64,
    /// The digest of the header that was announced. The first release that presents it makes it the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Digest32>,
}

/// The answer to a `POST /v1/baseline-proposals` that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalAnswer {
    /// The id of the record; a proposal that changed nothing has none.
    pub decision: DecisionId,
    /// What the baseline says about the next boot.
    pub proposal: ProposalState,
    /// The broker's signature over all of it.
    pub signature: Bytes,
}

/// What a baseline says about a proposed boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProposalState {
    /// It is allowed already.
    Allowed,
    /// It will be refused until an operator, or a list that a signer of the baseline has signed, approves the proposal.
    Pending {
        /// The proposal.
        id: ProposalId,
        /// Where the boot is allowed for now: until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<UnixTime>,
    },
    /// It will be refused: an operator has rejected the proposal.
    Rejected {
        /// The proposal.
        id: ProposalId,
        /// Where the boot is allowed for now: until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<UnixTime>,
    },
}

impl ProposalState {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Pending { .. } => "pending",
            Self::Rejected { .. } => "rejected",
        }
    }
}

/// One wrapped secret of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrappedSecret {
    /// Where it lives.
    pub path: SecretPath,
    /// Which version this is.
    pub version: u64,
    /// SHA-256 of the policy that permitted it.
    pub policy_digest: Digest32,
    /// HPKE ciphertext.
    pub ciphertext: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::{ChallengeKey, Nonce};
    use crate::limits::MAX_OPENING;

    #[test]
    fn t54_a_request_opens_with_its_challenge() {
        let challenge = ChallengeKey::new(&[1; 32]).issue(
            &BrokerIdentity([2; 32]),
            Nonce([0xff; 32]),
            UnixTime(u64::MAX - 600),
            600,
        );
        let text = serde_json::to_string(&challenge).unwrap();
        for request in
            [format!("{{\"challenge\":{text},"), format!(" {{\n\t\"challenge\" : {text} , \"suite\"")]
        {
            assert!(request.len() < MAX_OPENING / 2, "there is room for blanks");
            let whole = request.find('}').unwrap() + 1;
            for length in 0..request.len() {
                match Opening::parse(&request.as_bytes()[..length]) {
                    Opening::Incomplete => assert!(length < whole, "{length}"),
                    Opening::Challenge(found) => assert!(found == challenge && length >= whole, "{length}"),
                    Opening::Malformed(reason) => panic!("{length}: {reason}"),
                }
            }
        }
    }

    #[test]
    fn t54_a_body_that_starts_differently_is_malformed() {
        for text in [
            "[",
            "{}",
            "x",
            "{\"suite\":",
            "{\"Challenge\":",
            "{\"challenge\",",
            "{\"challenge\":{}",
            "{\"challenge\":1,",
            "{\"challenge\":{\"nonce\":\"AA\"",
            "{\"chal\\u006cenge\":",
        ] {
            let opening = Opening::parse(text.as_bytes());
            assert!(matches!(opening, Opening::Malformed(_)), "{text}: {opening:?}");
        }
    }
}
