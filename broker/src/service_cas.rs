//! The CAs of a service that the broker calls: of a file that the configuration names, or the system's. No environment variable
//! changes them.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use vouchsafe_system::pem;
use vouchsafe_system::trusted_file::{self, Others, TrustedFileError};

/// Why there are no CAs.
#[derive(Debug, thiserror::Error)]
pub enum ServiceCasError {
    /// Other users may change the file, or it cannot be read.
    #[error("{section}.ca: {source}")]
    File {
        /// The section of the configuration.
        section: &'static str,
        /// The fault.
        source: TrustedFileError,
    },
    /// It has no certificates.
    #[error("{section}.ca: {}: {source}", path.display())]
    Pem {
        /// The section of the configuration.
        section: &'static str,
        /// The file.
        path: PathBuf,
        /// The fault.
        source: pem::Error,
    },
    /// The system has none where systems have them.
    #[error(
        "the system has no CA certificates: install them (package ca-certificates), or name a file with `ca` of [{section}]"
    )]
    NoSystemCas {
        /// The section of the configuration.
        section: &'static str,
    },
}

/// Reads them. `section` of the configuration names the file.
pub(crate) fn load(
    section: &'static str,
    file: Option<&Path>,
) -> Result<Vec<CertificateDer<'static>>, ServiceCasError> {
    let system = || SYSTEM.iter().map(Path::new).find(|path| path.exists());
    let path = file.or_else(system).ok_or(ServiceCasError::NoSystemCas { section })?;
    let text = trusted_file::read(path, Others::MayRead)
        .map_err(|source| ServiceCasError::File { section, source })?;
    pem::certificates(&text).map_err(|source| ServiceCasError::Pem { section, path: path.to_owned(), source })
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
        let refused = || load("kms", Some(file.path())).unwrap_err();
        assert!(matches!(refused(), ServiceCasError::Pem { .. }));
        fs::set_permissions(file.path(), Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(
            refused(),
            ServiceCasError::File { section: "kms", source: TrustedFileError::Mode { mode: 0o666, .. } }
        ));
    }
}
