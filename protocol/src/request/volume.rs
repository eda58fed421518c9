//! Actions on encrypted volumes: register a header, announce the next one.

use serde::{Deserialize, Serialize};

use crate::digest::Digest32;
use crate::hashing::Preimage;
use crate::path::SecretPath;

/// An action on one volume, which is identified by the path of the secret that opens it and the instance that
/// the evidence names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum VolumeAction {
    /// Register the header of a volume. Only while none is registered.
    #[serde(rename_all = "kebab-case")]
    RegisterVolume {
        /// Path of the secret.
        path: SecretPath,
        /// The header's digest.
        digest: Digest32,
    },
    /// Announce the header that is about to be written. It replaces one that was announced before.
    #[serde(rename_all = "kebab-case")]
    AdvanceVolume {
        /// Path of the secret.
        path: SecretPath,
        /// The digest of the registered header.
        from: Digest32,
        /// The digest of the next one.
        to: Digest32,
    },
}

impl VolumeAction {
    /// The path of the secret.
    #[must_use]
    pub const fn path(&self) -> &SecretPath {
        match self {
            Self::RegisterVolume { path, .. } | Self::AdvanceVolume { path, .. } => path,
        }
    }

    pub(super) fn preimage(&self) -> Preimage {
        match self {
            // SHA-256(label || path || header digest), each length-prefixed.
            Self::RegisterVolume { path, digest } => {
                Preimage::new(REGISTER_BODY_LABEL).field(path.as_str().as_bytes()).field(digest.as_bytes())
            }
            // SHA-256(label || path || registered header digest || next header digest), each length-prefixed.
            Self::AdvanceVolume { path, from, to } => Preimage::new(ADVANCE_BODY_LABEL)
                .field(path.as_str().as_bytes())
                .field(from.as_bytes())
                .field(to.as_bytes()),
        }
    }
}

const REGISTER_BODY_LABEL: &[u8] = b"vouchsafe/v1 register-volume body";
const ADVANCE_BODY_LABEL: &[u8] = b"vouchsafe/v1 advance-volume body";
