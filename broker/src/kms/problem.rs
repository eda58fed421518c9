//! Why a call to the service failed, and the next step.

use vouchsafe_protocol::text::printable;
use vouchsafe_system::http;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No connection, or no answer in time.
    #[error(
        "no answer: {detail}. Check the network, the firewall's way out, and `endpoint` and `ca` of [kms]; the broker needs the \
         service only when it starts, and when it reads or changes its keyring"
    )]
    Unreachable {
        /// Details of the error.
        detail: String,
    },
    /// Its certificate is not one that the configured CAs have issued for it.
    #[error(
        "its certificate is not accepted: {detail}. Check `endpoint` and `ca` of [kms], and whether something on the way intercepts \
         TLS"
    )]
    Certificate {
        /// Details of the error.
        detail: String,
    },
    /// The metadata server does not answer.
    #[error(
        "no access token: no answer from the metadata server {detail}. On Google Cloud, let the broker reach it (169.254.169.254, \
         port 80); elsewhere, name the key file of a service account with `credentials` of [kms] (docs/operations.md)"
    )]
    NoMetadata {
        /// Its URL, and details of the error.
        detail: String,
    },
    /// 429, or a failure of the service.
    #[error(
        "the service is not available (HTTP status {status}): {message}. Try again later, or see status.cloud.google.com"
    )]
    Unavailable {
        /// The status.
        status: u16,
        /// Google's reason.
        message: String,
    },
    /// The metadata server has no token.
    #[error(
        "no access token: {detail}. Attach a service account to the VM, or name a key file with `credentials` of [kms] (docs/gce.md)"
    )]
    NoToken {
        /// Details of the error.
        detail: String,
    },
    /// 401.
    #[error(
        "the access token is refused: {message}. Check the service account, its key, and the system's clock"
    )]
    Unauthenticated {
        /// Google's reason.
        message: String,
    },
    /// 403.
    #[error(
        "permission denied: {message}. Give the broker's service account the role roles/cloudkms.cryptoKeyEncrypterDecrypter on \
         this key, its VM the scope cloud-platform, and enable cloudkms.googleapis.com (docs/gce.md)"
    )]
    Denied {
        /// Google's reason.
        message: String,
    },
    /// 404.
    #[error("there is no such key: {message}. Check its name, which begins with the project")]
    NoSuchKey {
        /// Google's reason.
        message: String,
    },
    /// The version of the key is disabled or destroyed.
    #[error(
        "the key cannot be used: {message}. Enable its version (`gcloud kms keys versions enable`); one that is scheduled for \
         destruction has to be restored first (`gcloud kms keys versions restore`). If it is destroyed, put back a copy of the \
         keyring that it did not wrap (docs/operations.md)"
    )]
    NotUsable {
        /// Google's reason.
        message: String,
    },
    /// The service rejects the request itself.
    #[error(
        "the request is refused: {message}. Check that the key's purpose is symmetric encryption (ENCRYPT_DECRYPT)"
    )]
    InvalidArgument {
        /// Google's reason.
        message: String,
    },
    /// The ciphertext does not authenticate.
    #[error(
        "generation {generation} of the keyring does not unwrap: it was wrapped by another key, or the file was edited: \
         {message}. Put back the keyring's file from a backup (docs/operations.md)"
    )]
    NotWrappedHere {
        /// The generation.
        generation: u32,
        /// Google's reason.
        message: String,
    },
    /// Another status.
    #[error(
        "HTTP status {status}: {message}. Check `endpoint` of [kms], and whether its server is Cloud KMS"
    )]
    Refused {
        /// The status.
        status: u16,
        /// Google's reason.
        message: String,
    },
    /// It is not followed.
    #[error("it redirects (HTTP status {status}), which is not followed: check `endpoint` of [kms]")]
    Redirect {
        /// The status.
        status: u16,
    },
    /// More than any answer has.
    #[error("its answer has more than 64 KiB: check `endpoint` of [kms]")]
    TooLarge,
    /// The answer does not have the expected form.
    #[error("its answer is not usable: {0}. Check `endpoint` of [kms]")]
    Answer(&'static str),
    /// A value was damaged on its way.
    #[error(
        "a value was damaged on its way: {0}. Try again; if it stays so, check this machine's memory and network"
    )]
    Checksum(&'static str),
    /// Another key has answered.
    #[error("{name} has answered, which is not a version of this key: check `endpoint` of [kms]")]
    OtherKey {
        /// The name in the answer.
        name: String,
    },
    /// What was wrapped unwraps to something else.
    #[error("what it has wrapped unwraps to other keys. Nothing was written")]
    OtherKeys,
}

impl Problem {
    pub(super) fn unreachable(error: &ureq::Error) -> Self {
        // One that is not valid yet passes, once the clock is set.
        if http::certificate_fault(error).is_some_and(|fault| !http::is_validity_period(fault)) {
            return Self::Certificate { detail: printable(&error.to_string()) };
        }
        Self::unreachable_by(&error.to_string())
    }

    /// No answer, with details that may quote one.
    pub(super) fn unreachable_by(detail: &str) -> Self {
        Self::Unreachable { detail: printable(detail) }
    }

    /// Whether it is worth to try again.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::NoMetadata { .. } | Self::Unavailable { .. } | Self::Checksum(_)
        )
    }
}
