//! Which of Intel's collateral replaces which.

use vouchsafe_protocol::bundle::CollateralKind;

use super::*;
use crate::tdx::CollateralPart;
use crate::tdx::MAX_TDX_COLLATERAL;
use crate::tdx::TdxCollateralError;
use crate::tdx::TdxError;

#[test]
fn t17_an_import_must_be_signed_and_may_be_older() {
    let mut ours = Store::new();
    let (young, old) = (collateral(60), collateral(3600));
    ours.import(&young.to_json(), NOW).unwrap();
    let mut forged = young.clone();
    forged.tcb_info_signature[0] ^= 1;
    let part = CollateralPart::TcbInfo;
    let error = ours.import(&forged.to_json(), NOW).unwrap_err();
    assert_eq!(error, TdxError::CollateralSignature { part }.into());
    assert_eq!(ours.tdx(), Some(young.digest()));
    ours.import(&old.to_json(), NOW).unwrap();
    assert_eq!(ours.tdx(), Some(old.digest()));
}

/// Items of a bundle: this set, and a certificate.
fn bundle_of(collateral: &TdxCollateral) -> Vec<BundleItem> {
    let item = |kind, content| BundleItem::new(kind, String::new(), IMPORTED.to_owned(), NOW, content);
    vec![
        item(CollateralKind::Tdx, collateral.to_json()),
        item(CollateralKind::Certificate, shared_google().intermediate_der().to_vec()),
    ]
}

#[test]
fn t17_a_bundle_replaces_nothing_newer_and_unusable_items_are_skipped() {
    let young = collateral(60);
    let merged = |mut to: Store, by: &TdxCollateral, at: UnixTime| {
        let left_out = to.merge(bundle_of(by), at).unwrap();
        // The rest of the bundle is imported.
        assert_eq!(to.stored.certificates().len(), 1);
        assert_eq!(left_out, usize::from(to.tdx() != Some(by.digest())));
        to.tdx()
    };
    let with_young = || {
        let mut to = Store::new();
        to.import(&young.to_json(), NOW).unwrap();
        to
    };
    assert_eq!(merged(with_young(), &collateral(3600), NOW), Some(young.digest()));
    let better = collateral(30);
    assert_eq!(merged(with_young(), &better, NOW), Some(better.digest()));
    // Another broker may have other anchors.
    assert_eq!(merged(with_young(), &FakeIntel::new().collateral(&spec(30)), NOW), Some(young.digest()));
    // Expired collateral is skipped.
    assert_eq!(merged(Store::new(), &young, NOW.plus(2 * DAY)), None);
    assert_eq!(merged(Store::new(), &young, UnixTime(NOW.0 - DAY)), None);
    let mut kind = spec(30);
    kind.qe_identity["version"] = 4.into();
    assert_eq!(merged(with_young(), &FakeIntel::shared().collateral(&kind), NOW), Some(young.digest()));
}

#[test]
fn t17_a_bundle_with_a_badly_signed_item_changes_nothing() {
    let mut to = Store::new();
    let mut forged = collateral(60);
    forged.tcb_info_signature[0] ^= 1;
    let part = CollateralPart::TcbInfo;
    let error = to.merge(bundle_of(&forged), NOW).unwrap_err();
    assert_eq!(error, TdxError::CollateralSignature { part }.into());
    assert_eq!(to.export(), []);
}

#[test]
fn t17_collateral_of_a_removed_anchor_is_replaced() {
    let past = FakeIntel::new();
    let anchors = shared_anchors().with_extra(past.root_der()).unwrap();
    let mut before = Store::under(anchors);
    let theirs = past.collateral(&spec(60));
    before.import(&theirs.to_json(), NOW).unwrap();
    let mut after = Store { stored: before.stored, ..Store::new() };
    let ours = collateral(3600);
    put(&mut after, &ours, NOW).unwrap();
    assert_eq!(after.tdx(), Some(ours.digest()));
}

/// Stores collateral as if it had been fetched.
fn put(store: &mut Store, collateral: &TdxCollateral, now: UnixTime) -> Result<(), ItemError> {
    let platform = TdxDescription::read(collateral).unwrap().platform;
    store.put(Item::Tdx(platform, Box::new(collateral.clone())), now)
}

/// A set with the TCB evaluation data number of an early one.
fn early(mut spec: CollateralSpec) -> TdxCollateral {
    for part in [&mut spec.tcb_info, &mut spec.qe_identity] {
        part["tcbEvaluationDataNumber"] = 18.into();
    }
    FakeIntel::shared().collateral(&spec)
}

#[test]
fn t17_an_early_set_is_replaced_by_a_later_standard_one() {
    let mut ours = Store::new();
    let planted = early(spec(600));
    put(&mut ours, &planted, NOW).unwrap();
    let error = put(&mut ours, &collateral(3600), NOW).unwrap_err();
    assert!(matches!(error, ItemError::Tdx(TdxItemError::Older { .. })), "{error}");
    assert_eq!(ours.tdx(), Some(planted.digest()));
    let standard = collateral(60);
    put(&mut ours, &standard, NOW).unwrap();
    assert_eq!(ours.tdx(), Some(standard.digest()));
}

#[test]
fn t17_expired_collateral_is_replaced_by_current() {
    let mut ours = Store::new();
    // It expires in a day.
    put(&mut ours, &early(spec(60)), NOW).unwrap();
    let mut lasting = CollateralSpec::current(UnixTime(NOW.0 - 3600), NOW.plus(10 * DAY));
    lasting.qe_identity["version"] = 2.into();
    let lasting = FakeIntel::shared().collateral(&lasting);
    let error = put(&mut ours, &lasting, NOW).unwrap_err();
    assert!(matches!(error, ItemError::Tdx(TdxItemError::Older { .. })), "{error}");
    put(&mut ours, &lasting, NOW.plus(2 * DAY)).unwrap();
    assert_eq!(ours.tdx(), Some(lasting.digest()));
}

#[test]
fn t17_times_are_only_compared_under_the_same_anchor() {
    let other = FakeIntel::new();
    let mut ours = Store::under(shared_anchors().with_extra(other.root_der()).unwrap());
    put(&mut ours, &collateral(60), NOW).unwrap();
    let theirs = other.collateral(&spec(3600));
    put(&mut ours, &theirs, NOW).unwrap();
    assert_eq!(ours.tdx(), Some(theirs.digest()));
}

#[test]
fn t17_collateral_of_an_extra_anchor_never_replaces_intels() {
    let march = UnixTime(1_774_915_200);
    let Some(json) = vouchsafe_captured::read("tdx/assembled/fmspc-90c06f000000-2026-03.json") else {
        return;
    };
    let intels = TdxCollateral::parse(&json).unwrap();
    let mut spec = CollateralSpec::current(UnixTime(march.0 - 60), march.plus(DAY));
    spec.tcb_info["fmspc"] = "90C06F000000".into();
    let extra = FakeIntel::shared().collateral(&spec);
    let mut ours = Store::new();
    let stored_digest = |store: &Store| {
        let platform = TdxDescription::read(&intels).unwrap().platform;
        store.loaded().endorsements.tdx.get(&platform).map(|tdx| tdx.digest())
    };
    put(&mut ours, &extra, march).unwrap();
    assert_eq!(stored_digest(&ours), Some(extra.digest()));
    // Intel's own collateral replaces it, whatever its age.
    put(&mut ours, &intels, march).unwrap();
    assert_eq!(stored_digest(&ours), Some(intels.digest()));
    let refused = Err(ItemError::ExtraAnchor { known: Root::Intel });
    assert_eq!(put(&mut ours, &extra, march), refused);
    assert_eq!(ours.import(&extra.to_json(), march), refused);
    assert_eq!(stored_digest(&ours), Some(intels.digest()));
}

#[test]
fn t44_collateral_too_large_to_be_read_back_is_not_stored() {
    let mut ours = Store::new();
    // Each part is below the limit, their sum is not.
    let mut large = spec(60);
    large.tcb_info["padding"] = "\"".repeat(MAX_TDX_COLLATERAL / 4).into();
    let large = FakeIntel::shared().collateral(&large);
    assert!(large.tcb_info.len() < MAX_TDX_COLLATERAL);
    let error = put(&mut ours, &large, NOW).unwrap_err();
    let is_refused = matches!(
        &error,
        ItemError::Tdx(TdxItemError::Form(TdxCollateralError::TooLarge { found })) if *found > MAX_TDX_COLLATERAL
    );
    assert!(is_refused, "{error}");
    assert_eq!(ours.tdx(), None);
}
