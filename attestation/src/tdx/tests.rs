//! Captured quotes with their expected results, and fake ones with one fault each.

mod captured;
mod collateral;
mod fake;
mod hostile;
mod needles;
mod published;

use vouchsafe_protocol::UnixTime;

use super::*;
use crate::anchors::Root;
use crate::anchors::TrustAnchors;
use crate::cache::VerifyCache;
use crate::evidence;
use crate::test_util::ca::CrlSpec;
use crate::test_util::tdx::CollateralSpec;
use crate::test_util::tdx::FakeIntel;
use crate::test_util::tdx::PLATFORM_CA_SERIAL;
use crate::test_util::tdx::PckSpec;
use crate::test_util::tdx::ROOT_SERIAL;
use crate::test_util::tdx::SIGNER_SERIAL;
use crate::test_util::tdx::TEE_TCB_SVN_OLD;
use crate::test_util::tdx::TdxQuoteBuilder;
use crate::verify::Endorsements;
use crate::x509::ChainError;
use crate::x509::Collateral;

/// 2026-02-19: everything that the builders make is valid.
const NOW: UnixTime = UnixTime(1_771_500_000);
const DAY: u64 = 86_400;

fn spec() -> CollateralSpec {
    CollateralSpec::current(UnixTime(NOW.0 - DAY), NOW.plus(30 * DAY))
}

fn anchors() -> TrustAnchors {
    TrustAnchors::builtin().with_extra(FakeIntel::shared().root_der()).unwrap()
}

/// Verifies twice: the cache must not change the result.
fn verify_twice(
    quote: &[u8],
    appraisal: Appraisal<'_>,
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<TdxClaims, TdxError> {
    let cache = VerifyCache::new(4, 1024);
    let collateral = &Collateral::empty();
    let inputs = VerifyInputs {
        anchors,
        collateral,
        now,
        endorsements: &Endorsements::default(),
        audiences: &[],
        cache: &cache,
    };
    let first = verify_unbound(quote, appraisal, &inputs).map(UnboundQuote::inspect);
    let second = verify_unbound(quote, appraisal, &inputs).map(UnboundQuote::inspect);
    assert_eq!(first, second);
    let waived = verify_unbound(quote, Appraisal::Waived, &inputs);
    if let (Appraisal::Given(collateral), Ok(_)) = (appraisal, waived) {
        needles::compare(quote, collateral, now);
    }
    first
}

/// Verifies a valid quote with one change, with valid collateral.
fn changed(change: impl FnOnce(&mut TdxQuoteBuilder)) -> Result<TdxClaims, TdxError> {
    let mut builder = TdxQuoteBuilder::version_5();
    change(&mut builder);
    let intel = FakeIntel::shared();
    verify_twice(&builder.sign(intel), Appraisal::Given(&intel.collateral(&spec())), &anchors(), NOW)
}

fn refused(change: impl FnOnce(&mut TdxQuoteBuilder)) -> TdxError {
    changed(change).unwrap_err()
}

/// Verifies a valid quote with collateral in which one thing was changed before signing.
fn verified_with(change: impl FnOnce(&mut CollateralSpec)) -> Result<TdxClaims, TdxError> {
    let mut spec = spec();
    change(&mut spec);
    let intel = FakeIntel::shared();
    let quote = TdxQuoteBuilder::version_5().sign(intel);
    verify_twice(&quote, Appraisal::Given(&intel.collateral(&spec)), &anchors(), NOW)
}
