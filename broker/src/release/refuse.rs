//! Refusals: recorded, counted, and told to the guest with nothing but a code.
//!
//! Denials of VMs of known owners go to the log, limited by instance; all others into bounded memory, since
//! authentic evidence is not scarce. Under a live challenge a refusal is signed.

use vouchsafe_keystore::record::{EvidencePiece, NewRefusal, RefusalRecord};
use vouchsafe_protocol::challenge::ChallengeError;
use vouchsafe_protocol::messages::ReleaseRequest;
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{DecisionId, Digest32, Nonce, ReasonCode, RequestDigest, SecretPath, UnixTime};

use super::{Proved, ReleaseError, name_of};
use crate::broker::Broker;
use crate::problem::HttpProblem;
use crate::refusals::Standing;

/// A refusal that has been dealt with; what is left is to say so.
#[derive(Debug)]
pub(crate) struct Refused {
    code: ReasonCode,
    decision: DecisionId,
    /// The nonce to sign for.
    nonce: Option<Nonce>,
    retry_after: Option<u32>,
}

/// Refuses a request whose challenge is not live, before anything else of it was read.
pub(crate) fn refuse_challenge(
    broker: &Broker,
    decision: DecisionId,
    at: UnixTime,
    error: ChallengeError,
) -> HttpProblem {
    let subject = Subject { decision, at, paths: Vec::new(), nonce: None, shown: None, known: None };
    refuse(broker, subject, error.into()).problem(broker, &[])
}

/// What a refusal is about.
pub(super) struct Subject {
    pub(super) decision: DecisionId,
    pub(super) at: UnixTime,
    pub(super) paths: Vec<SecretPath>,
    /// The nonce, once the challenge was found good.
    pub(super) nonce: Option<Nonce>,
    pub(super) shown: Option<String>,
    pub(super) known: Option<Box<Known>>,
}

/// What is known of a VM whose evidence was verified.
#[derive(Clone)]
pub(super) struct Known {
    claims: Digest32,
    instance: Option<String>,
    pieces: Vec<EvidencePiece>,
    durable: bool,
}

impl Known {
    /// `durable` when the refusal is worth a record on disk.
    pub(super) fn of(proved: &Proved, durable: bool) -> Self {
        Self {
            claims: proved.claims_digest,
            instance: proved.instance().map(name_of),
            pieces: if durable { proved.pieces.clone() } else { Vec::new() },
            durable,
        }
    }
}

impl Subject {
    pub(super) fn of(decision: DecisionId, request: &ReleaseRequest, at: UnixTime) -> Self {
        let paths = request.paths.as_slice().to_vec();
        Self { decision, at, paths, nonce: None, shown: None, known: None }
    }
}

/// Records a refusal as far as it is worth it and counts it.
fn refuse_in(broker: &Broker, subject: Subject, error: &ReleaseError) -> Refused {
    let code = error.code();
    let Subject { decision, at, paths, nonce, shown, known } = subject;
    broker.metrics.refused(code);
    let instance = known.as_ref().and_then(|known| known.instance.clone());
    tracing::info!(event = "release.refused", %decision, %code, instance);
    let mut reasons = error.reasons();
    reasons.extend(shown.map(|name| format!("the AK certificate that was shown is that of instance {name}")));
    let claims = known.as_ref().map(|known| known.claims);
    let standing = match (&known, nonce) {
        (Some(_), _) => Standing::Verified,
        (None, Some(_)) => Standing::Unverified,
        (None, None) => Standing::Malformed,
    };
    let record = RefusalRecord { at, claims, code, decision, evidence: Vec::new(), instance, paths, reasons };
    let durable = known.filter(|known| known.durable).is_some_and(|known| {
        broker.keystore.record_refusal(NewRefusal { record: record.clone(), evidence: known.pieces })
    });
    if !durable && code != ReasonCode::Overloaded {
        broker.metrics.refusals_not_durable.inc();
        broker.refusals.keep(record, standing);
    }
    let nonce = nonce.or(match error {
        ReleaseError::Key { nonce, .. } => Some(*nonce),
        _ => None,
    });
    // Turning work away must stay cheap: a busy broker does not sign.
    let nonce = nonce.filter(|_| code != ReasonCode::Overloaded);
    Refused { code, decision, nonce, retry_after: error.retry_after() }
}

/// As [`refuse_in`], and says what only the broker's own log is told.
pub(super) fn refuse(broker: &Broker, subject: Subject, error: ReleaseError) -> Refused {
    match &error {
        ReleaseError::Consider(_) | ReleaseError::Record(_) => {
            tracing::warn!(event = "release.storage", decision = %subject.decision, %error);
        }
        ReleaseError::Unseal(_) => {
            tracing::error!(event = "release.unseal", decision = %subject.decision, code = %error.code());
        }
        _ => {}
    }
    refuse_in(broker, subject, &error)
}

impl Refused {
    /// What the guest is told.
    #[cfg(test)]
    pub(crate) const fn code(&self) -> ReasonCode {
        self.code
    }

    /// When the guest is told to come back.
    #[cfg(test)]
    pub(crate) const fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// Whether the guest can tell that it was this broker.
    #[cfg(test)]
    pub(crate) const fn is_signed(&self) -> bool {
        self.nonce.is_some()
    }

    /// The problem for the guest who sent `request`, signed when its challenge was good.
    pub(crate) fn problem(self, broker: &Broker, request: &[u8]) -> HttpProblem {
        let Self { code, decision, nonce, retry_after } = self;
        let signed = nonce.map(|nonce| {
            Problem::signed(&broker.identity, &nonce, &RequestDigest::of(request), code, decision)
        });
        let problem = signed.map_or_else(|| HttpProblem::new(code), HttpProblem::from).under(decision);
        match retry_after {
            Some(seconds) => problem.retry_after(seconds),
            None => problem,
        }
    }
}
