//! Types shared by policies and baselines: named texts with versions.

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{Digest32, ObjectName, UnixTime};

/// `put` of a policy or a baseline, `check` of a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDocument {
    /// The name.
    pub name: ObjectName,
    /// Cedar for a policy, JSON for a baseline.
    pub text: String,
}

/// Query of `show`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowDocument {
    /// The document.
    pub name: ObjectName,
    /// The current version unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// Answer of `put` of a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredVersion {
    /// The document.
    pub name: ObjectName,
    /// The version in force from now on.
    pub version: u64,
}

/// Answer of `show`: one version in full.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Document {
    /// Its name.
    pub name: ObjectName,
    /// Which version this is.
    pub version: u64,
    /// SHA-256 of the text.
    pub digest: Digest32,
    /// Whether the document was revoked; revocation covers all its versions.
    pub revoked: bool,
    /// When this version was put.
    pub created_at: UnixTime,
    /// The operator who put it.
    pub created_by: String,
    /// The text as it was put, byte for byte.
    pub text: String,
}

impl From<vouchsafe_keystore::registry::Document> for Document {
    fn from(document: vouchsafe_keystore::registry::Document) -> Self {
        let vouchsafe_keystore::registry::Document {
            name,
            version,
            text,
            digest,
            revoked,
            created_at,
            created_by,
            kind: _,
        } = document;
        Self { name, version, digest, revoked, created_at, created_by, text }
    }
}
