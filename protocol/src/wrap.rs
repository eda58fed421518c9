//! Secrets in transit: HPKE base mode (RFC 9180) to the guest's attested ephemeral key.
//!
//! One encapsulation per answer; message i belongs to path i. `info` is the transcript, the AAD names path
//! and version. Base mode does not authenticate the sender: the signature of [`crate::answer`] does.

use std::fmt;

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, setup_receiver, setup_sender};

use crate::digest::Digest32;
use crate::encoding::Bytes;
use crate::hashing::Preimage;
use crate::path::SecretPath;
use crate::request::Transcript;
use crate::secret::PlaintextSecret;
use crate::suite::Suite;
use crate::xwing::AwsXWing;

/// The guest's ephemeral public key, with its suite.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GuestPublicKey {
    suite: Suite,
    bytes: Vec<u8>,
}

/// Why secrets could not be wrapped or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// The public key does not have its suite's length.
    #[error("a public key of {suite} has {expected} bytes, not {length}")]
    KeyLength {
        /// The suite.
        suite: Suite,
        /// The suite's length.
        expected: usize,
        /// The length found.
        length: usize,
    },
    /// The public key is not a valid key of its suite.
    #[error("the guest's public key is not valid")]
    InvalidKey,
    /// `enc` does not have its suite's length.
    #[error("the encapsulated key is malformed")]
    MalformedEnc,
    /// A ciphertext cannot be opened with this key, transcript, path and version.
    #[error("secret {index} cannot be opened")]
    DoesNotOpen {
        /// Its position, from 0.
        index: usize,
    },
}

/// Path and version of a secret, to which its ciphertext is bound.
#[derive(Clone, Copy, Debug)]
pub struct SecretLabel<'a> {
    /// Where it lives.
    pub path: &'a SecretPath,
    /// Its immutable version, from 1.
    pub version: u64,
}

/// Wrapped secrets for one guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedSecrets {
    /// The encapsulated key.
    pub enc: Bytes,
    /// One ciphertext for each secret, in order.
    pub ciphertexts: Vec<Bytes>,
}

impl GuestPublicKey {
    /// Accepts bytes of the suite's length; whether they are a valid key is checked when something is wrapped
    /// to it.
    ///
    /// # Errors
    /// [`WrapError::KeyLength`].
    pub fn new(suite: Suite, bytes: &[u8]) -> Result<Self, WrapError> {
        let (expected, length) = (suite.public_key_length(), bytes.len());
        if length != expected {
            return Err(WrapError::KeyLength { suite, expected, length });
        }
        Ok(Self { suite, bytes: bytes.to_vec() })
    }

    /// The suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The key as sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Wraps `secrets` to this key.
    ///
    /// # Errors
    /// [`WrapError::InvalidKey`] when the key's bytes are not a valid key.
    pub fn wrap(
        &self,
        transcript: &Transcript,
        secrets: &[(SecretLabel<'_>, &PlaintextSecret)],
    ) -> Result<WrappedSecrets, WrapError> {
        match self.suite {
            Suite::XWing => seal::<AwsXWing>(&self.bytes, transcript, secrets),
            Suite::X25519 => seal::<X25519HkdfSha256>(&self.bytes, transcript, secrets),
        }
    }
}

impl fmt::Debug for GuestPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuestPublicKey({}, {})", self.suite, Digest32::of(&self.bytes))
    }
}

/// The guest's ephemeral key pair. Made for one request and dropped with it.
pub struct GuestKey {
    public: GuestPublicKey,
    private: PrivateKey,
}

enum PrivateKey {
    XWing(Box<<XWing as Kem>::PrivateKey>),
    X25519(<X25519HkdfSha256 as Kem>::PrivateKey),
}

impl GuestKey {
    /// A fresh key pair from the system's random generator.
    #[must_use]
    pub fn generate(suite: Suite) -> Self {
        match suite {
            Suite::XWing => Self::of_xwing(XWing::gen_keypair()),
            Suite::X25519 => Self::of_x25519(X25519HkdfSha256::gen_keypair()),
        }
    }

    /// The key pair that HPKE derives from `ikm`, for known answers.
    #[cfg(test)]
    pub(crate) fn derive(suite: Suite, ikm: &[u8]) -> Self {
        match suite {
            Suite::XWing => Self::of_xwing(XWing::derive_keypair(ikm)),
            Suite::X25519 => Self::of_x25519(X25519HkdfSha256::derive_keypair(ikm)),
        }
    }

    fn of_xwing((private, public): (<XWing as Kem>::PrivateKey, <XWing as Kem>::PublicKey)) -> Self {
        let public = GuestPublicKey { suite: Suite::XWing, bytes: public.to_bytes().to_vec() };
        Self { public, private: PrivateKey::XWing(Box::new(private)) }
    }

    fn of_x25519(
        (private, public): (<X25519HkdfSha256 as Kem>::PrivateKey, <X25519HkdfSha256 as Kem>::PublicKey),
    ) -> Self {
        let public = GuestPublicKey { suite: Suite::X25519, bytes: public.to_bytes().to_vec() };
        Self { public, private: PrivateKey::X25519(private) }
    }

    /// The public part.
    #[must_use]
    pub const fn public(&self) -> &GuestPublicKey {
        &self.public
    }

    /// Opens what was wrapped to this key, all or nothing.
    ///
    /// # Errors
    /// [`WrapError::MalformedEnc`] or [`WrapError::DoesNotOpen`].
    pub fn open(
        &self,
        transcript: &Transcript,
        enc: &[u8],
        wrapped: &[(SecretLabel<'_>, &[u8])],
    ) -> Result<Vec<PlaintextSecret>, WrapError> {
        match &self.private {
            PrivateKey::XWing(private) => open::<XWing>(private, transcript, enc, wrapped),
            PrivateKey::X25519(private) => open::<X25519HkdfSha256>(private, transcript, enc, wrapped),
        }
    }
}

impl fmt::Debug for GuestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuestKey({:?}, [REDACTED])", self.public)
    }
}

fn seal<K: Kem>(
    public: &[u8],
    transcript: &Transcript,
    secrets: &[(SecretLabel<'_>, &PlaintextSecret)],
) -> Result<WrappedSecrets, WrapError> {
    let public = K::PublicKey::from_bytes(public).map_err(|_| WrapError::InvalidKey)?;
    let (enc, mut context) =
        setup_sender::<AesGcm256, HkdfSha256, K>(&OpModeS::Base, &public, transcript.as_bytes())
            .map_err(|_| WrapError::InvalidKey)?;
    let ciphertexts = secrets
        .iter()
        .map(|(label, secret)| context.seal(secret.expose(), &aad(label)).map(Bytes))
        .collect::<Result<_, _>>()
        .map_err(|_| WrapError::InvalidKey)?;
    Ok(WrappedSecrets { enc: Bytes(enc.to_bytes().to_vec()), ciphertexts })
}

fn open<K: Kem>(
    private: &K::PrivateKey,
    transcript: &Transcript,
    enc: &[u8],
    wrapped: &[(SecretLabel<'_>, &[u8])],
) -> Result<Vec<PlaintextSecret>, WrapError> {
    let enc = K::EncappedKey::from_bytes(enc).map_err(|_| WrapError::MalformedEnc)?;
    let mut context =
        setup_receiver::<AesGcm256, HkdfSha256, K>(&OpModeR::Base, private, &enc, transcript.as_bytes())
            .map_err(|_| WrapError::MalformedEnc)?;
    wrapped
        .iter()
        .enumerate()
        .map(|(index, (label, ciphertext))| {
            let error = WrapError::DoesNotOpen { index };
            let bytes = context.open(ciphertext, &aad(label)).map_err(|_| error)?;
            PlaintextSecret::new(bytes).map_err(|_| error)
        })
        .collect()
}

// AAD = label || path || version (8 bytes big-endian), each length-prefixed.
fn aad(label: &SecretLabel<'_>) -> Vec<u8> {
    Preimage::new(WRAP_LABEL).field(label.path.as_str().as_bytes()).number(label.version).into_bytes()
}

const WRAP_LABEL: &[u8] = b"vouchsafe/v1 wrap";

#[cfg(test)]
mod tests;
