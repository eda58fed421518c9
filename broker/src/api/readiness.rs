//! `/readyz`, on both listeners.

use serde::{Deserialize, Serialize};

/// Whether the broker can release secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Readiness {
    /// The status of the response is 200 when true, otherwise 503.
    pub ready: bool,
    /// Why not. [`Reason::Overloaded`] and [`Reason::ClockStepped`] alone do not make the broker unready.
    pub reasons: Vec<Reason>,
    /// Seconds since the probe; `None` before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
}

/// Why the broker cannot release secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Less free space than `limits.free_disk`.
    DiskAlmostFull,
    /// The database does not answer, or its disk cannot be written.
    StorageFailed,
    /// The head of the decision log, or a row that every decision needs, does not verify.
    LogHeadInvalid,
    /// The hashes of the records do not give the head of the decision log: a record was changed or removed.
    LogDamaged,
    /// The last grants could not be recorded.
    GrantsFailed,
    /// The guardrails in force require current CRLs, but none is stored, or that of an issuer in use is
    /// overdue.
    CrlsMissing,
    /// An earlier version stored guardrails that this one cannot read, so every release is denied. Put new ones,
    /// or restore the shipped ones, with `vouchsafe guardrails`.
    GuardrailsUnreadable,
    /// The system clock is behind the challenges that were spent, so that no grant can be recorded.
    ClockBehind,
    /// The system clock was set after the broker started. It keeps serving, and keeps spent nonces; restart it once the clock is
    /// right.
    ClockStepped,
    /// The broker has reached its limit of concurrent releases. This passes, and an anonymous client can
    /// cause it, so it is reported without making the broker unready.
    Overloaded,
    /// The probe has not returned for too long.
    ProbeOverdue,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::DiskAlmostFull,
        Self::StorageFailed,
        Self::LogHeadInvalid,
        Self::LogDamaged,
        Self::GrantsFailed,
        Self::CrlsMissing,
        Self::GuardrailsUnreadable,
        Self::ClockBehind,
        Self::ClockStepped,
        Self::Overloaded,
        Self::ProbeOverdue,
    ];

    /// What helps, for whoever reads the log.
    #[must_use]
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::DiskAlmostFull => "free disk space before releases fail: the broker then goes on by itself",
            Self::StorageFailed => "look at the disk, and at the lines broker.storage_failed",
            Self::LogHeadInvalid => {
                "a row does not verify: keep the files, and restore the newest backup with `vouchsafe restore`"
            }
            Self::LogDamaged => {
                "`vouchsafe audit verify` says which record was changed: keep the files, and restore the newest backup with `vouchsafe restore`"
            }
            Self::GrantsFailed => {
                "the last releases could not be recorded: look at the disk, and at the lines record.failed"
            }
            Self::CrlsMissing => {
                "`vouchsafe collateral status` shows which CRL, `vouchsafe collateral refresh` or `import` gets it"
            }
            Self::GuardrailsUnreadable => "`vouchsafe guardrails reset`, or put a new text",
            Self::ClockBehind => "set the clock right: nothing is released until then",
            Self::ClockStepped => "restart the broker once the clock is right",
            Self::Overloaded => "this passes",
            Self::ProbeOverdue => "the broker is stuck or starved of CPU: look at the machine",
        }
    }

    /// Whether the reason makes the broker unready.
    #[must_use]
    pub const fn makes_unready(self) -> bool {
        !matches!(self, Self::Overloaded | Self::ClockStepped)
    }

    /// Whether a broker about which all of this is true is ready.
    #[must_use]
    pub fn permit_ready(reasons: &[Self]) -> bool {
        !reasons.iter().any(|reason| reason.makes_unready())
    }
}
