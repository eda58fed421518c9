//! One item to fetch: its URL, and how long to keep trying.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use vouchsafe_attestation::collateral::{Issuer, Missing};
use vouchsafe_protocol::bundle::CollateralKind;

use super::source::Source;
use crate::collateral::pace::Pace;
use crate::config::collateral::AMD_KDS;

/// One item to fetch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Job {
    /// The CRL at a URL; kept current for as long as the broker runs.
    Crl {
        /// The URL, from a verified certificate or the configuration.
        url: String,
        /// The key that must have signed it, if a certificate names the CRL.
        issuer: Option<Arc<[u8]>>,
    },
    /// An item that a verification lacked, or that is always needed.
    Item(Missing),
}

impl Job {
    pub(crate) const fn crl(url: String, issuer: Option<Arc<[u8]>>) -> Self {
        Self::Crl { url, issuer }
    }

    pub(crate) fn source(&self) -> Source {
        match self {
            Self::Crl { url, .. } if url.starts_with(AMD_KDS) => Source::Amd,
            Self::Crl { .. } => Source::Crls,
            Self::Item(Missing::Issuer(_)) => Source::Issuers,
            Self::Item(Missing::Vek(_)) => Source::Amd,
            Self::Item(Missing::Tdx(_)) => Source::Intel,
            Self::Item(Missing::TokenKeys) => Source::GoogleKeys,
            Self::Item(Missing::Launch(_)) => Source::GoogleEndorsements,
        }
    }

    pub(crate) const fn kind(&self) -> CollateralKind {
        match self {
            Self::Crl { .. } => CollateralKind::Crl,
            Self::Item(Missing::Vek(_) | Missing::Issuer(_)) => CollateralKind::Certificate,
            Self::Item(Missing::Tdx(_)) => CollateralKind::Tdx,
            Self::Item(Missing::TokenKeys) => CollateralKind::TokenKeys,
            Self::Item(Missing::Launch(_)) => CollateralKind::LaunchEndorsement,
        }
    }

    /// Whether it is needed regardless of requests.
    pub(super) const fn is_permanent(&self) -> bool {
        // An issuing CA with a URL in the table is fetched before a certificate of it is seen.
        matches!(
            self,
            Self::Crl { .. } | Self::Item(Missing::TokenKeys | Missing::Issuer(Issuer { key_id: None, .. }))
        )
    }

    /// Whether the item expires soon enough to need refreshing.
    pub(super) const fn is_refreshed(&self) -> bool {
        self.is_permanent() || matches!(self, Self::Item(Missing::Tdx(_)))
    }

    /// Whether guests treat a refusal of this item as final. Such items mostly come over plain HTTP, where a
    /// network attacker can cause a refusal.
    const fn is_decisive(&self) -> bool {
        matches!(self, Self::Crl { .. } | Self::Item(Missing::Issuer(_)))
    }

    /// How long a refusal is remembered.
    pub(super) const fn refused(&self, pace: &Pace) -> Duration {
        if self.is_decisive() { pace.refused } else { pace.missing }
    }

    /// The longest time between two attempts.
    pub(super) const fn most(&self, pace: &Pace) -> Duration {
        if self.is_decisive() { pace.refused } else { pace.most }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crl { url, .. } => f.write_str(url),
            Self::Item(missing) => missing.fmt(f),
        }
    }
}
