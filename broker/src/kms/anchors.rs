//! The CAs of the service: of a file that the configuration names, or the system's. No environment variable changes them.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use vouchsafe_system::pem;
use vouchsafe_system::trusted_file::{self, Others, TrustedFileError};

/// Why there are no CAs.
#[derive(Debug, thiserror::Error)]
pub enum AnchorsError {
    /// Other users may change the file, or it cannot be read.
    #[error("CAs of Cloud KMS: {0}")]
    File(#[from] TrustedFileError),
    /// It has no certificates.
    #[error("CAs of Cloud KMS: {}: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: pem::Error,
    },
    /// The system has none where systems have them.
    #[error(
        "the system has no CA certificates: install them (package ca-certificates), or name a file with `ca` of [kms]"
    )]
    NoSystemAnchors,
}

pub(super) fn load(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, AnchorsError> {
    let system = || SYSTEM.iter().map(Path::new).find(|path| path.exists());
    let path = file.or_else(system).ok_or(AnchorsError::NoSystemAnchors)?;
    let text = trusted_file::read(path, Others::MayRead)?;
    pem::certificates(&text).map_err(|source| AnchorsError::Pem { path: path.to_owned(), source })
}

/// Bundles of Debian, Fedora and Red Hat, and SUSE.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn t37_a_file_that_others_may_change_or_without_cas_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = || load(Some(file.path())).unwrap_err();
        assert!(matches!(refused(), AnchorsError::Pem { .. }));
        fs::set_permissions(file.path(), Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(refused(), AnchorsError::File(TrustedFileError::Mode { mode: 0o666, .. })));
    }
}
