//! Why traces cannot be sent.

use std::io;

use vouchsafe_keystore::RandomError;

use crate::service_cas::ServiceCasError;

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The collector's CAs cannot be read.
    #[error(transparent)]
    Cas(#[from] ServiceCasError),
    /// The system does not provide a thread.
    #[error("cannot start the thread for traces: {0}")]
    Thread(io::Error),
}
