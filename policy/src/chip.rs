//! Identifiers of hardware that VMs run on.

use std::fmt;

use serde::{Deserialize, Serialize};
use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::snp::SignerKind;

/// A chip by its hardware id: `sev-snp:<hwID>` or `tdx:<platform id>`; `sev-snp-vlek:<chip id>` or
/// `sev-snp-vlek:masked` if a VLEK signed the report.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chip(String);

impl Chip {
    /// The chip of verified hardware evidence. A VM has at most one.
    #[must_use]
    pub fn of(claims: &Claims) -> Option<Self> {
        if let Some(snp) = &claims.sev_snp {
            let (signer, id) = match snp.signer {
                SignerKind::Vcek => ("sev-snp", &snp.hardware_id),
                SignerKind::Vlek => ("sev-snp-vlek", &snp.chip_id),
            };
            return Some(Self(format!("{signer}:{}", id.as_deref().unwrap_or("masked"))));
        }
        claims.tdx.as_ref().map(|tdx| Self(format!("tdx:{}", tdx.platform_id)))
    }

    /// A chip as read from the database.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The name in policies.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
