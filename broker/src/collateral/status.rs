//! What there is, what it is good for, and what could not be had.

use serde::{Deserialize, Serialize};
use vouchsafe_attestation::chain::CrlSummary;
use vouchsafe_protocol::bundle::CollateralKind;
use vouchsafe_protocol::{Digest32, UnixTime};

use super::lists::List;

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollateralStatus {
    /// The lists.
    pub crls: Vec<CrlStatus>,
    /// SHA-256 of each issuing CA.
    pub certificates: Vec<Digest32>,
    /// For how many AMD chips there is a certificate.
    pub chips: usize,
    /// Whether the broker fetches anything.
    pub fetch: bool,
    /// How many items wait for their fetch.
    pub waiting: usize,
    /// Every item that is there, and every one that is wanted.
    pub items: Vec<ItemStatus>,
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemStatus {
    /// What it is.
    pub kind: CollateralKind,
    /// What it is for: an issuer's list by its address, a chip and its TCB, a platform, a measurement, a root.
    pub subject: String,
    /// The address, or `import`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When it came, or was last found to be current; absent while it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<UnixTime>,
    /// Until when it is good, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<UnixTime>,
    /// SHA-256 of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest32>,
    /// Why the last fetch failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl ItemStatus {
    /// Whether its successor is due already.
    #[must_use]
    pub fn overdue(&self, now: UnixTime) -> bool {
        self.valid_until.is_some_and(|until| until < now)
    }
}

/// What there is of one list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlStatus {
    /// SHA-256 of it.
    pub digest: Digest32,
    /// Issuer, the encoded name in hex.
    pub issuer: String,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next one is due.
    pub next_update: Option<UnixTime>,
    /// How many certificates it revokes.
    pub revoked: usize,
}

impl CrlStatus {
    /// Whether the next list is due already.
    #[must_use]
    pub fn overdue(&self, now: UnixTime) -> bool {
        self.next_update.is_some_and(|due| due < now)
    }
}

/// What a list says of itself.
pub(super) fn crl(list: &List) -> CrlStatus {
    let CrlSummary { issuer, this_update, next_update, revoked, .. } = &list.summary;
    CrlStatus {
        digest: list.digest,
        issuer: hex::encode(issuer),
        this_update: *this_update,
        next_update: *next_update,
        revoked: *revoked,
    }
}
