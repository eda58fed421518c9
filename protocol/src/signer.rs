//! Signers of component lists: Ed25519 keys of image builders, written like a broker's identity.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::encoding::Bytes;
use crate::hashing::Preimage;
use crate::identity::{BrokerIdentity, IdentityKey, IdentityKeyError};

/// Public part of a key that signs component lists, written `ed25519:` and 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UpdateSigner(BrokerIdentity);

/// The text is not a signer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signer is `ed25519:` followed by 43 characters of base64url")]
pub struct UpdateSignerError;

/// A signature that the signer did not make over these bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureError;

impl UpdateSigner {
    /// Whether anyone can sign for it, as for [`BrokerIdentity::is_weak`]. No signature by it is accepted.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.0.is_weak()
    }

    /// Checks that it made `signature` over `signed` (RFC 8032).
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn check(&self, signed: &Preimage, signature: &[u8]) -> Result<(), SignatureError> {
        if self.0.signed(signed.as_bytes(), signature) { Ok(()) } else { Err(SignatureError) }
    }

    /// The public key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }
}

impl From<[u8; 32]> for UpdateSigner {
    fn from(key: [u8; 32]) -> Self {
        Self(BrokerIdentity(key))
    }
}

impl fmt::Display for UpdateSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for UpdateSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for UpdateSigner {
    type Err = UpdateSignerError;

    fn from_str(text: &str) -> Result<Self, UpdateSignerError> {
        text.parse().map(Self).map_err(|_| UpdateSignerError)
    }
}

impl Serialize for UpdateSigner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UpdateSigner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Private part of a key that signs component lists.
pub struct UpdateSigningKey(IdentityKey);

impl UpdateSigningKey {
    /// The key of this seed (RFC 8032 §5.1.5).
    ///
    /// # Errors
    /// When the library rejects the seed.
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Result<Self, IdentityKeyError> {
        IdentityKey::from_seed(seed).map(Self)
    }

    /// The public part, which baselines name.
    #[must_use]
    pub fn signer(&self) -> UpdateSigner {
        UpdateSigner(self.0.identity())
    }

    /// Signs these bytes, which begin with a label of their own.
    #[must_use]
    pub fn sign(&self, signed: &Preimage) -> Bytes {
        Bytes(self.0.sign(signed.as_bytes()))
    }
}

impl fmt::Debug for UpdateSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UpdateSigningKey({}, [REDACTED])", self.signer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> UpdateSigningKey {
        UpdateSigningKey::from_seed(&Zeroizing::new([seed; 32])).unwrap()
    }

    #[test]
    fn a_signer_has_one_spelling() {
        let signer = key(7).signer();
        assert_eq!(signer.to_string().parse(), Ok(signer));
        for text in ["", "ed25519:", &signer.to_string()[8..], &format!("{signer}A")] {
            assert_eq!(text.parse::<UpdateSigner>(), Err(UpdateSignerError), "{text}");
        }
        assert!(!format!("{:?}", key(7)).contains(&hex::encode([7; 4])));
    }

    #[test]
    fn a_signature_is_of_one_signer_and_one_text() {
        let signed = |text| Preimage::new(b"vouchsafe/v1 test").text(text);
        let signature = key(7).sign(&signed("a"));
        assert_eq!(key(7).signer().check(&signed("a"), &signature), Ok(()));
        assert_eq!(key(8).signer().check(&signed("a"), &signature), Err(SignatureError));
        assert_eq!(key(7).signer().check(&signed("b"), &signature), Err(SignatureError));
        let weak = UpdateSigner::from([0; 32]);
        assert!(weak.is_weak());
        assert_eq!(weak.check(&signed("a"), &[0; 64]), Err(SignatureError));
    }
}
