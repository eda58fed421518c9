//! Certificates in PEM files.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error, PemObject as _};
use vouchsafe_protocol::Bytes;

/// The certificates in a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<Bytes>, Error> {
    let text = std::fs::read(path).map_err(Error::Io)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .map(|certificate| certificate.map(|certificate| Bytes::from(certificate.as_ref())))
        .collect::<Result<_, _>>()?;
    match certificates.as_slice() {
        [] => Err(Error::NoItemsFound),
        _ => Ok(certificates),
    }
}
