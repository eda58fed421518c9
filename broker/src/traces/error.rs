//! Why traces cannot be sent.

use std::io;
use std::path::PathBuf;

use vouchsafe_keystore::RandomError;
use vouchsafe_system::pem;

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The collector's CAs cannot be read.
    #[error("traces.ca {}: {source}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: pem::Error,
    },
    /// The system does not provide a thread.
    #[error("cannot start the thread for traces: {0}")]
    Thread(io::Error),
}
