//! Why a release was refused: one variant per step, each with its code for the guest.

use vouchsafe_keystore::StoreError;
use vouchsafe_keystore::record::RecordError;
use vouchsafe_keystore::release::UnsealError;
use vouchsafe_keystore::volumes::VolumeRefusal;
use vouchsafe_policy::{Denial, ProposalDenial};
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::wrap::WrapError;

use crate::attested::{self, RequestError, VmContext};
use crate::identities::Accepted;
use crate::pool::PoolError;

/// A refused release, with what was known about the VM by then.
pub(super) type Failure = attested::Failure<ReleaseError>;

/// Why a release was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseError {
    /// The request was not verified.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The policies denied the release while CRLs named by verified certificates are being fetched.
    #[error("{denial}")]
    AwaitsCrls {
        /// The denial.
        denial: Box<Denial>,
        /// When the CRLs may become available.
        seconds: u32,
    },
    /// No verifier is free, or one failed.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The input of the decision could not be read.
    #[error(transparent)]
    Input(#[from] StoreError),
    /// The policies deny the release.
    #[error("{0}")]
    Denied(Box<Denial>),
    /// The VM may not propose this for the baseline.
    #[error(transparent)]
    Proposal(Box<ProposalDenial>),
    /// A granted secret cannot be unsealed.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// Nothing can be wrapped to the guest's key.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The grant could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Operators' changes interfered with every attempt.
    #[error("something changed during each decision")]
    KeepsChanging,
}

impl ReleaseError {
    /// The guest's code. Absent, retired and denied look the same (T50).
    pub(crate) fn code(&self) -> ReasonCode {
        match self {
            Self::Request(error) => error.code(),
            Self::Wrap(_) => ReasonCode::KeyInvalid,
            // Independent of the paths, so that it reveals nothing about them (T50).
            Self::AwaitsCrls { .. } => ReasonCode::CollateralPending,
            Self::Pool(error) => error.code(),
            Self::Denied(_) | Self::Unseal(UnsealError::NoInstance { .. }) => ReasonCode::NotGranted,
            Self::Unseal(_) => ReasonCode::Internal,
            Self::Proposal(denial) => match **denial {
                // Only a member gets this far.
                ProposalDenial::Update { .. } => ReasonCode::Conflict,
                _ => ReasonCode::NotGranted,
            },
            Self::Record(RecordError::Proposal(_)) => ReasonCode::Conflict,
            Self::Record(RecordError::NonceSpent) => ReasonCode::NonceSpent,
            Self::Record(RecordError::Volume(refusal)) => match **refusal {
                // Like any other secret that is not released (T50).
                VolumeRefusal::NoHeader { .. } | VolumeRefusal::OtherHeader { .. } => ReasonCode::NotGranted,
                // Only a VM that would be given the secret gets this far.
                _ => ReasonCode::Conflict,
            },
            Self::Input(_) | Self::Record(_) | Self::KeepsChanging => ReasonCode::Unavailable,
        }
    }

    /// Seconds after which the same request may be sent again. Never set when the grant may have been
    /// recorded.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Request(error) => error.retry_after(),
            Self::KeepsChanging => Some(1),
            Self::Pool(error) => error.retry_after(),
            Self::AwaitsCrls { seconds, .. } => Some(*seconds),
            _ => None,
        }
    }

    /// The challenge of a request that was refused before it was bound.
    pub(crate) const fn accepted(&self) -> Option<&Accepted> {
        match self {
            Self::Request(error) => error.accepted(),
            _ => None,
        }
    }

    /// The reasons that operators see, one or more lines each.
    pub(crate) fn reasons(&self) -> Vec<String> {
        match self {
            Self::Request(error) => error.reasons(),
            Self::Denied(denial) => denied(denial),
            Self::AwaitsCrls { denial, .. } => {
                let pending = "CRLs that its certificates name are being fetched".to_owned();
                denied(denial).into_iter().chain([pending]).collect()
            }
            other => vec![other.to_string()],
        }
    }
}

fn denied(denial: &Denial) -> Vec<String> {
    denial.paths.iter().map(|denied| format!("{}: {}", denied.path, denied.reason)).collect()
}

impl From<attested::Failure<RequestError>> for Failure {
    fn from(failure: attested::Failure<RequestError>) -> Self {
        Self::new(*failure.error, failure.vm)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Self::new(error, VmContext::Unknown)
    }
}
