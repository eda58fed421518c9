//! `/readyz`, on both listeners.

use serde::{Deserialize, Serialize};

/// Whether anything can be released.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Readiness {
    /// The status of the response is 200 when it is, else 503.
    pub ready: bool,
    /// Why not. [`Reason::Overloaded`] alone does not make the broker unready.
    pub reasons: Vec<Reason>,
    /// Seconds since the probe; `None` before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
}

/// Why the broker cannot release anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Less free space than `limits.free_disk`.
    DiskAlmostFull,
    /// The database does not answer, or its disk takes no write.
    StorageFailed,
    /// The head of the decision log, or a row that every decision needs, does not check.
    LogHeadInvalid,
    /// The last grants could not be recorded.
    GrantsFailed,
    /// The guardrails in force look at revocation, and there is no current CRL, or only an overdue one of an issuer in use.
    CrlsMissing,
    /// More releases are being served than the broker takes on. This passes, and an anonymous client can cause it: it is
    /// reported, and does not make the broker unready.
    Overloaded,
    /// The probe has not come back for too long.
    ProbeOverdue,
}

impl Reason {
    /// Every reason there is.
    pub const ALL: [Self; 7] = [
        Self::DiskAlmostFull,
        Self::StorageFailed,
        Self::LogHeadInvalid,
        Self::GrantsFailed,
        Self::CrlsMissing,
        Self::Overloaded,
        Self::ProbeOverdue,
    ];

    /// Whether the broker is not ready because of it.
    #[must_use]
    pub const fn makes_unready(self) -> bool {
        !matches!(self, Self::Overloaded)
    }
}
