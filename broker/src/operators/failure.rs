//! Problems for operators from errors of the keystore: whose fault it is, and what to do.

use vouchsafe_attestation::collateral::ItemError;
use vouchsafe_keystore::StoreError;
use vouchsafe_keystore::keyring::KeyringError;
use vouchsafe_keystore::keyring::file::KeyringFileError;
use vouchsafe_keystore::registry::{
    DocumentError, ForgetError, IdentityError, OperatorError, ProposalError, RegisterError, SecretError,
};
use vouchsafe_keystore::rotation::RotationError;
use vouchsafe_protocol::{ReasonCode, UnixTime};

use crate::clock;
use crate::collateral::CollateralFileError;
use crate::keyring_home::KeyringHomeError;
use crate::problem::HttpProblem;

/// The refusal of a token that is not, or not any more, that of an operator.
pub(super) fn invalid_token() -> HttpProblem {
    HttpProblem::for_operator(ReasonCode::Unauthorized, "invalid or revoked operator token")
}

/// The refusal of a token that has ended, for its bearer.
pub(super) fn expired_token(operator: &str, ended_at: UnixTime) -> HttpProblem {
    let detail = format!("the token of operator {operator} ended at {}", clock::human(ended_at));
    HttpProblem::for_operator(ReasonCode::TokenExpired, detail)
}

impl From<StoreError> for HttpProblem {
    fn from(error: StoreError) -> Self {
        if let StoreError::AccountGone { operator } = &error {
            tracing::warn!(event = "operator.revoked", operator);
            return invalid_token();
        }
        let code = match &error {
            // The request is at fault.
            StoreError::NotPermitted { .. } => ReasonCode::Forbidden,
            StoreError::ParameterTooLarge { .. } => ReasonCode::MalformedRequest,
            _ => {
                tracing::error!(event = "keystore.failed", %error);
                ReasonCode::Unavailable
            }
        };
        Self::for_operator(code, error.to_string())
    }
}

impl From<SecretError> for HttpProblem {
    fn from(error: SecretError) -> Self {
        use SecretError as E;
        let code = match error {
            E::Store(error) => return error.into(),
            E::Unknown { .. } | E::UnknownVersion { .. } => ReasonCode::NotFound,
            E::Destroyed { .. }
            | E::OtherKind { .. }
            | E::OtherPolicy { .. }
            | E::NothingToRestore { .. } => ReasonCode::Conflict,
            E::NoSuchPolicy { .. }
            | E::ForeignPolicy { .. }
            | E::GeneratedLength { .. }
            | E::Purpose(_)
            | E::Policy { .. } => ReasonCode::InvalidObject,
            E::Seal(_) | E::Random(_) => ReasonCode::Internal,
        };
        Self::for_operator(code, error.to_string())
    }
}

impl From<ForgetError> for HttpProblem {
    fn from(error: ForgetError) -> Self {
        match error {
            ForgetError::Store(error) => error.into(),
            ForgetError::NotRegistered { .. } => Self::for_operator(ReasonCode::NotFound, error.to_string()),
        }
    }
}

impl From<ProposalError> for HttpProblem {
    fn from(error: ProposalError) -> Self {
        let code = match error {
            ProposalError::Register(error) => return error.into(),
            ProposalError::Unknown { .. } => ReasonCode::NotFound,
            ProposalError::Approved { .. }
            | ProposalError::Rejected { .. }
            | ProposalError::DecidedBefore(_) => ReasonCode::Conflict,
            ProposalError::Unreadable { .. } | ProposalError::Update { .. } => ReasonCode::InvalidObject,
        };
        Self::for_operator(code, error.to_string())
    }
}

impl From<DocumentError> for HttpProblem {
    fn from(error: DocumentError) -> Self {
        let code = match error {
            DocumentError::Store(error) => return error.into(),
            DocumentError::Unknown { .. } => ReasonCode::NotFound,
            DocumentError::Revoked { .. } | DocumentError::Overtaken => ReasonCode::Conflict,
            DocumentError::TooLarge { .. } => ReasonCode::InvalidObject,
        };
        Self::for_operator(code, error.to_string())
    }
}

impl From<OperatorError> for HttpProblem {
    fn from(error: OperatorError) -> Self {
        let code = match error {
            OperatorError::Store(error) => return error.into(),
            OperatorError::Unknown { .. } => ReasonCode::NotFound,
            OperatorError::Exists { .. }
            | OperatorError::NotFirst
            | OperatorError::LastAdministrator { .. }
            | OperatorError::Replaced { .. }
            | OperatorError::TokenUsed { .. } => ReasonCode::Conflict,
            OperatorError::LongerThanGranted { .. } => ReasonCode::Forbidden,
            OperatorError::Name { .. }
            | OperatorError::NoNamespace { .. }
            | OperatorError::AdministratorNamespace
            | OperatorError::EveryNamespace
            | OperatorError::Lifetime { .. }
            | OperatorError::Overlap { .. } => ReasonCode::InvalidObject,
            OperatorError::Random(_) => ReasonCode::Internal,
        };
        Self::for_operator(code, error.to_string())
    }
}

impl From<CollateralFileError> for HttpProblem {
    fn from(error: CollateralFileError) -> Self {
        let code = match error {
            CollateralFileError::NotPermitted => ReasonCode::Forbidden,
            CollateralFileError::Item(ItemError::Unknown { .. }) => ReasonCode::NotFound,
            CollateralFileError::Item(_) => ReasonCode::InvalidObject,
            CollateralFileError::Io { .. }
            | CollateralFileError::Damaged { .. }
            | CollateralFileError::Threads(_) => ReasonCode::Unavailable,
        };
        Self::for_operator(code, error.to_string())
    }
}

impl From<KeyringHomeError> for HttpProblem {
    fn from(error: KeyringHomeError) -> Self {
        let code = match error {
            KeyringHomeError::NotAFile { .. } => ReasonCode::Conflict,
            KeyringHomeError::File(_) | KeyringHomeError::Credential(_) => ReasonCode::Unavailable,
        };
        Self::for_operator(code, error.to_string())
    }
}

impl From<RotationError> for HttpProblem {
    fn from(error: RotationError) -> Self {
        let code = match error {
            RotationError::Store(error) => return error.into(),
            RotationError::Keyring(KeyringError::NotThere { .. }) => ReasonCode::NotFound,
            RotationError::Keyring(KeyringError::Random(_)) => ReasonCode::Internal,
            RotationError::Keyring(_)
            | RotationError::FileChanged { .. }
            | RotationError::Older { .. }
            | RotationError::Needed { .. }
            | RotationError::Outstanding { .. }
            | RotationError::NotPromoted { .. }
            | RotationError::File(KeyringFileError::Busy { .. })
            | RotationError::OlderState { .. } => ReasonCode::Conflict,
            RotationError::File(_) | RotationError::Newest(_) => ReasonCode::Unavailable,
        };
        Self::for_operator(code, error.to_string())
    }
}

impl From<IdentityError> for HttpProblem {
    fn from(error: IdentityError) -> Self {
        let code = match error {
            IdentityError::Store(error) => return error.into(),
            IdentityError::Unknown { .. } => ReasonCode::NotFound,
            IdentityError::Lifetime { .. } => ReasonCode::InvalidObject,
            IdentityError::AlreadyNext { .. }
            | IdentityError::NotNext { .. }
            | IdentityError::SignsAlready { .. }
            | IdentityError::TooManyPrevious { .. }
            | IdentityError::Signs { .. }
            | IdentityError::NotOldest { .. }
            | IdentityError::Outstanding { .. } => ReasonCode::Conflict,
            IdentityError::Seal(_) => ReasonCode::Internal,
        };
        Self::for_operator(code, error.to_string())
    }
}

impl From<RegisterError> for HttpProblem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Document(error) => error.into(),
            other => Self::for_operator(ReasonCode::InvalidObject, other.to_string()),
        }
    }
}
