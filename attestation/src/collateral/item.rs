//! One item of collateral, parsed.

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::bundle::CollateralKind;

use super::crl::StoredCrl;
use crate::anchors::Root;
use crate::tdx::Platform;
use crate::tdx::TdxCollateral;

/// An item as received: well-formed, and nothing else has been checked.
#[derive(Clone, Debug)]
pub enum Item {
    /// A CRL.
    Crl(StoredCrl),
    /// Certificate of an AMD chip or of an issuing CA, DER.
    Certificate(Vec<u8>),
    /// Intel's collateral, for this platform by its own account.
    Tdx(Platform, Box<TdxCollateral>),
    /// A launch endorsement that contains this measurement.
    Launch(Digest48, Vec<u8>),
    /// A JSON Web Key Set; its origin decides about the root.
    TokenKeys(Root, Vec<u8>),
}

impl Item {
    /// The kind of this item.
    #[must_use]
    pub const fn kind(&self) -> CollateralKind {
        match self {
            Self::Crl(_) => CollateralKind::Crl,
            Self::Certificate(_) => CollateralKind::Certificate,
            Self::Tdx(..) => CollateralKind::Tdx,
            Self::Launch(..) => CollateralKind::LaunchEndorsement,
            Self::TokenKeys(..) => CollateralKind::TokenKeys,
        }
    }

    /// SHA-256 of it.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        match self {
            Self::Crl(crl) => crl.digest(),
            Self::Certificate(bytes) | Self::Launch(_, bytes) | Self::TokenKeys(_, bytes) => {
                Digest32::of(bytes)
            }
            Self::Tdx(_, collateral) => collateral.digest(),
        }
    }
}

/// A key set and when it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// JSON Web Key Set, as fetched.
    pub jwks: Vec<u8>,
    /// When it was fetched.
    pub fetched_at: UnixTime,
}
