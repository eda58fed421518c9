//! Metrics of failed logins.

use prometheus::{IntCounterVec, Opts, Registry};

use super::registry::registered;

/// Requests to the operators' API without a valid token, by reason.
#[derive(Clone, Debug)]
pub struct LoginMetrics(IntCounterVec);

/// Why nobody was logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefusal {
    /// The request has no bearer token.
    Missing,
    /// The token is not that of an operator.
    Unknown,
    /// The token has ended.
    Expired,
    /// The network has used up its failures.
    Rate,
}

impl LoginRefusal {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Missing, Self::Unknown, Self::Expired, Self::Rate];

    /// The reason as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "invalid",
            Self::Expired => "expired",
            Self::Rate => "rate",
        }
    }
}

impl LoginMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let name = Opts::new(
            "vouchsafe_logins_refused_total",
            "Requests to the operators' API without a valid token: no token, an invalid one, one that has ended, or too many failures of the address",
        );
        let refused = registered(registry, IntCounterVec::new(name, &["reason"])?)?;
        for reason in LoginRefusal::ALL {
            refused.with_label_values(&[reason.as_str()]);
        }
        Ok(Self(refused))
    }

    pub(crate) fn refused(&self, reason: LoginRefusal) {
        self.0.with_label_values(&[reason.as_str()]).inc();
    }
}
