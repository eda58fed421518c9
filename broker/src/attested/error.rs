//! Why a request was refused before anything was decided.

use std::time::Duration;

use vouchsafe_attestation::VerifyError;
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::challenge::ChallengeError;
use vouchsafe_protocol::wrap::WrapError;

use crate::gate::Limited;
use crate::identities::Accepted;
use crate::tries::TryError;

/// Why a request could not be verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// Not a live challenge of this broker.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// A live challenge that is in use, or used up.
    #[error("{error}")]
    Tried {
        /// Why.
        error: TryError,
        /// Seconds in which the request that it is in use by should be answered.
        seconds: u32,
    },
    /// Under a live challenge, the guest's key does not have the form of its suite.
    #[error("{error}")]
    Key {
        /// The challenge.
        accepted: Accepted,
        /// What is wrong with the key.
        error: WrapError,
    },
    /// The verifier refused.
    #[error(transparent)]
    Evidence(#[from] VerifyError),
    /// The verifier lacks collateral that is being fetched.
    #[error("{error}")]
    Pending {
        /// What is missing.
        error: VerifyError,
        /// Seconds after which to try again.
        seconds: u32,
    },
    /// The verifier lacks an issuing CA, and what its URL returned is unusable.
    #[error("{0}")]
    Unobtainable(VerifyError),
    /// This instance sends too many requests.
    #[error(transparent)]
    Limited(#[from] Limited),
}

impl RequestError {
    /// The reason code that the guest gets.
    pub(crate) fn code(&self) -> ReasonCode {
        match self {
            Self::Challenge(ChallengeError::Expired { .. }) => ReasonCode::ChallengeExpired,
            Self::Challenge(_) => ReasonCode::ChallengeInvalid,
            Self::Tried { error: TryError::InFlight, .. } => ReasonCode::Overloaded,
            Self::Tried { error: TryError::UsedUp, .. } => ReasonCode::NonceSpent,
            Self::Key { .. } => ReasonCode::KeyInvalid,
            Self::Evidence(error) => error.code(),
            Self::Unobtainable(_) => ReasonCode::EvidenceRefused,
            // Independent of the paths, so that it reveals nothing about them (T50).
            Self::Pending { .. } => ReasonCode::CollateralPending,
            Self::Limited(_) => ReasonCode::RateLimited,
        }
    }

    /// Seconds after which the same request may be sent again.
    pub(crate) const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Limited(limited) => Some(limited.seconds),
            Self::Pending { seconds, .. } | Self::Tried { error: TryError::InFlight, seconds } => {
                Some(*seconds)
            }
            Self::Challenge(_)
            | Self::Tried { error: TryError::UsedUp, .. }
            | Self::Key { .. }
            | Self::Evidence(_)
            | Self::Unobtainable(_) => None,
        }
    }

    /// The challenge that a signed refusal answers when the request itself could not be bound to it.
    pub(crate) const fn accepted(&self) -> Option<&Accepted> {
        match self {
            Self::Key { accepted, .. } => Some(accepted),
            _ => None,
        }
    }

    /// The reasons that operators see, one or more lines each.
    pub(crate) fn reasons(&self) -> Vec<String> {
        match self {
            Self::Evidence(error) | Self::Pending { error, .. } => vec![refused(error)],
            Self::Unobtainable(error) => {
                vec![
                    refused(error),
                    "it was not to be had there: see `vouchsafe collateral status`".to_owned(),
                ]
            }
            Self::Challenge(_) | Self::Tried { .. } | Self::Key { .. } | Self::Limited(_) => {
                vec![self.to_string()]
            }
        }
    }
}

fn refused(error: &VerifyError) -> String {
    format!("evidence refused: {} ({error})", error.name())
}

/// Seconds after which a retry is worthwhile, for collateral expected after `wait`.
pub(crate) fn retry_in(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs().saturating_add(1)).unwrap_or(u32::MAX).clamp(PENDING, MOST)
}

/// Seconds within which a working vendor service has answered.
const PENDING: u32 = 3;
const MOST: u32 = 3600;
