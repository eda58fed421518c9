//! The JWE of the Clevis pin: a passphrase of Clevis, encrypted under the key of a volume.
//!
//! Clevis keeps the JWE in the header of the LUKS volume, which the host can edit. So the JWE decides nothing: its
//! protected header names a volume and must be, byte for byte, the one that [`seal`] writes for that name. Which
//! secret that volume has, and which brokers are asked for it, is in the configuration alone.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};
use vouchsafe_protocol::encoding::{from_base64url, to_base64url};
use zeroize::{Zeroize as _, Zeroizing};

/// A JWE of the pin. Nothing about it is authenticated before [`Self::open`].
pub struct UnverifiedJwe<'a> {
    /// Base64url, as it is authenticated.
    protected: &'a str,
    volume: String,
    nonce: [u8; NONCE],
    ciphertext: Vec<u8>,
    tag: [u8; TAG],
}

/// Why a JWE is refused, or none is made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JweError {
    /// The text is longer than [`MAX_JWE`] or the plaintext than [`MAX_PLAINTEXT`].
    #[error("more than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// Not the five parts of the compact serialisation (RFC 7516 §7.1).
    #[error("not a JWE of five parts separated by dots")]
    Parts,
    /// A part is not base64url without padding.
    #[error("the {part} is not base64url")]
    Encoding {
        /// Its name.
        part: &'static str,
    },
    /// The protected header is not exactly what the pin writes: other algorithms, members or spelling.
    #[error("the protected header is not one that the pin vouchsafe writes")]
    Header,
    /// There is an encrypted key, which direct encryption has none of.
    #[error("there is an encrypted key, and direct encryption has none")]
    EncryptedKey,
    /// The initialisation vector or the tag has a wrong length.
    #[error("the {part} has a wrong length")]
    Length {
        /// Its name.
        part: &'static str,
    },
    /// Made with another key, or changed.
    #[error("the volume's key does not open the JWE: it was made with another key, or was changed")]
    Unauthentic,
    /// The system gave no random bytes.
    #[error("the system has no random bytes")]
    Random,
}

/// Upper limit of a JWE, in bytes. A LUKS2 header has a few kilobytes to spare for it.
pub const MAX_JWE: usize = 64 << 10;
/// Upper limit of what is encrypted, in bytes.
pub const MAX_PLAINTEXT: usize = 32 << 10;

// Layout. JWE in compact serialisation (RFC 7516 §7.1), each part base64url without padding, separated by dots:
//
//     header, nothing, 12 bytes of initialisation vector, ciphertext, 16 bytes of tag
//
//     header = {"alg":"dir","clevis":{"pin":"vouchsafe","vouchsafe":{"volume":NAME}},"enc":"A256GCM"}
//     key    = HKDF-SHA-256(salt: none, input: the volume's key, info: "vouchsafe/v1 clevis"), 32 bytes
//
// "dir" uses this key directly (RFC 7518 §4.5), and the encoded header is the additional data of AES-256-GCM (RFC 7516
// §5.1, step 14). `clevis decrypt` finds the pin by the member `clevis.pin`.

const LABEL: &[u8] = b"vouchsafe/v1 clevis";
const NONCE: usize = 12;
const TAG: usize = 16;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    clevis: Clevis,
    enc: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clevis {
    pin: String,
    vouchsafe: Pin,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    volume: String,
}

/// The header's one spelling.
fn header(volume: &str) -> Option<String> {
    let pin = Clevis { pin: "vouchsafe".to_owned(), vouchsafe: Pin { volume: volume.to_owned() } };
    serde_json::to_string(&Header { alg: "dir".to_owned(), clevis: pin, enc: "A256GCM".to_owned() }).ok()
}

/// Encrypts under the key of a volume.
///
/// # Errors
/// [`JweError::TooLong`] and [`JweError::Random`].
pub fn seal(volume: &str, key: &[u8], plaintext: &[u8]) -> Result<String, JweError> {
    if plaintext.len() > MAX_PLAINTEXT {
        return Err(JweError::TooLong { limit: MAX_PLAINTEXT });
    }
    let protected = to_base64url(header(volume).ok_or(JweError::Header)?.as_bytes());
    let mut nonce = [0; NONCE];
    rand::fill(&mut nonce).map_err(|_| JweError::Random)?;
    let mut sealed = Zeroizing::new(plaintext.to_vec());
    let tag = derive(key)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(&protected),
            sealed.as_mut_slice(),
        )
        .map_err(|_| JweError::Unauthentic)?;
    let [nonce, sealed, tag] = [&nonce, sealed.as_slice(), tag.as_ref()].map(to_base64url);
    Ok(format!("{protected}..{nonce}.{sealed}.{tag}"))
}

impl<'a> UnverifiedJwe<'a> {
    /// Parses a JWE. White space around it is ignored.
    ///
    /// # Errors
    /// [`JweError`], all but the last two.
    pub fn parse(text: &'a [u8]) -> Result<Self, JweError> {
        if text.len() > MAX_JWE {
            return Err(JweError::TooLong { limit: MAX_JWE });
        }
        let text = std::str::from_utf8(text).map_err(|_| JweError::Parts)?;
        let parts: Vec<&str> = text.trim_ascii().split('.').collect();
        let &[protected, encrypted_key, nonce, ciphertext, tag] = parts.as_slice() else {
            return Err(JweError::Parts);
        };
        let volume = volume_of(&decode(protected, "header")?)?;
        if !encrypted_key.is_empty() {
            return Err(JweError::EncryptedKey);
        }
        Ok(Self {
            protected,
            volume,
            nonce: exactly(nonce, "initialisation vector")?,
            ciphertext: decode(ciphertext, "ciphertext")?,
            tag: exactly(tag, "tag")?,
        })
    }

    /// The volume that the header names. Anybody can write another one there.
    #[must_use]
    pub fn volume(&self) -> &str {
        &self.volume
    }

    /// Decrypts with the key of the volume.
    ///
    /// # Errors
    /// [`JweError::Unauthentic`].
    pub fn open(&self, key: &[u8]) -> Result<Zeroizing<Vec<u8>>, JweError> {
        let mut opened = Zeroizing::new([&self.ciphertext[..], &self.tag].concat());
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        derive(key)?
            .open_in_place(nonce, Aad::from(self.protected), opened.as_mut_slice())
            .map_err(|_| JweError::Unauthentic)?;
        opened.truncate(self.ciphertext.len());
        Ok(opened)
    }
}

/// The volume of a header, if this is the one header for it.
fn volume_of(json: &[u8]) -> Result<String, JweError> {
    let parsed: Header = serde_json::from_slice(json).map_err(|_| JweError::Header)?;
    let volume = parsed.clevis.vouchsafe.volume;
    if header(&volume).as_deref().map(str::as_bytes) != Some(json) {
        return Err(JweError::Header);
    }
    Ok(volume)
}

fn derive(key: &[u8]) -> Result<LessSafeKey, JweError> {
    let mut bytes = [0; 32];
    let extracted = Salt::new(HKDF_SHA256, &[]).extract(key);
    let info = [LABEL];
    let filled = extracted.expand(&info, &AES_256_GCM).and_then(|output| output.fill(&mut bytes));
    let made = filled.and_then(|()| UnboundKey::new(&AES_256_GCM, &bytes));
    bytes.zeroize();
    made.map(LessSafeKey::new).map_err(|_| JweError::Unauthentic)
}

fn decode(text: &str, part: &'static str) -> Result<Vec<u8>, JweError> {
    from_base64url(text).ok_or(JweError::Encoding { part })
}

fn exactly<const N: usize>(text: &str, part: &'static str) -> Result<[u8; N], JweError> {
    decode(text, part)?.try_into().map_err(|_| JweError::Length { part })
}

#[cfg(test)]
mod tests;
