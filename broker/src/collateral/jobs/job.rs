//! One item to fetch: where it comes from, and how long it is worth to try for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use vouchsafe_protocol::bundle::CollateralKind;

use super::Source;
use crate::collateral::addresses::AMD_KDS;
use crate::collateral::pace::Pace;
use crate::collateral::wanted::{Issuer, Wanted};

/// One item to fetch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Job {
    /// The list at an address; it is kept current for as long as the broker runs.
    Crl {
        /// Where a verified certificate, or the configuration, says that it is.
        url: String,
        /// The key that has to sign it, where a certificate names the list.
        issuer: Option<Arc<[u8]>>,
    },
    /// What somebody needs.
    Wanted(Wanted),
}

impl Job {
    pub(crate) const fn crl(url: String, issuer: Option<Arc<[u8]>>) -> Self {
        Self::Crl { url, issuer }
    }

    pub(crate) fn source(&self) -> Source {
        match self {
            Self::Crl { url, .. } if url.starts_with(AMD_KDS) => Source::Amd,
            Self::Crl { .. } => Source::Crls,
            Self::Wanted(Wanted::Issuer(_)) => Source::Issuers,
            Self::Wanted(Wanted::Vek(_)) => Source::Amd,
            Self::Wanted(Wanted::Tdx(_)) => Source::Intel,
            Self::Wanted(Wanted::TokenKeys) => Source::GoogleKeys,
            Self::Wanted(Wanted::Launch(_)) => Source::GoogleEndorsements,
        }
    }

    pub(crate) const fn kind(&self) -> CollateralKind {
        match self {
            Self::Crl { .. } => CollateralKind::Crl,
            Self::Wanted(Wanted::Vek(_) | Wanted::Issuer(_)) => CollateralKind::Certificate,
            Self::Wanted(Wanted::Tdx(_)) => CollateralKind::Tdx,
            Self::Wanted(Wanted::TokenKeys) => CollateralKind::TokenKeys,
            Self::Wanted(Wanted::Launch(_)) => CollateralKind::LaunchEndorsement,
        }
    }

    /// Whether it is needed whoever asks.
    pub(super) const fn is_permanent(&self) -> bool {
        // An issuing CA at an address of the table is fetched before anybody shows a certificate of it.
        matches!(
            self,
            Self::Crl { .. } | Self::Wanted(Wanted::TokenKeys | Wanted::Issuer(Issuer { key_id: None, .. }))
        )
    }

    /// Whether what is there has an end that comes soon.
    pub(super) const fn is_refreshed(&self) -> bool {
        self.is_permanent() || matches!(self, Self::Wanted(Wanted::Tdx(_)))
    }

    /// Whether a guest takes it for a final answer that this was refused. It mostly comes over plain HTTP, where who stands
    /// in between can have anything refused.
    const fn is_decisive(&self) -> bool {
        matches!(self, Self::Crl { .. } | Self::Wanted(Wanted::Issuer(_)))
    }

    /// For how long a refusal counts.
    pub(super) const fn refused(&self, pace: &Pace) -> Duration {
        if self.is_decisive() { pace.refused } else { pace.missing }
    }

    /// The longest time between two tries.
    pub(super) const fn most(&self, pace: &Pace) -> Duration {
        if self.is_decisive() { pace.refused } else { pace.most }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crl { url, .. } => f.write_str(url),
            Self::Wanted(wanted) => wanted.fmt(f),
        }
    }
}
