//! The confidential-computing technology of a VM, according to logs, reports and tokens.

use std::fmt;

use serde::Serialize;

/// Confidential-computing technology. The byte in `GCE NonHostInfo` is asserted by Google, for any VM on its
/// hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Technology {
    /// A Shielded VM: no memory encryption.
    None,
    /// AMD SEV.
    Sev,
    /// AMD SEV-ES.
    SevEs,
    /// Intel TDX.
    Tdx,
    /// AMD SEV-SNP.
    SevSnp,
}

impl Technology {
    /// The technology of a `GCE NonHostInfo` byte. A higher number does not mean stronger.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::None,
            1 => Self::Sev,
            2 => Self::SevEs,
            3 => Self::Tdx,
            4 => Self::SevSnp,
            _ => return None,
        })
    }

    /// Its byte in `GCE NonHostInfo`.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Sev => 1,
            Self::SevEs => 2,
            Self::Tdx => 3,
            Self::SevSnp => 4,
        }
    }

    /// Its name in claims and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sev => "sev",
            Self::SevEs => "sev-es",
            Self::Tdx => "tdx",
            Self::SevSnp => "sev-snp",
        }
    }
}

impl fmt::Display for Technology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
