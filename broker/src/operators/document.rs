//! Policies and baselines as operators see them: text under a name, in versions.

use serde::{Deserialize, Serialize};
use vouchsafe_keystore::store::Document;
use vouchsafe_protocol::{Digest32, ObjectName, UnixTime};

/// A new version of a document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDocument {
    pub(super) name: ObjectName,
    pub(super) text: String,
}

/// Which document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) name: ObjectName,
    #[serde(default)]
    pub(super) version: Option<u64>,
}

/// Which version a document became.
#[derive(Serialize)]
pub(super) struct StoredVersion {
    pub(super) name: ObjectName,
    pub(super) version: u64,
}

/// A document in full.
#[derive(Serialize)]
pub(super) struct Full {
    name: ObjectName,
    version: u64,
    digest: Digest32,
    revoked: bool,
    created_at: UnixTime,
    created_by: String,
    text: String,
}

impl From<Document> for Full {
    fn from(document: Document) -> Self {
        let Document { name, version, text, digest, revoked, created_at, created_by, .. } = document;
        Self { name, version, digest, revoked, created_at, created_by, text }
    }
}
