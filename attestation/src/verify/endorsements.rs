//! What vendors publish about their platforms, beside CRLs.

use crate::google_token::keys::TokenKeys;
use crate::launch::store::EndorsementStore;
use crate::snp::veks::VekStore;
use crate::tdx::collateral::TdxCollateralStore;

/// Endorsements (RFC 9334 §8.2) that evidence may come without, and the keys of Google's tokens. Nothing but the
/// keys is trusted: each counts when it verifies.
#[derive(Clone, Debug, Default)]
pub struct Endorsements {
    /// Certificates of AMD chips.
    pub veks: VekStore,
    /// Intel's collateral by platform.
    pub tdx: TdxCollateralStore,
    /// Google's launch endorsements by measurement.
    pub launch: EndorsementStore,
    /// Keys of tokens; the first set that has the token's key verifies it.
    pub token_keys: Vec<TokenKeys>,
}
