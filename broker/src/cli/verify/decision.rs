//! `vouchsafe verify decision`: verifies a recorded grant, or a request about a volume, again from its record and evidence.
//!
//! The transcript is computed again from the record: broker, nonce, suite, guest key, body. The evidence
//! must be the one that the record names, be bound to that transcript, and give the claims that the decision
//! was based on. The record itself is as trustworthy as the broker that returned it, and the identity of that
//! broker is not taken from the record.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use vouchsafe_attestation::{Claims, VerifyError, verify};
use vouchsafe_keystore::record::{
    EvidencePiece, EvidenceRef, GrantBinding, GrantRecord, LogRecord, VolumeChange, VolumeRecord,
};
use vouchsafe_protocol::{
    Body, BoundRequest, BrokerIdentity, DecisionId, Digest32, Evidence, GuestPublicKey, Nonce, ReleaseBody,
    ReleasePaths, UnixTime, VolumeAction,
};

use super::super::failure::Failure;
use super::super::judge::{Files, Judge};
use super::super::output;
use crate::attested::evidence;

#[derive(Debug, Args)]
pub(super) struct Decision {
    /// What `decisions evidence` wrote.
    file: PathBuf,
    /// The broker that made the decision, as you know it: `ed25519:` and 43 characters, as `init` printed it and guests pin it. After a
    /// rotation of its identity, give it once for each.
    #[arg(long, value_name = "IDENTITY", required = true)]
    broker: Vec<BrokerIdentity>,
    /// Collateral of that time: CRLs, certificates of issuing CAs and AMD chips, PEM or DER; Intel's collateral and key
    /// sets, JSON; bundles of `collateral export`, signed by that broker.
    #[arg(long, value_name = "FILE")]
    collateral: Vec<PathBuf>,
    /// A launch endorsement of Google's that the broker had in its store.
    #[arg(long, value_name = "FILE")]
    endorsement: Vec<PathBuf>,
    /// Trust anchors in addition to the built-in ones; they give the root `extra`.
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// A URL of the broker: the audience of a token.
    #[arg(long, value_name = "URL")]
    audience: Vec<String>,
}

/// A recorded decision with its evidence.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct DecisionFile {
    /// The record, as in the log.
    pub(in super::super) record: LogRecord,
    /// The evidence, as the guest sent it.
    pub(in super::super) evidence: Evidence,
}

/// The result: the claims that the decision was based on.
#[derive(Debug, PartialEq, Serialize)]
struct Verified {
    decision: DecisionId,
    broker: BrokerIdentity,
    verified_at: UnixTime,
    claims_digest: Digest32,
    claims: Claims,
}

/// Why a decision does not match its record.
#[derive(Debug, thiserror::Error)]
enum Mismatch {
    #[error("only grants and requests about volumes can be verified again: this is the record of {what}")]
    NotAGrant { what: &'static str },
    #[error("the record is of a version that did not keep the guest's key")]
    NoBinding,
    #[error("the record is of broker {found}, not of {expected}")]
    OtherBroker { found: BrokerIdentity, expected: String },
    #[error("the record has a key or paths that no request can have")]
    Malformed,
    #[error("the evidence is not the one that the record names")]
    OtherEvidence,
    #[error("the evidence is refused: {0}")]
    Refused(#[from] VerifyError),
    #[error(
        "the claims have digest {found}, the record has {recorded}: give the collateral that the broker had then"
    )]
    OtherClaims { found: Digest32, recorded: Digest32 },
}

impl Mismatch {
    fn name(&self) -> String {
        match self {
            Self::NotAGrant { .. } => "not-a-grant".to_owned(),
            Self::NoBinding => "no-binding".to_owned(),
            Self::OtherBroker { .. } => "other-broker".to_owned(),
            Self::Malformed => "malformed-record".to_owned(),
            Self::OtherEvidence => "other-evidence".to_owned(),
            Self::Refused(error) => error.name(),
            Self::OtherClaims { .. } => "other-claims".to_owned(),
        }
    }
}

impl Decision {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let text = output::read_text(&self.file, MAX_FILE)?;
        let file: DecisionFile = serde_json::from_str(&text)
            .map_err(|error| Failure::file(&self.file, format!("no recorded decision: {error}")))?;
        match self.again(&file) {
            Ok(verified) => output::print_json(&verified),
            Err(Stop::Failure(failure)) => Err(failure),
            Err(Stop::Mismatch(mismatch)) => {
                output::print_json(&json!({ "refused": mismatch.name(), "detail": mismatch.to_string() }))?;
                Ok(ExitCode::from(1))
            }
        }
    }

    fn again(&self, file: &DecisionFile) -> Result<Verified, Stop> {
        // 1. The record is of this broker and has everything that the transcript covers.
        let recorded = Recorded::of(&file.record)?;
        let bound = recorded.bound(&self.broker)?;
        let broker = *bound.broker();
        // 2. The evidence is the one that the record names, piece by piece.
        let pieces = evidence::pieces(file.evidence.clone());
        if pieces.iter().map(EvidencePiece::reference).ne(recorded.evidence.iter().cloned()) {
            return Err(Mismatch::OtherEvidence.into());
        }
        // 3. The evidence is bound to the transcript, and valid at the time of the decision.
        let judge = self.judge(recorded.at)?;
        let verified = verify(&file.evidence, bound, &judge.inputs()).map_err(Mismatch::from)?;
        // 4. It gives the claims that the decision was based on.
        let found = evidence::digest(verified.claims());
        if found != recorded.claims {
            return Err(Mismatch::OtherClaims { found, recorded: recorded.claims }.into());
        }
        Ok(Verified {
            decision: file.record.id(),
            broker,
            verified_at: recorded.at,
            claims_digest: found,
            claims: verified.claims().clone(),
        })
    }

    fn judge(&self, at: UnixTime) -> Result<Judge, Failure> {
        let files = Files {
            anchors: &self.anchor,
            collateral: &self.collateral,
            endorsements: &self.endorsement,
            audiences: &self.audience,
            bundles_of: &self.broker,
        };
        Judge::open(&files, at)
    }
}

/// What a record says about a request that was verified.
struct Recorded<'r> {
    at: UnixTime,
    binding: Option<&'r GrantBinding>,
    nonce: Nonce,
    /// `None` if no request can have such a body.
    body: Option<Body>,
    evidence: &'r [EvidenceRef],
    claims: Digest32,
}

impl<'r> Recorded<'r> {
    fn of(record: &'r LogRecord) -> Result<Self, Mismatch> {
        let not_a_grant = |what| Err(Mismatch::NotAGrant { what });
        match record {
            LogRecord::Grant(grant) => Ok(Self {
                at: grant.at,
                binding: grant.binding.as_ref(),
                nonce: grant.nonce,
                body: released(grant),
                evidence: &grant.evidence,
                claims: grant.claims,
            }),
            LogRecord::Volume(volume) if volume.change == VolumeChange::Promoted => {
                not_a_grant("what a grant did to a volume")
            }
            LogRecord::Volume(volume) => Ok(Self {
                at: volume.at,
                binding: volume.binding.as_ref(),
                nonce: volume.nonce,
                body: Some(requested(volume)),
                evidence: &volume.evidence,
                claims: volume.claims,
            }),
            LogRecord::Proposal(record) => Ok(Self {
                at: record.at,
                binding: Some(&record.binding),
                nonce: record.nonce,
                body: Some(Body::Proposal(record.proposal.clone())),
                evidence: &record.evidence,
                claims: record.claims,
            }),
            LogRecord::Refusal(_) => not_a_grant("a refusal"),
            LogRecord::Operator(_) => not_a_grant("a change by an operator"),
        }
    }

    /// The request, addressed to one of these identities of the broker.
    fn bound(&self, expected: &[BrokerIdentity]) -> Result<BoundRequest, Mismatch> {
        let GrantBinding { broker, public_key, suite } = self.binding.ok_or(Mismatch::NoBinding)?;
        if !expected.contains(broker) {
            return Err(Mismatch::OtherBroker { found: *broker, expected: names(expected) });
        }
        let key = GuestPublicKey::new(*suite, public_key).map_err(|_| Mismatch::Malformed)?;
        let body = self.body.clone().ok_or(Mismatch::Malformed)?;
        Ok(BoundRequest::new(broker, self.nonce, key, body))
    }
}

fn names(brokers: &[BrokerIdentity]) -> String {
    brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// A grant covers all paths of its request.
fn released(grant: &GrantRecord) -> Option<Body> {
    let paths = grant.secrets.iter().map(|secret| secret.path.clone()).collect();
    let paths = ReleasePaths::new(paths).ok()?;
    ReleaseBody::new(paths, grant.headers.clone()).ok().map(Body::Release)
}

/// What is registered after a request follows from it, and the other way round.
fn requested(volume: &VolumeRecord) -> Body {
    let (path, current) = (volume.path.clone(), volume.state.current);
    Body::Volume(match volume.state.pending {
        Some(to) => VolumeAction::AdvanceVolume { path, from: current, to },
        None => VolumeAction::RegisterVolume { path, digest: current },
    })
}

/// Why the verification stopped: unusable arguments, or a mismatch.
#[derive(Debug)]
enum Stop {
    Failure(Failure),
    Mismatch(Mismatch),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Mismatch> for Stop {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}

/// Bytes of a recorded decision: evidence in base64 and hex, and a record.
const MAX_FILE: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
