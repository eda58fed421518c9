//! Names of the files in the collateral folder: CRLs and certificates by digest, Intel's collateral by platform,
//! endorsements by measurement.

use vouchsafe_attestation::Root;
use vouchsafe_attestation::tdx::Platform;
use vouchsafe_protocol::{Digest32, Digest48};

/// What a file holds, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// Kind, source and dates of each item.
    Metadata,
    /// A key set, signed by the broker.
    TokenKeys(Root),
    /// A CRL or a certificate, with this SHA-256; `None` for a file that the broker did not name.
    Der(Option<Digest32>),
    /// Intel's collateral for a platform.
    Tdx,
    /// The launch endorsement for a measurement; `None` for a file that the broker did not name.
    Launch(Option<Digest48>),
}

impl Stored {
    /// `None` for files that are not the broker's.
    pub(super) fn of(name: &str) -> Option<Self> {
        let stem = |end: &str| name.strip_suffix(end)?.strip_suffix('.');
        match name {
            METADATA => Some(Self::Metadata),
            GOOGLE_KEYS => Some(Self::TokenKeys(Root::Google)),
            EXTRA_KEYS => Some(Self::TokenKeys(Root::Extra)),
            _ if stem(TDX).is_some() => Some(Self::Tdx),
            _ => stem(DER)
                .map(|stem| Self::Der(stem.parse().ok()))
                .or_else(|| stem(LAUNCH).map(|stem| Self::Launch(stem.parse().ok()))),
        }
    }
}

pub(super) fn der(digest: Digest32) -> String {
    format!("{digest}.{DER}")
}

pub(super) fn tdx(platform: &Platform) -> String {
    format!("{}-{}.{TDX}", hex::encode(platform.fmspc), platform.ca.name())
}

pub(super) fn launch(measurement: Digest48) -> String {
    format!("{measurement}.{LAUNCH}")
}

pub(super) const GOOGLE_KEYS: &str = "jwks.google.json";
pub(super) const EXTRA_KEYS: &str = "jwks.extra.json";
pub(super) const METADATA: &str = "notes.json";
const DER: &str = "der";
const TDX: &str = "tdx.json";
const LAUNCH: &str = "binarypb";

#[cfg(test)]
mod tests {
    use vouchsafe_attestation::tdx::PckCa;

    use super::*;

    #[test]
    fn a_name_says_what_the_file_holds() {
        let (digest, measurement) = (Digest32([7; 32]), Digest48([8; 48]));
        let platform = Platform { fmspc: [9; 6], ca: PckCa::Platform };
        for (name, stored) in [
            (METADATA, Some(Stored::Metadata)),
            (GOOGLE_KEYS, Some(Stored::TokenKeys(Root::Google))),
            (EXTRA_KEYS, Some(Stored::TokenKeys(Root::Extra))),
            (&der(digest), Some(Stored::Der(Some(digest)))),
            (&tdx(&platform), Some(Stored::Tdx)),
            (&launch(measurement), Some(Stored::Launch(Some(measurement)))),
            ("x.der", Some(Stored::Der(None))),
            ("x.binarypb", Some(Stored::Launch(None))),
            ("x.json", None),
            ("der", None),
            (&format!("{}.damaged", der(digest)), None),
            (&format!("{}.new", der(digest)), None),
        ] {
            assert_eq!(Stored::of(name), stored, "{name}");
        }
    }
}
