//! Why a root key was not wrapped or unwrapped.

use vouchsafe_keystore::keyring::wrapped::UnwrappedKeyError;

use super::credentials::CredentialsError;
use super::key::{KmsKey, KmsKeyError};
use super::problem::Problem;
use crate::service_cas::ServiceCasError;

/// Why a root key was not wrapped or unwrapped.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// The keyring names a key that cannot be one.
    #[error("the keyring is wrapped by something else than a key in Cloud KMS: {0}")]
    Key(#[from] KmsKeyError),
    /// The CAs of the service.
    #[error(transparent)]
    Cas(#[from] ServiceCasError),
    /// The file with the credentials.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A call failed.
    #[error("Cloud KMS, {key}: {problem}")]
    Call {
        /// The key.
        key: KmsKey,
        /// Why.
        problem: Problem,
    },
    /// What was unwrapped is not a keyring.
    #[error("the wrapped keyring: {0}; put back its file from a backup (docs/operations.md)")]
    Unwrapped(#[from] UnwrappedKeyError),
}

impl KmsError {
    /// Whether it may pass by itself.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Call { problem, .. } if problem.may_pass())
    }
}
