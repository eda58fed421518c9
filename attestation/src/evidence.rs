//! Captured evidence for tests.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
pub(crate) use vouchsafe_captured::read;

/// A captured certificate, DER or PEM.
pub(crate) fn certificate(path: &str) -> Option<Vec<u8>> {
    let bytes = read(path)?;
    if bytes.starts_with(b"-----BEGIN") {
        return Some(CertificateDer::from_pem_slice(&bytes).unwrap().to_vec());
    }
    Some(bytes)
}
