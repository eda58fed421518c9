//! Why a release was refused: one variant a step, each with what the guest is told.

use std::time::Duration;

use vouchsafe_attestation::VerifyError;
use vouchsafe_keystore::record::RecordError;
use vouchsafe_keystore::release::ConsiderError;
use vouchsafe_keystore::store::UnsealError;
use vouchsafe_policy::Denial;
use vouchsafe_protocol::challenge::ChallengeError;
use vouchsafe_protocol::wrap::WrapError;
use vouchsafe_protocol::{Nonce, ReasonCode};

use crate::gate::Limited;
use crate::pool::PoolError;

/// Why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseError {
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
    /// The policies said no while CRLs that verified certificates name are on their way.
    #[error("{denial}")]
    AwaitsCrls {
        /// What they said.
        denial: Box<Denial>,
        /// When the lists may be there.
        seconds: u32,
    },
    /// This instance asks too often.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// No verifier is free, or one failed.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// What a decision needs could not be read.
    #[error(transparent)]
    Consider(#[from] ConsiderError),
    /// The policies said no.
    #[error("{0}")]
    Denied(Box<Denial>),
    /// A granted secret does not open.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// Nothing can be wrapped to the guest's key.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The grant is not on record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Operators changed something again and again meanwhile.
    #[error("something changed with each decision")]
    KeepsChanging,
}

impl ReleaseError {
    /// What the guest is told. What is absent, retired or denied is told alike (T50).
    pub(crate) fn code(&self) -> ReasonCode {
        match self {
            Self::Challenge(ChallengeError::Expired { .. }) => ReasonCode::ChallengeExpired,
            Self::Challenge(_) => ReasonCode::ChallengeInvalid,
            Self::Key { .. } | Self::Wrap(_) => ReasonCode::KeyInvalid,
            Self::Evidence(error) => error.code(),
            Self::Unobtainable(_) => ReasonCode::EvidenceRefused,
            // Independent of the paths, so that it tells nothing of them (T50).
            Self::Pending { .. } | Self::AwaitsCrls { .. } => ReasonCode::CollateralPending,
            Self::Limited(_) => ReasonCode::RateLimited,
            Self::Pool(PoolError::Full) => ReasonCode::Overloaded,
            Self::Pool(PoolError::Failed) => ReasonCode::Internal,
            Self::Denied(_) | Self::Unseal(UnsealError::NoInstance { .. }) => ReasonCode::NotGranted,
            Self::Unseal(_) => ReasonCode::Internal,
            Self::Record(RecordError::NonceSpent) => ReasonCode::NonceSpent,
            Self::Consider(_) | Self::Record(_) | Self::KeepsChanging => ReasonCode::Unavailable,
        }
    }

    /// Seconds after which the very same request may be sent again. Never when the grant may be on record.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Limited(limited) => Some(limited.seconds),
            Self::Pool(PoolError::Full) | Self::KeepsChanging => Some(1),
            Self::Pending { seconds, .. } | Self::AwaitsCrls { seconds, .. } => Some(*seconds),
            _ => None,
        }
    }

    /// What operators are told, one line or more a reason.
    pub(crate) fn reasons(&self) -> Vec<String> {
        match self {
            Self::Evidence(error) | Self::Pending { error, .. } => vec![refused(error)],
            Self::Unobtainable(error) => {
                vec![
                    refused(error),
                    "it was not to be had there: see `vouchsafe collateral status`".to_owned(),
                ]
            }
            Self::Denied(denial) => denied(denial),
            Self::AwaitsCrls { denial, .. } => {
                let pending = "CRLs that its certificates name are being fetched".to_owned();
                denied(denial).into_iter().chain([pending]).collect()
            }
            other => vec![other.to_string()],
        }
    }
}

fn refused(error: &VerifyError) -> String {
    format!("evidence refused: {} ({error})", error.name())
}

fn denied(denial: &Denial) -> Vec<String> {
    denial.paths.iter().map(|denied| format!("{}: {}", denied.path, denied.reason)).collect()
}

/// Seconds after which it is worth to come back for what may be there after `wait`.
pub(crate) fn retry_in(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs().saturating_add(1)).unwrap_or(u32::MAX).clamp(PENDING, MOST)
}

/// Seconds in which a vendor that is up has answered.
const PENDING: u32 = 3;
const MOST: u32 = 3600;
