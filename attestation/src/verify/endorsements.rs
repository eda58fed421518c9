//! Endorsements by vendors for their platforms, apart from CRLs.

use crate::google_token::keys::TokenKeys;
use crate::launch::store::EndorsementStore;
use crate::snp::veks::VekStore;
use crate::tdx::collateral::TdxCollateralStore;

/// Endorsements (RFC 9334 §8.2) that evidence may lack, and the keys of Google's tokens. Only the keys are
/// trusted: everything else must verify.
#[derive(Clone, Debug, Default)]
pub struct Endorsements {
    /// Certificates of AMD chips.
    pub veks: VekStore,
    /// Intel's collateral by platform.
    pub tdx: TdxCollateralStore,
    /// Google's launch endorsements by measurement.
    pub launch: EndorsementStore,
    /// Keys of tokens; a token is verified with the first set that has its key.
    pub token_keys: Vec<TokenKeys>,
}
