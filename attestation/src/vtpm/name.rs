//! The qualified name of a GCE attestation key, rebuilt from its public key.
//!
//! The certificate contains only the public key. The rest of `TPMT_PUBLIC` (TPM 2.0 Part 2 §12.2.4) is the
//! same for every GCE attestation key, so the name can be computed; together with the hierarchy it gives the
//! signer's name in a quote. If that matches, the key is a restricted signing key in the endorsement
//! hierarchy: one that signs only data made by the TPM itself.

use vouchsafe_protocol::Digest32;

use super::public_key::PublicKey;
use super::signature::Hash;
use super::signature::TPM_ALG_ECDSA;
use super::signature::TPM_ALG_RSASSA;

/// `TPM_ALG_SHA256 || SHA-256(TPM_RH_ENDORSEMENT || name)`, name = `TPM_ALG_SHA256 || SHA-256(TPMT_PUBLIC)`
/// (TPM 2.0 Part 1 §16).
pub(crate) fn qualified_name(key: &PublicKey, hash: Hash) -> [u8; 34] {
    qualified(&public_area(key, hash, false))
}

/// Whether a quote may use this name for the key. Elliptic-curve coordinates come with leading zeros or, from
/// older TPMs, without.
pub(super) fn is_qualified_name(found: &[u8], key: &PublicKey, hash: Hash) -> bool {
    found == qualified_name(key, hash)
        || matches!(key, PublicKey::Ec { x, y, .. } if x.first() == Some(&0) || y.first() == Some(&0))
            && found == qualified(&public_area(key, hash, true))
}

fn qualified(public_area: &[u8]) -> [u8; 34] {
    named(&Digest32::of_parts(&[&TPM_RH_ENDORSEMENT.to_be_bytes(), &named(&Digest32::of(public_area))]))
}

fn named(digest: &Digest32) -> [u8; 34] {
    let mut name = [0; 34];
    let (algorithm, value) = name.split_at_mut(2);
    algorithm.copy_from_slice(&TPM_ALG_SHA256.to_be_bytes());
    value.copy_from_slice(digest.as_bytes());
    name
}

// TPMT_PUBLIC = type || nameAlg || objectAttributes || authPolicy (empty) || symmetric (none) || scheme || hash ||
//     RSA: keyBits || exponent (0: 65537) || modulus;  ECC: curve || kdf (none) || x || y.
fn public_area(key: &PublicKey, hash: Hash, stripped: bool) -> Vec<u8> {
    let mut area = Vec::with_capacity(600);
    let mut put = |value: u16| area.extend_from_slice(&value.to_be_bytes());
    let (kind, scheme) = match key {
        PublicKey::Rsa { .. } => (TPM_ALG_RSA, TPM_ALG_RSASSA),
        PublicKey::Ec { .. } => (TPM_ALG_ECC, TPM_ALG_ECDSA),
    };
    [kind, TPM_ALG_SHA256, AK_ATTRIBUTES_HIGH, AK_ATTRIBUTES_LOW, 0, TPM_ALG_NULL, scheme, hash.id()]
        .into_iter()
        .for_each(&mut put);
    match key {
        PublicKey::Rsa { modulus } => {
            put(u16::try_from(modulus.len() * 8).unwrap_or(0));
            put(0);
            put(0);
            put_sized(&mut area, modulus);
        }
        PublicKey::Ec { curve, x, y, .. } => {
            put(curve.id());
            put(TPM_ALG_NULL);
            for coordinate in [x, y] {
                let zeros = coordinate.iter().take_while(|byte| stripped && **byte == 0).count();
                put_sized(&mut area, coordinate.get(zeros..).unwrap_or_default());
            }
        }
    }
    area
}

fn put_sized(area: &mut Vec<u8>, bytes: &[u8]) {
    area.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
    area.extend_from_slice(bytes);
}

const TPM_ALG_RSA: u16 = 0x0001;
const TPM_ALG_SHA256: u16 = 0x000b;
const TPM_ALG_NULL: u16 = 0x0010;
const TPM_ALG_ECC: u16 = 0x0023;
/// TPM 2.0 Part 2 §7.4.
const TPM_RH_ENDORSEMENT: u32 = 0x4000_000b;
/// `TPMA_OBJECT` (TPM 2.0 Part 2 §8.3) 0x00050072: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign.
const AK_ATTRIBUTES_HIGH: u16 = 0x0005;
const AK_ATTRIBUTES_LOW: u16 = 0x0072;
