//! The cryptographic primitives of this crate as plain functions. Keys and labels are defined by their
//! callers.

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use aws_lc_rs::rand;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The operating system's random generator failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random generator failed")]
pub struct RandomError;

/// An AEAD ciphertext does not authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unauthentic;

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, RandomError> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| RandomError)?;
    Ok(bytes)
}

/// `HKDF[no salt, info](ikm, 32)`, RFC 5869 with SHA-256.
pub(crate) fn derive(ikm: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, ikm)
        .expand(info, out.as_mut_slice())
        .expect("32 bytes are less than 255 blocks of SHA-256");
    out
}

/// `nonce || AES-256-GCM[key, nonce](plaintext, aad)` under a random 96-bit nonce.
pub(crate) fn aead_seal(key: &[u8; 32], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, RandomError> {
    let nonce = random::<NONCE>()?;
    let mut sealed = Vec::with_capacity(NONCE + plaintext.len() + TAG);
    sealed.extend_from_slice(nonce.as_slice());
    sealed.extend_from_slice(plaintext);
    let (_, body) = sealed.split_at_mut(NONCE);
    let tag = cipher(key)
        .encrypt_inout_detached(&(*nonce).into(), aad, body.into())
        .expect("a secret is far below the limit of AES-GCM");
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Decrypts the result of [`aead_seal`], in place in one buffer that is erased.
pub(crate) fn aead_open(
    key: &[u8; 32],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Unauthentic> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE>().ok_or(Unauthentic)?;
    let (body, tag) = body.split_last_chunk::<TAG>().ok_or(Unauthentic)?;
    let mut plaintext = Zeroizing::new(body.to_vec());
    cipher(key)
        .decrypt_inout_detached(&(*nonce).into(), aad, plaintext.as_mut_slice().into(), &(*tag).into())
        .map_err(|_| Unauthentic)?;
    Ok(plaintext)
}

fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(key.into())
}

const NONCE: usize = 12;
const TAG: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hkdf_is_rfc_5869() {
        // RFC 5869, A.3: no salt, empty info.
        let okm = derive(&[0x0b; 22], b"");
        assert_eq!(hex::encode(*okm), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    }

    #[test]
    fn a_changed_ciphertext_does_not_open() {
        let sealed = aead_seal(&[1; 32], b"aad", b"value").unwrap();
        assert_eq!(aead_open(&[1; 32], b"aad", &sealed).unwrap().as_slice(), b"value");
        assert_eq!(aead_open(&[2; 32], b"aad", &sealed).unwrap_err(), Unauthentic);
        assert_eq!(aead_open(&[1; 32], b"aae", &sealed).unwrap_err(), Unauthentic);
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(aead_open(&[1; 32], b"aad", &changed).unwrap_err(), Unauthentic);
            assert_eq!(aead_open(&[1; 32], b"aad", &sealed[..index]).unwrap_err(), Unauthentic);
        }
    }

    #[test]
    fn nonces_differ() {
        let (one, two) = (aead_seal(&[1; 32], b"", b"v").unwrap(), aead_seal(&[1; 32], b"", b"v").unwrap());
        assert_ne!(one[..NONCE], two[..NONCE]);
    }
}
