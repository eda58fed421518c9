//! `/v1/secrets`. No answer carries a value.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchsafe_policy::Purpose;
use vouchsafe_protocol::encoding::{decode_base64url, to_base64url};
use vouchsafe_protocol::secret::SecretSizeError;
use vouchsafe_protocol::{ObjectName, PlaintextSecret, SecretPath};
use zeroize::Zeroizing;

pub use vouchsafe_keystore::registry::{SecretSummary, VersionState, VersionSummary};

/// Query of `show`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowSecret {
    /// The secret.
    pub path: SecretPath,
}

/// A secret in base64url, on its way to the broker. It is erased when it is dropped, and `Debug` shows nothing of it.
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes ownership of the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret, without a copy of it.
    ///
    /// # Errors
    /// [`SecretSizeError`].
    pub fn into_secret(mut self) -> Result<PlaintextSecret, SecretSizeError> {
        PlaintextSecret::new(std::mem::take(&mut *self.0))
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue([REDACTED])")
    }
}

impl Serialize for SecretValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(to_base64url(&self.0)))
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = SecretValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string of base64url without padding")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretValue, E> {
                // Erased also if the text turns out to be invalid.
                let mut bytes = Zeroizing::new(Vec::new());
                match decode_base64url(text, &mut bytes) {
                    Some(()) => Ok(SecretValue(bytes)),
                    None => Err(E::custom("not base64url without padding")),
                }
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// `put`: a secret, or a new version of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutSecret {
    /// The path of the secret.
    pub path: SecretPath,
    /// The purpose of the secret; the policy must have the same.
    #[serde(rename = "for")]
    pub purpose: Purpose,
    /// The policy that guards it, of its own namespace or of `shared`.
    pub policy: ObjectName,
    /// At most [`MAX_SECRET`](vouchsafe_protocol::limits::MAX_SECRET) bytes.
    pub value: SecretValue,
}

/// `generate`: a value that no operator ever sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerateSecret {
    /// The path of the secret.
    pub path: SecretPath,
    /// The purpose of the secret; the policy must have the same.
    #[serde(rename = "for")]
    pub purpose: Purpose,
    /// The policy that guards it, of its own namespace or of `shared`.
    pub policy: ObjectName,
    /// Derive a value per instance on release; then `length` has no effect.
    #[serde(default)]
    pub per_instance: bool,
    /// Bytes, 16 to 1024.
    #[serde(default = "default_length")]
    pub length: usize,
}

const fn default_length() -> usize {
    32
}

/// Answer of `put` and `generate`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecretVersion {
    /// The path of the secret.
    pub path: SecretPath,
    /// The version that is released from now on.
    pub version: u64,
}

/// `set-policy`: moves a secret to another policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPolicy {
    /// The secret.
    pub path: SecretPath,
    /// Its new policy, which must have the same purpose.
    pub policy: ObjectName,
}

/// Answer of `destroy`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DestroyedVersion {
    /// Whether the ciphertext is in no file of the database any more. Otherwise its write-ahead log keeps it until a backup
    /// or a long read has ended.
    pub erased: bool,
}

/// `retire`, `restore` and `destroy`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeVersion {
    /// The secret.
    pub path: SecretPath,
    /// One version; `None` for all of them. With `restore`, `None` means those that the last retirement of
    /// the whole secret retired.
    #[serde(default)]
    pub version: Option<u64>,
}
