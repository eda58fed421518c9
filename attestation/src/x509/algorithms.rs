//! Verification of the signature in a certificate or a CRL.

use aws_lc_rs::signature::RSA_PSS_2048_8192_SHA384;
use aws_lc_rs::signature::UnparsedPublicKey;
use rustls_pki_types::AlgorithmIdentifier;
use rustls_pki_types::InvalidSignature;
use rustls_pki_types::SignatureVerificationAlgorithm;
use rustls_pki_types::alg_id;
use webpki::aws_lc_rs as provider;

use super::der::PublicKeyInfo;
use super::der::Signed;

/// Algorithms with any of which a signature may verify.
pub(crate) type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

/// The algorithms of all purposes, for the self-signature of an anchor.
pub(crate) const ANY: Algorithms = &[
    provider::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    &PssSha384ExplicitTrailer,
    provider::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    provider::RSA_PKCS1_2048_8192_SHA256,
    provider::RSA_PKCS1_2048_8192_SHA384,
    provider::RSA_PKCS1_2048_8192_SHA512,
    provider::ECDSA_P256_SHA256,
    provider::ECDSA_P384_SHA384,
];

/// Whether the signature verifies under the key `spki` with one of the algorithms. The algorithm must match
/// the one named in the signed object (RFC 5280 §4.1.1.2) and the key's (§4.1.2.7).
pub(crate) fn verify(algorithms: Algorithms, spki: &[u8], signed: &Signed<'_>) -> bool {
    let Some(key) = PublicKeyInfo::parse(spki) else {
        return false;
    };
    algorithms
        .iter()
        .filter(|algorithm| {
            algorithm.signature_alg_id().as_ref() == signed.algorithm
                && algorithm.public_key_alg_id().as_ref() == key.algorithm
        })
        .any(|algorithm| algorithm.verify_signature(key.key, signed.message, signed.signature).is_ok())
}

/// RSASSA-PSS with SHA-384 whose parameters encode the default trailer field explicitly, as in ARK, ASK, ASVK
/// and older VCEKs. Strict DER omits a default (RFC 4055 §3.1), as newer VCEKs and VLEKs do.
#[derive(Debug)]
pub(crate) struct PssSha384ExplicitTrailer;

impl SignatureVerificationAlgorithm for PssSha384ExplicitTrailer {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        PSS_SHA384_EXPLICIT_TRAILER
    }

    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }
}

/// `id-RSASSA-PSS { [0] sha384, [1] mgf1 { sha384 }, [2] 48, [3] 1 }`, RFC 4055 §3.1.
const PSS_SHA384_EXPLICIT_TRAILER: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(&[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x39, 0xa0, 0x0f, 0x30, 0x0d,
    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a,
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86,
    0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x30, 0xa3, 0x03, 0x02,
    0x01, 0x01,
]);
