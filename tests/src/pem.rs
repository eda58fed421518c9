//! DER as PEM (RFC 7468), for files that the programs read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A certificate.
#[must_use]
pub fn certificate(der: &[u8]) -> String {
    armour("CERTIFICATE", der)
}

/// A certificate revocation list.
#[must_use]
pub fn crl(der: &[u8]) -> String {
    armour("X509 CRL", der)
}

fn armour(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
