//! Certificates in PEM files.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use vouchsafe_system::pem;

use crate::foreign;

/// Why TLS of a listener cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or has no such PEM block.
    #[error("{}: {source}{}", path.display(), advice(source))]
    File {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: pem::Error,
    },
    /// Certificate and key do not match, or are of a kind unknown to TLS 1.3.
    #[error("{} with {}: {source}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The fault.
        source: rustls::Error,
    },
}

fn advice(fault: &pem::Error) -> &'static str {
    match fault {
        pem::Error::Io(fault) => foreign::advice(fault.kind()),
        _ => "",
    }
}

/// All certificates of a PEM file, at least one.
///
/// # Errors
/// [`TlsError::File`].
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    pem::read_certificates(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

/// All certificates in the content of a PEM file, at least one.
///
/// # Errors
/// [`TlsError::File`].
pub(crate) fn certificates_in(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    pem::certificates(text).map_err(|source| TlsError::File { path: path.to_owned(), source })
}
