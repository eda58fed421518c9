//! Why a request was refused before anything was decided.

use std::time::Duration;

use vouchsafe_attestation::VerifyError;
use vouchsafe_protocol::challenge::ChallengeError;
use vouchsafe_protocol::wrap::WrapError;
use vouchsafe_protocol::{Nonce, ReasonCode};

use crate::gate::Limited;

/// Why a request is not a verified one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// Not a live challenge of this broker.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// The guest's key does not have the form of its suite, under a live challenge.
    #[error("{error}")]
    Key {
        /// The challenge's nonce.
        nonce: Nonce,
        /// What is wrong with the key.
        error: WrapError,
    },
    /// The verifier refused.
    #[error(transparent)]
    Evidence(#[from] VerifyError),
    /// The verifier misses collateral that is on its way.
    #[error("{error}")]
    Pending {
        /// What it misses.
        error: VerifyError,
        /// When it may be there.
        seconds: u32,
    },
    /// The verifier misses an issuing CA, and what its address gave is of no use.
    #[error("{0}")]
    Unobtainable(VerifyError),
    /// This instance asks too often.
    #[error(transparent)]
    Limited(#[from] Limited),
}

impl RequestError {
    /// What the guest is told.
    pub(crate) fn code(&self) -> ReasonCode {
        match self {
            Self::Challenge(ChallengeError::Expired { .. }) => ReasonCode::ChallengeExpired,
            Self::Challenge(_) => ReasonCode::ChallengeInvalid,
            Self::Key { .. } => ReasonCode::KeyInvalid,
            Self::Evidence(error) => error.code(),
            Self::Unobtainable(_) => ReasonCode::EvidenceRefused,
            // Independent of the paths, so that it tells nothing of them (T50).
            Self::Pending { .. } => ReasonCode::CollateralPending,
            Self::Limited(_) => ReasonCode::RateLimited,
        }
    }

    /// Seconds after which the very same request may be sent again.
    pub(crate) const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Limited(limited) => Some(limited.seconds),
            Self::Pending { seconds, .. } => Some(*seconds),
            Self::Challenge(_) | Self::Key { .. } | Self::Evidence(_) | Self::Unobtainable(_) => None,
        }
    }

    /// The nonce that the refusal is signed for, where the request itself could not be bound to it.
    pub(crate) const fn nonce(&self) -> Option<Nonce> {
        match self {
            Self::Key { nonce, .. } => Some(*nonce),
            _ => None,
        }
    }

    /// What operators are told, one line or more per reason.
    pub(crate) fn reasons(&self) -> Vec<String> {
        match self {
            Self::Evidence(error) | Self::Pending { error, .. } => vec![refused(error)],
            Self::Unobtainable(error) => {
                vec![
                    refused(error),
                    "it was not to be had there: see `vouchsafe collateral status`".to_owned(),
                ]
            }
            Self::Challenge(_) | Self::Key { .. } | Self::Limited(_) => vec![self.to_string()],
        }
    }
}

fn refused(error: &VerifyError) -> String {
    format!("evidence refused: {} ({error})", error.name())
}

/// Seconds after which it is worth asking again for what may be there after `wait`.
pub(crate) fn retry_in(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs().saturating_add(1)).unwrap_or(u32::MAX).clamp(PENDING, MOST)
}

/// Seconds in which a vendor that is up has answered.
const PENDING: u32 = 3;
const MOST: u32 = 3600;
