//! The broker's identity: an Ed25519 key that guests pin and that signs every answer.

mod small_order;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::encoding::{from_base64url, to_base64url};

/// Public part of a broker's identity, written `ed25519:` and 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BrokerIdentity(pub [u8; 32]);

/// The text is not a broker identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a broker identity is `ed25519:` followed by 43 characters of base64url")]
pub struct IdentityParseError;

impl BrokerIdentity {
    /// Whether anyone can sign for this identity: it is all zeros, or another point of small order. No
    /// signature by it is accepted.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        small_order::is_small_order(self.0)
    }

    /// Whether `signature` over `message` was made by this identity (RFC 8032).
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        !self.is_weak() && UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for BrokerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", to_base64url(&self.0))
    }
}

impl fmt::Debug for BrokerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for BrokerIdentity {
    type Err = IdentityParseError;

    fn from_str(text: &str) -> Result<Self, IdentityParseError> {
        text.strip_prefix(PREFIX)
            .and_then(from_base64url)
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(IdentityParseError)
    }
}

impl Serialize for BrokerIdentity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BrokerIdentity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Private part of a broker's identity.
pub struct IdentityKey(Ed25519KeyPair);

/// The seed does not make a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity key is not a 32-byte Ed25519 seed")]
pub struct IdentityKeyError;

impl IdentityKey {
    /// The key of this seed (RFC 8032 §5.1.5).
    ///
    /// # Errors
    /// When the library rejects the seed.
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Result<Self, IdentityKeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map(Self).map_err(|_| IdentityKeyError)
    }

    /// The public part, which guests pin.
    #[must_use]
    pub fn identity(&self) -> BrokerIdentity {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        BrokerIdentity(bytes)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({}, [REDACTED])", self.identity())
    }
}

const PREFIX: &str = "ed25519:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_has_one_spelling() {
        let key = IdentityKey::from_seed(&Zeroizing::new([7; 32])).unwrap();
        let identity = key.identity();
        assert_eq!(identity.to_string().parse(), Ok(identity));
        for text in ["", "ed25519:", "ED25519:AAAA", &identity.to_string()[8..], &format!("{identity}A")] {
            assert_eq!(text.parse::<BrokerIdentity>(), Err(IdentityParseError), "{text}");
        }
        assert!(!format!("{key:?}").contains(&hex::encode([7; 4])));
    }
}
