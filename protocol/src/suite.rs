//! HPKE suites (RFC 9180). The guest's configuration selects one; there is no negotiation and no fallback.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A cipher suite of HPKE base mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Suite {
    /// X-Wing (ML-KEM-768 + X25519, KEM 0x647a), HKDF-SHA-256, AES-256-GCM.
    #[default]
    #[serde(rename = "xwing-hkdf-sha256-aes256gcm")]
    XWing,
    /// DHKEM(X25519, HKDF-SHA-256), HKDF-SHA-256, AES-256-GCM: the classical alternative.
    #[serde(rename = "x25519-hkdf-sha256-aes256gcm")]
    X25519,
}

/// The text is not the name of a suite.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown suite: expected {} or {}", Suite::XWing, Suite::X25519)]
pub struct UnknownSuite;

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 2] = [Self::XWing, Self::X25519];

    /// The name on the wire and in configuration files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::XWing => "xwing-hkdf-sha256-aes256gcm",
            Self::X25519 => "x25519-hkdf-sha256-aes256gcm",
        }
    }

    /// KEM, KDF and AEAD identifiers, big-endian: RFC 9180 §7 and the IANA HPKE registry.
    #[must_use]
    pub const fn id(self) -> [u8; 6] {
        match self {
            Self::XWing => [0x64, 0x7a, 0x00, 0x01, 0x00, 0x02],
            Self::X25519 => [0x00, 0x20, 0x00, 0x01, 0x00, 0x02],
        }
    }

    /// Bytes of a public key.
    #[must_use]
    pub const fn public_key_length(self) -> usize {
        match self {
            Self::XWing => 1216,
            Self::X25519 => 32,
        }
    }

    /// Bytes of an encapsulated key (`enc`).
    #[must_use]
    pub const fn enc_length(self) -> usize {
        match self {
            Self::XWing => 1120,
            Self::X25519 => 32,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Suite {
    type Err = UnknownSuite;

    fn from_str(text: &str) -> Result<Self, UnknownSuite> {
        Self::ALL.into_iter().find(|suite| suite.name() == text).ok_or(UnknownSuite)
    }
}
