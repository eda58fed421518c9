//! Intel's signatures: ECDSA P-256 with SHA-256, R then S, for this crate and for dcap-qvl.

use aws_lc_rs::digest;
use dcap_qvl::config::Config;
use dcap_qvl::config::CryptoProvider;
use dcap_qvl::config::EcdsaSigEncoder as _;
use dcap_qvl::signature::DerSigEncoder;
use dcap_qvl::x509::X509CertBackend;
use rustls_pki_types::SignatureVerificationAlgorithm;

use crate::x509::p256;
use crate::x509::p256::CACHED_P256;

/// Verifies a signature, R then S, under a key, X then Y. For the quote's own signature, which is not cached.
pub(super) fn verify_own(key: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> bool {
    let (key, Some(signature)) = (uncompressed(key), encode(signature)) else { return false };
    p256::verify_own(&key, message, &signature)
}

/// Verifies a signature, R then S, under a key in the form of certificates, or finds it in the cache.
pub(super) fn verify(key: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    encode(signature).is_some_and(|signature| CACHED_P256.verify_signature(key, message, &signature).is_ok())
}

/// SEC 1 §2.3.3: 04, X, Y.
fn uncompressed(key: &[u8; 64]) -> [u8; 65] {
    let mut out = [4; 65];
    for (to, from) in out.iter_mut().skip(1).zip(key) {
        *to = *from;
    }
    out
}

/// `Ecdsa-Sig-Value` (RFC 3279 §2.2.3).
fn encode(signature: &[u8; 64]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at(32);
    DerSigEncoder::encode_ecdsa_sig(r, s).ok()
}

/// dcap-qvl over aws-lc.
pub(super) struct AwsLc;

impl Config for AwsLc {
    type X509 = X509CertBackend;
    type SigEncoder = DerSigEncoder;
    type Crypto = Self;
}

impl CryptoProvider for AwsLc {
    fn sig_algo() -> &'static dyn SignatureVerificationAlgorithm {
        CACHED_P256
    }

    fn sha256(data: &[u8]) -> [u8; 32] {
        array(digest::digest(&digest::SHA256, data))
    }

    fn sha384(data: &[u8]) -> [u8; 48] {
        array(digest::digest(&digest::SHA384, data))
    }
}

fn array<const N: usize>(digest: digest::Digest) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(digest.as_ref());
    out
}
