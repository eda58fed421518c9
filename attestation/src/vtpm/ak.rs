//! The attestation key as its certificate describes it.
//!
//! It depends on the certificate alone; the caller must check that the certificate chains to a trusted root.

use std::fmt;

use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED;
use aws_lc_rs::signature::ParsedPublicKey;
use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA384;
use aws_lc_rs::signature::VerificationAlgorithm;
use der::asn1::ObjectIdentifier;
use rustls_pki_types::alg_id;

use super::error::VtpmError;
use super::instance_info::parse_instance_info;
use super::name::is_qualified_name;
use super::public_key::Curve;
use super::public_key::PublicKey;
use super::signature::Hash;
use super::signature::TpmSignature;
use crate::claims::Instance;
use crate::x509::Certificate;
use crate::x509::der as raw;

/// A certified attestation key.
pub(crate) struct AttestationKey {
    public: PublicKey,
    /// The parsed key, for SHA-256 and SHA-384 signatures if it can make them.
    sha256: Option<ParsedPublicKey>,
    sha384: Option<ParsedPublicKey>,
    pub(super) instance: Option<Instance>,
}

impl AttestationKey {
    pub(super) fn of(certificate: &Certificate) -> Result<Self, VtpmError> {
        // 1. A key that only signs (RFC 5280 §4.2.1.3): endorsement keys chain to the same roots.
        check_key_usage(certificate)?;
        // 2. A kind of key that GCE uses: RSASSA, or ECDSA over P-256 or P-384 (TPM 2.0 Part 2 §12.2.3).
        let public = PublicKey::parse(certificate.spki()).ok_or(VtpmError::UnsupportedKey)?;
        // 3. The instance: Google's own extension. The subject (RFC 5280 §4.1.2.6) is not used: in the older
        //    hierarchy it is empty.
        let info = certificate.extension(INSTANCE_INFO);
        let instance = info.map(parse_instance_info).transpose()?.flatten();
        let bits = certificate.public_key().ok_or(VtpmError::UnsupportedKey)?;
        let ready = |algorithm: &'static dyn VerificationAlgorithm| {
            ParsedPublicKey::new(algorithm, bits).map(Some).map_err(|_| VtpmError::UnsupportedKey)
        };
        let (sha256, sha384) = match &public {
            PublicKey::Rsa { .. } => {
                (ready(&RSA_PKCS1_2048_8192_SHA256)?, ready(&RSA_PKCS1_2048_8192_SHA384)?)
            }
            PublicKey::Ec { curve: Curve::P256, .. } => (ready(&ECDSA_P256_SHA256_FIXED)?, None),
            PublicKey::Ec { curve: Curve::P384, .. } => (None, ready(&ECDSA_P384_SHA384_FIXED)?),
        };
        Ok(Self { public, sha256, sha384, instance })
    }

    /// Name in claims.
    pub(super) fn algorithm(&self) -> &'static str {
        match &self.public {
            PublicKey::Rsa { modulus } => match modulus.len() {
                256 => "rsa-2048",
                384 => "rsa-3072",
                _ => "rsa-4096",
            },
            PublicKey::Ec { curve: Curve::P256, .. } => "ecc-p256",
            PublicKey::Ec { curve: Curve::P384, .. } => "ecc-p384",
        }
    }

    pub(super) fn is_qualified_signer(&self, found: &[u8], hash: Hash) -> bool {
        is_qualified_name(found, &self.public, hash)
    }

    pub(super) fn verify(&self, message: &[u8], signature: &TpmSignature<'_>) -> Result<(), VtpmError> {
        let key = match signature.hash() {
            Hash::Sha256 => &self.sha256,
            Hash::Sha384 => &self.sha384,
        };
        let key = key.as_ref().ok_or(VtpmError::SchemeMismatch)?;
        let verified = match (&self.public, signature) {
            (PublicKey::Rsa { .. }, TpmSignature::Rsassa { signature, .. }) => {
                key.verify_sig(message, signature)
            }
            (PublicKey::Ec { curve, .. }, TpmSignature::Ecdsa { r, s, .. }) => {
                let fixed = fixed(r, s, curve.length()).ok_or(VtpmError::SignatureInvalid)?;
                key.verify_sig(message, &fixed)
            }
            _ => return Err(VtpmError::SchemeMismatch),
        };
        verified.map_err(|_| VtpmError::SignatureInvalid)
    }
}

impl fmt::Debug for AttestationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttestationKey").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// The key in a `SubjectPublicKeyInfo`; `None` for kinds that are not supported.
    pub(crate) fn parse(spki: &[u8]) -> Option<Self> {
        let info = raw::PublicKeyInfo::parse(spki)?;
        let is = |known: rustls_pki_types::AlgorithmIdentifier| info.algorithm == known.as_ref();
        if is(alg_id::RSA_ENCRYPTION) {
            return Self::rsa(info.key);
        }
        let curve = match () {
            () if is(alg_id::ECDSA_P256) => Curve::P256,
            () if is(alg_id::ECDSA_P384) => Curve::P384,
            () => return None,
        };
        // RFC 5480 §2.2: 0x04 is an uncompressed point.
        let point = info.key.strip_prefix(&[4]).filter(|point| point.len() == 2 * curve.length())?;
        let (x, y) = point.split_at_checked(curve.length())?;
        Some(Self::Ec { curve, x: x.to_vec(), y: y.to_vec() })
    }

    /// RFC 8017 §A.1.1: `RSAPublicKey`.
    fn rsa(key: &[u8]) -> Option<Self> {
        let mut rest = raw::content_of(raw::SEQUENCE, key)?;
        let modulus = raw::take(&mut rest).filter(|modulus| modulus.tag == raw::INTEGER)?;
        let exponent = raw::take(&mut rest)?;
        // 65537: the meaning of exponent 0 in GCE's template (TPM 2.0 Part 2 §12.2.3.5).
        if exponent.encoded != [raw::INTEGER, 3, 1, 0, 1] || !rest.is_empty() {
            return None;
        }
        let modulus = modulus.content.strip_prefix(&[0])?;
        let whole = modulus.first().is_some_and(|first| *first >= 0x80);
        (whole && matches!(modulus.len(), 256 | 384 | 512)).then(|| Self::Rsa { modulus: modulus.to_vec() })
    }
}

/// RFC 5280 §4.2.1.3: the extension should be critical; in Google's certificates it is.
fn check_key_usage(certificate: &Certificate) -> Result<(), VtpmError> {
    let usage = certificate.key_usage().ok_or(VtpmError::KeyUsageMissing)?;
    let critical = |extension: &crate::x509::Extension| extension.oid == KEY_USAGE && extension.critical;
    if !certificate.extensions.iter().any(critical) {
        return Err(VtpmError::KeyUsageNotCritical);
    }
    if !usage.digital_signature() {
        return Err(VtpmError::NotASigningKey);
    }
    let more = usage.key_encipherment()
        || usage.data_encipherment()
        || usage.key_agreement()
        || usage.key_cert_sign()
        || usage.crl_sign();
    if more { Err(VtpmError::MoreThanASigningKey) } else { Ok(()) }
}

/// R then S, each padded to the length of the curve: a TPM omits leading zeros (TPM 2.0 Part 2 §11.2.5.1).
fn fixed(r: &[u8], s: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; 2 * length];
    let (first, second) = out.split_at_mut_checked(length)?;
    for (slot, number) in [(first, r), (second, s)] {
        slot.get_mut(length.checked_sub(number.len())?..)?.copy_from_slice(number);
    }
    Some(out)
}

const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
/// Google's instance info.
const INSTANCE_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.1.21");
