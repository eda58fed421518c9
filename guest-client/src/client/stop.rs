//! How an attempt ended: with a result that is final, or with a fault that may pass.

use std::time::Duration;

use vouchsafe_protocol::answer::AnswerError;
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{BoundRequest, DecisionId, ReasonCode, RequestDigest};

use super::error::{AttemptError, FetchError};
use crate::evidence::CollectError;
use crate::transport::Response;

/// How an attempt failed.
pub(super) enum Stop {
    Final(FetchError),
    Again(Again),
}

/// The error, and when the broker may be tried again.
pub(super) struct Again {
    pub(super) error: AttemptError,
    pub(super) retry_after: Option<Duration>,
}

impl From<FetchError> for Stop {
    fn from(error: FetchError) -> Self {
        Self::Final(error)
    }
}

pub(super) fn again(error: AttemptError) -> Stop {
    Stop::Again(Again { error, retry_after: None })
}

/// Something that the VM itself lacks does not appear by retrying; a fault elsewhere may pass.
pub(super) fn no_evidence(error: CollectError) -> Stop {
    if error.may_pass() { again(AttemptError::Evidence(error)) } else { FetchError::Collect(error).into() }
}

/// An answer without a pinned identity's signature is ignored; a signed one that does not fit is the broker's
/// mistake, which retrying does not fix.
pub(super) fn rejected(source: AnswerError, decision: DecisionId) -> Stop {
    match source {
        AnswerError::Signature => again(AttemptError::NotSigned),
        source => Stop::Final(FetchError::Answer { decision, source }),
    }
}

/// The meaning of a status other than 200.
pub(super) fn refused(response: &Response, bound: &BoundRequest, request: &RequestDigest) -> Stop {
    let retry_after = response.retry_after;
    let problem = serde_json::from_slice::<Problem>(&response.body).ok();
    let signed = problem.filter(|problem| problem.is_signed_by(bound.broker(), &bound.nonce(), request));
    let Some((code, decision)) = signed.and_then(|problem| Some((problem.code, problem.decision?))) else {
        return Stop::Again(Again { error: AttemptError::unsigned(response), retry_after });
    };
    if may_pass(code) {
        return Stop::Again(Again { error: AttemptError::Busy { code, decision }, retry_after });
    }
    Stop::Final(FetchError::Refused { code, decision })
}

/// Refusals that may not recur with another challenge.
const fn may_pass(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::ChallengeInvalid
            | ReasonCode::ChallengeExpired
            | ReasonCode::NonceSpent
            | ReasonCode::EvidenceUnsettled
            | ReasonCode::CollateralPending
            | ReasonCode::Overloaded
            | ReasonCode::RateLimited
            | ReasonCode::Unavailable
            | ReasonCode::RequestTimeout
            | ReasonCode::Internal
    )
}
