//! Captured evidence for tests.

use std::collections::BTreeMap;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
pub(crate) use vouchsafe_captured::read;
use vouchsafe_protocol::Digest32;

/// A captured certificate, DER or PEM.
pub(crate) fn certificate(path: &str) -> Option<Vec<u8>> {
    let bytes = read(path)?;
    if bytes.starts_with(b"-----BEGIN") {
        return Some(CertificateDer::from_pem_slice(&bytes).unwrap().to_vec());
    }
    Some(bytes)
}

/// The SHA-256 part of what `tpm2_pcrread` prints.
pub(crate) fn sha256_pcrs(text: &str) -> BTreeMap<u8, Digest32> {
    let bank = text.lines().skip_while(|line| line.trim() != "sha256:").skip(1);
    bank.map_while(|line| {
        let (pcr, value) = line.split_once(':')?;
        let value = value.trim().strip_prefix("0x")?.to_lowercase();
        Some((pcr.trim().parse().ok()?, value.parse().ok()?))
    })
    .collect()
}
