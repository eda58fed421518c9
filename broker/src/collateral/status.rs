//! Status of collateral: what is stored, how long it is valid, and what could not be fetched.

use serde::{Deserialize, Serialize};
use vouchsafe_attestation::collateral::StoredCrl;
use vouchsafe_attestation::x509::CrlSummary;
use vouchsafe_protocol::bundle::CollateralKind;
use vouchsafe_protocol::{Digest32, UnixTime};

/// Status of all collateral.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollateralStatus {
    /// The CRLs.
    pub crls: Vec<CrlStatus>,
    /// SHA-256 of each issuing CA.
    pub certificates: Vec<Digest32>,
    /// Number of AMD chips with a stored certificate.
    pub chips: usize,
    /// Whether the broker fetches collateral.
    pub fetch: bool,
    /// Number of items waiting to be fetched.
    pub waiting: usize,
    /// All items that are stored or wanted.
    pub items: Vec<ItemStatus>,
}

/// Status of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemStatus {
    /// Its kind.
    pub kind: CollateralKind,
    /// What it is for: the URL of a CRL, a chip and its TCB, a platform, a measurement, or a root.
    pub subject: String,
    /// The address, or `import`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When it was fetched, or last found to be current; absent if it is not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<UnixTime>,
    /// End of validity, if the item has one.
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
    /// Whether its validity has ended.
    #[must_use]
    pub fn overdue(&self, now: UnixTime) -> bool {
        self.valid_until.is_some_and(|until| until < now)
    }
}

/// Status of one CRL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlStatus {
    /// SHA-256 of it.
    pub digest: Digest32,
    /// Issuer, the encoded name in hex.
    pub issuer: String,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next CRL is due.
    pub next_update: Option<UnixTime>,
    /// Number of revoked certificates.
    pub revoked: usize,
}

impl CrlStatus {
    /// Whether the next CRL is overdue.
    #[must_use]
    pub fn overdue(&self, now: UnixTime) -> bool {
        self.next_update.is_some_and(|due| due < now)
    }
}

/// The status of a CRL.
pub(super) fn crl(crl: &StoredCrl) -> CrlStatus {
    let CrlSummary { issuer, this_update, next_update, revoked, .. } = crl.summary();
    CrlStatus {
        digest: crl.digest(),
        issuer: hex::encode(issuer),
        this_update: *this_update,
        next_update: *next_update,
        revoked: *revoked,
    }
}
