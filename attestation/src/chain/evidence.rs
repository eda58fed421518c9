//! Captured evidence for tests: read where it lies, never copied into the tree.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// A captured file; `None`, said aloud, where the evidence is not there. In CI it must be.
pub(crate) fn read(path: &str) -> Option<Vec<u8>> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/evidence");
    if !base.exists() {
        assert!(std::env::var_os("CI").is_none(), "no evidence at {}", base.display());
        println!("skipped: no evidence at {}", base.display());
        return None;
    }
    Some(std::fs::read(base.join(path)).unwrap_or_else(|error| panic!("{path}: {error}")))
}

/// A captured certificate, DER or PEM.
pub(crate) fn certificate(path: &str) -> Option<Vec<u8>> {
    let bytes = read(path)?;
    if bytes.starts_with(b"-----BEGIN") {
        return Some(CertificateDer::from_pem_slice(&bytes).unwrap().to_vec());
    }
    Some(bytes)
}
