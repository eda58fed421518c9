//! Answers and refusals, signed by the broker's identity.
//!
//! Without this signature a proxy that terminates TLS could send the guest a secret chosen by the proxy: HPKE
//! base mode does not authenticate the sender.

mod proposal;
mod volume;

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::challenge::Nonce;
use crate::digest::Digest32;
use crate::encoding::Bytes;
use crate::hashing::Preimage;
use crate::identity::{BrokerIdentity, IdentityKey};
use crate::messages::{ReleaseAnswer, WrappedSecret};
use crate::path::SecretPath;
use crate::problem::{Problem, ReasonCode};
use crate::request::{Body, BoundRequest, Transcript};
use crate::secret::PlaintextSecret;
use crate::wrap::{GuestKey, SecretLabel, WrapError};

/// Identifies a decision: 128 random bits, written as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId(pub [u8; 16]);

/// The text is not a decision id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a decision id is 32 lower-case hex digits")]
pub struct DecisionIdError;

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for DecisionId {
    type Err = DecisionIdError;

    fn from_str(text: &str) -> Result<Self, DecisionIdError> {
        let mut id = [0; 16];
        if text.bytes().any(|b| b.is_ascii_uppercase()) || hex::decode_to_slice(text, &mut id).is_err() {
            return Err(DecisionIdError);
        }
        Ok(Self(id))
    }
}

impl Serialize for DecisionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DecisionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Why the guest rejects an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not signed by an identity that the guest pins, over this guest's own transcript and the request as it sent it.
    #[error("the answer is not signed by a pinned broker identity for this request")]
    Signature,
    /// Signed, but for other paths than requested, or in another order.
    #[error("the answer is for other paths than requested")]
    OtherPaths,
    /// Signed, but for a volume that is not in the state that the request asked for.
    #[error("the answer is for another header than requested")]
    OtherHeader,
    /// Signed, but the request was for something else.
    #[error("the answer is for another action than requested")]
    OtherAction,
    /// Signed, but a secret in it cannot be opened.
    #[error(transparent)]
    Wrap(#[from] WrapError),
}

/// SHA-256 of a request's body as it was sent: what an answer or a refusal is one to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestDigest(pub Digest32);

impl RequestDigest {
    /// Of these bytes.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(Digest32::of(body))
    }
}

/// A secret that the guest has opened.
#[derive(Debug)]
pub struct OpenedSecret {
    /// Where it lives.
    pub path: SecretPath,
    /// Which version it is.
    pub version: u64,
    /// The secret.
    pub secret: PlaintextSecret,
}

impl ReleaseAnswer {
    /// Signs an answer to `request`.
    ///
    /// The transcript commits to the guest's key and to the requested paths; the request's digest adds the
    /// evidence. An attacker who sends other evidence with this guest's key gets an answer that this guest
    /// rejects.
    #[must_use]
    pub fn sign(
        key: &IdentityKey,
        transcript: &Transcript,
        request: &RequestDigest,
        decision: DecisionId,
        enc: Bytes,
        secrets: Vec<WrappedSecret>,
    ) -> Self {
        let signature = Bytes(key.sign(&answer_preimage(transcript, request, decision, &enc, &secrets)));
        Self { decision, enc, secrets, signature }
    }

    /// Checks the answer to `request` and opens the secrets in it: the signature of the broker in the guest's own
    /// transcript, then the paths, then each ciphertext.
    ///
    /// # Errors
    /// [`AnswerError`]; nothing of a refused answer is used.
    pub fn open_with(
        &self,
        key: &GuestKey,
        bound: &BoundRequest,
        request: &RequestDigest,
    ) -> Result<Vec<OpenedSecret>, AnswerError> {
        let transcript = bound.transcript();
        let preimage = answer_preimage(&transcript, request, self.decision, &self.enc, &self.secrets);
        if !bound.broker().signed(&preimage, &self.signature) {
            return Err(AnswerError::Signature);
        }
        let paths = match bound.body() {
            Body::Release(release) => release.paths().as_slice(),
            Body::Volume(_) | Body::Proposal(_) => &[],
        };
        if !self.secrets.iter().map(|secret| &secret.path).eq(paths) {
            return Err(AnswerError::OtherPaths);
        }
        let wrapped: Vec<_> = self.secrets.iter().map(|s| (s.label(), &s.ciphertext[..])).collect();
        let opened = key.open(&transcript, &self.enc, &wrapped)?;
        Ok(self
            .secrets
            .iter()
            .zip(opened)
            .map(|(sent, secret)| OpenedSecret { path: sent.path.clone(), version: sent.version, secret })
            .collect())
    }
}

impl WrappedSecret {
    /// What its ciphertext is bound to.
    #[must_use]
    pub const fn label(&self) -> SecretLabel<'_> {
        SecretLabel { path: &self.path, version: self.version }
    }
}

impl Problem {
    /// A refusal of `request` under a valid challenge, signed.
    ///
    /// The signature covers the request's bytes, so a refusal of one request is not valid for another one,
    /// even under the same challenge.
    #[must_use]
    pub fn signed(
        key: &IdentityKey,
        nonce: &Nonce,
        request: &RequestDigest,
        code: ReasonCode,
        decision: DecisionId,
    ) -> Self {
        let mut problem = Self::new(code);
        let preimage = refusal_preimage(&key.identity(), nonce, request, code, decision);
        problem.signature = Some(Bytes(key.sign(&preimage)));
        problem.decision = Some(decision);
        problem
    }

    /// Whether `broker` signed this refusal for this request under the challenge with this nonce.
    #[must_use]
    pub fn is_signed_by(&self, broker: &BrokerIdentity, nonce: &Nonce, request: &RequestDigest) -> bool {
        let (Some(decision), Some(signature)) = (self.decision, &self.signature) else {
            return false;
        };
        broker.signed(&refusal_preimage(broker, nonce, request, self.code, decision), signature)
    }
}

// Answer = label || transcript || SHA-256(request as sent) || decision id || SHA-256(enc) || n || for each secret: path
//          || version || policy digest || SHA-256(ciphertext), each length-prefixed; numbers as 8 bytes big-endian.
fn answer_preimage(
    transcript: &Transcript,
    request: &RequestDigest,
    decision: DecisionId,
    enc: &[u8],
    secrets: &[WrappedSecret],
) -> Vec<u8> {
    let preimage = Preimage::new(ANSWER_LABEL)
        .field(transcript.as_bytes())
        .field(request.0.as_bytes())
        .field(&decision.0)
        .field(Digest32::of(enc).as_bytes())
        .number(secrets.len() as u64);
    secrets
        .iter()
        .fold(preimage, |preimage, secret| {
            preimage
                .field(secret.path.as_str().as_bytes())
                .number(secret.version)
                .field(secret.policy_digest.as_bytes())
                .field(Digest32::of(&secret.ciphertext).as_bytes())
        })
        .into_bytes()
}

// Refusal = label || broker identity || nonce || SHA-256(request as sent) || reason code || decision id,
//           each length-prefixed.
fn refusal_preimage(
    broker: &BrokerIdentity,
    nonce: &Nonce,
    request: &RequestDigest,
    code: ReasonCode,
    decision: DecisionId,
) -> Vec<u8> {
    Preimage::new(REFUSAL_LABEL)
        .field(&broker.0)
        .field(&nonce.0)
        .field(request.0.as_bytes())
        .field(code.as_str().as_bytes())
        .field(&decision.0)
        .into_bytes()
}

const ANSWER_LABEL: &[u8] = b"vouchsafe/v2 answer";
const REFUSAL_LABEL: &[u8] = b"vouchsafe/v1 refusal";

#[cfg(test)]
mod tests;
