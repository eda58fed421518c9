//! Every reason not to accept an item.

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::bundle::BundleError;

use super::tdx::TdxItemError;
use crate::anchors::Root;
use crate::google_token::TokenKeysError;
use crate::launch::LaunchError;
use crate::tdx::TdxError;
use crate::x509::ChainError;
use crate::x509::CollateralError;

/// An item is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// No item has this digest.
    #[error("there is no item with digest {digest}")]
    Unknown {
        /// The digest.
        digest: Digest32,
    },
    /// CRLs or certificates cannot be read.
    #[error(transparent)]
    Der(#[from] CollateralError),
    /// Intel's collateral cannot be read, or is older.
    #[error(transparent)]
    Tdx(#[from] TdxItemError),
    /// Intel's collateral does not verify.
    #[error("{0}")]
    TdxRefused(Box<TdxError>),
    /// Neither the issuer that the CRL is for nor an anchor signed it.
    #[error("not signed by a trusted issuer")]
    CrlNotSigned,
    /// The CRL's `thisUpdate` is in the future.
    #[error("not valid before {from}")]
    CrlNotYetValid {
        /// When it becomes valid.
        from: UnixTime,
    },
    /// The CRL's `nextUpdate` has passed, and the stored one is current.
    #[error("{}, and the stored one is current", overdue(*until))]
    CrlExpired {
        /// Its `nextUpdate`.
        until: Option<UnixTime>,
    },
    /// The CRL was issued before the stored one.
    #[error("issued at {found}, before the stored one ({known})")]
    CrlOlder {
        /// When this one was.
        found: UnixTime,
        /// When the stored one was.
        known: UnixTime,
    },
    /// The item is under an extra anchor, the stored one under a vendor's root.
    #[error("it chains to an extra anchor, the stored one to the root {known}")]
    ExtraAnchor {
        /// The root of the stored one.
        known: Root,
    },
    /// The certificate is that of another chip or TCB, or no VCEK.
    #[error("not the certificate of this chip and TCB")]
    OtherChip,
    /// The chain of a chip's certificate is refused.
    #[error(transparent)]
    VekChain(ChainError),
    /// The certificate is not the requested issuing CA.
    #[error("not the requested issuing CA: {0}")]
    Issuer(ChainError),
    /// The launch endorsement does not verify.
    #[error("launch endorsement: {0}")]
    LaunchRefused(Box<LaunchError>),
    /// The key set cannot be read.
    #[error(transparent)]
    TokenKeys(#[from] TokenKeysError),
    /// The bundle is refused.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The measurement is not 96 digits of hex.
    #[error("a launch endorsement is imported for a measurement: give 96 digits of lower-case hex")]
    Measurement,
    /// The endorsement does not contain the measurement, or is too large.
    #[error("not a launch endorsement for measurement {measurement}")]
    Endorsement {
        /// The requested measurement.
        measurement: Digest48,
    },
}

fn overdue(until: Option<UnixTime>) -> String {
    until.map_or_else(|| "without nextUpdate".to_owned(), |until| format!("overdue since {until}"))
}

impl From<TdxError> for ItemError {
    fn from(error: TdxError) -> Self {
        Self::TdxRefused(Box::new(error))
    }
}

impl From<LaunchError> for ItemError {
    fn from(error: LaunchError) -> Self {
        Self::LaunchRefused(Box::new(error))
    }
}
