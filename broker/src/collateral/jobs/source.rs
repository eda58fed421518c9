//! The sources of collateral.

/// Where collateral comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Source {
    Amd,
    Intel,
    /// CRLs at the addresses that verified certificates name.
    Crls,
    /// Issuing CAs at unverified URLs.
    Issuers,
    GoogleKeys,
    GoogleEndorsements,
}

impl Source {
    pub(crate) const ALL: [Self; 6] =
        [Self::Amd, Self::Intel, Self::Crls, Self::Issuers, Self::GoogleKeys, Self::GoogleEndorsements];

    /// Whether all its items come from one host: if that is down, the whole source backs off.
    pub(super) const fn is_one_host(self) -> bool {
        !matches!(self, Self::Crls | Self::Issuers)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Amd => "amd",
            Self::Intel => "intel",
            Self::Crls => "crls",
            Self::Issuers => "issuers",
            Self::GoogleKeys => "google-keys",
            Self::GoogleEndorsements => "google-endorsements",
        }
    }
}
