//! Replacement rules for Intel's collateral.

use vouchsafe_attestation::Root;
use vouchsafe_attestation::tdx::{
    CollateralPart, MAX_TDX_COLLATERAL, TdxCollateral, TdxCollateralError, TdxError,
};
use vouchsafe_attestation::test_util::tdx::{CollateralSpec, FakeIntel};
use vouchsafe_protocol::bundle::{Bundle, BundleFormat, BundleItem, CollateralKind};

use super::tdx::{DAY, PLATFORM, collateral, spec};
use super::*;
use crate::clock;

#[test]
fn t17_an_import_must_be_signed_and_may_be_older() {
    let folder = tempfile::tempdir().unwrap();
    let mut ours = open(folder.path());
    let (young, old) = (collateral(60), collateral(3600));
    let json = |collateral: &TdxCollateral| serde_json::to_vec(collateral).unwrap();
    let digest = |folder: &CollateralFolder| {
        folder.parse().unwrap().endorsements.tdx.get(&PLATFORM).map(|tdx| tdx.digest())
    };
    let now = clock::now();
    ours.import(&json(&young), None, now).unwrap();
    let mut forged = young.clone();
    forged.tcb_info_signature[0] ^= 1;
    let error = ours.import(&json(&forged), None, now).unwrap_err();
    let part = CollateralPart::TcbInfo;
    let expected = ContentError::from(TdxError::CollateralSignature { part });
    assert!(matches!(error, CollateralFileError::Content(error) if error == expected));
    assert_eq!(digest(&ours), Some(young.digest()));
    ours.import(&json(&old), None, now).unwrap();
    assert_eq!(digest(&ours), Some(old.digest()));
}

/// A bundle with this collateral, and a certificate.
fn bundle_of(collateral: &TdxCollateral) -> Bundle {
    let now = clock::now();
    let json = serde_json::to_vec(collateral).unwrap();
    let item = |kind, content| BundleItem::new(kind, String::new(), "import".to_owned(), now, content);
    let items = vec![
        item(CollateralKind::Tdx, json),
        item(CollateralKind::Certificate, shared_google().intermediate_der().to_vec()),
    ];
    Bundle::sign(&identity(1), BundleFormat::Exported, now, items)
}

#[test]
fn t17_a_bundle_replaces_nothing_newer_and_unusable_items_are_skipped() {
    let now = clock::now();
    let young = collateral(60);
    let taken = |mut to: CollateralFolder, by: &TdxCollateral, at: UnixTime| {
        to.import_bundle(bundle_of(by), &identity(1).identity(), at).unwrap();
        // The rest of the bundle is imported.
        assert_eq!(to.status().unwrap().certificates.len(), 1);
        there(&to)
    };
    let folder = tempfile::tempdir().unwrap();
    let with_young = |name: &str| {
        let mut to = open(&folder.path().join(name));
        to.import(&serde_json::to_vec(&young).unwrap(), None, now).unwrap();
        to
    };
    assert_eq!(taken(with_young("older"), &collateral(3600), now), Some(young.digest()));
    let better = collateral(30);
    assert_eq!(taken(with_young("younger"), &better, now), Some(better.digest()));
    // Another broker may have other anchors.
    assert_eq!(
        taken(with_young("foreign"), &FakeIntel::new().collateral(&spec(30)), now),
        Some(young.digest())
    );
    // Expired collateral is skipped.
    assert_eq!(taken(open(&folder.path().join("late")), &young, now.plus(2 * DAY)), None);
    assert_eq!(taken(open(&folder.path().join("early")), &young, UnixTime(now.0 - DAY)), None);
    let mut kind = spec(30);
    kind.qe_identity["version"] = 4.into();
    assert_eq!(taken(with_young("kind"), &FakeIntel::shared().collateral(&kind), now), Some(young.digest()));
}

#[test]
fn t17_a_bundle_with_a_badly_signed_item_changes_nothing() {
    let (folder, now) = (tempfile::tempdir().unwrap(), clock::now());
    let mut to = open(folder.path());
    let mut forged = collateral(60);
    forged.tcb_info_signature[0] ^= 1;
    let part = CollateralPart::TcbInfo;
    let expected = ContentError::from(TdxError::CollateralSignature { part });
    let error = to.import_bundle(bundle_of(&forged), &identity(1).identity(), now).unwrap_err();
    assert!(matches!(&error, CollateralFileError::Content(found) if *found == expected), "{error}");
    assert_eq!(to.status().unwrap(), CollateralStatus::default());
}

#[test]
fn t17_collateral_of_a_removed_anchor_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let past = FakeIntel::new();
    let anchors = shared_anchors().with_extra(past.root_der()).unwrap();
    let mut before = CollateralFolder::open(folder.path(), identity(1), anchors).unwrap();
    let theirs = past.collateral(&spec(60));
    before.import(&serde_json::to_vec(&theirs).unwrap(), None, clock::now()).unwrap();
    let mut after = open(folder.path());
    let ours = collateral(3600);
    put(&mut after, &ours, clock::now()).unwrap();
    assert_eq!(there(&after), Some(ours.digest()));
}

/// Stores collateral as if fetched from a cache.
fn put(
    folder: &mut CollateralFolder,
    collateral: &TdxCollateral,
    fetched_at: UnixTime,
) -> Result<(), CollateralFileError> {
    let source = "https://cache.example.com".to_owned();
    let platform = Described::read(collateral).unwrap().platform;
    let note = notes::Note { source, fetched_at, valid_until: None };
    folder.put(contents::Item::Tdx(platform, Box::new(collateral.clone())), note, None)
}

fn there(folder: &CollateralFolder) -> Option<Digest32> {
    folder.parse().unwrap().endorsements.tdx.get(&PLATFORM).map(|tdx| tdx.digest())
}

/// Collateral with the TCB evaluation data number of an early set.
fn early(mut spec: CollateralSpec) -> TdxCollateral {
    for part in [&mut spec.tcb_info, &mut spec.qe_identity] {
        part["tcbEvaluationDataNumber"] = 18.into();
    }
    FakeIntel::shared().collateral(&spec)
}

#[test]
fn t17_an_early_set_gives_way_to_a_standard_one_that_is_issued_later() {
    let (folder, now) = (tempfile::tempdir().unwrap(), clock::now());
    let mut ours = open(folder.path());
    let planted = early(spec(600));
    put(&mut ours, &planted, now).unwrap();
    let error = put(&mut ours, &collateral(3600), now).unwrap_err();
    let is_older = matches!(error, CollateralFileError::Content(ContentError::Tdx(TdxFlaw::Older { .. })));
    assert!(is_older, "{error}");
    assert_eq!(there(&ours), Some(planted.digest()));
    let standard = collateral(60);
    put(&mut ours, &standard, now).unwrap();
    assert_eq!(there(&ours), Some(standard.digest()));
}

#[test]
fn t17_expired_collateral_is_replaced_by_current() {
    let (folder, now) = (tempfile::tempdir().unwrap(), clock::now());
    let mut ours = open(folder.path());
    // It expires in a day.
    put(&mut ours, &early(spec(60)), now).unwrap();
    let mut lasting = CollateralSpec::current(UnixTime(now.0 - 3600), now.plus(10 * DAY));
    lasting.qe_identity["version"] = 2.into();
    let lasting = FakeIntel::shared().collateral(&lasting);
    let error = put(&mut ours, &lasting, now).unwrap_err();
    assert!(matches!(error, CollateralFileError::Content(ContentError::Tdx(TdxFlaw::Older { .. }))));
    put(&mut ours, &lasting, now.plus(2 * DAY)).unwrap();
    assert_eq!(there(&ours), Some(lasting.digest()));
}

#[test]
fn t17_times_are_compared_under_one_anchor_only() {
    let (folder, now) = (tempfile::tempdir().unwrap(), clock::now());
    let other = FakeIntel::new();
    let anchors = shared_anchors().with_extra(other.root_der()).unwrap();
    let mut ours = CollateralFolder::open(folder.path(), identity(1), anchors).unwrap();
    put(&mut ours, &collateral(60), now).unwrap();
    let theirs = other.collateral(&spec(3600));
    put(&mut ours, &theirs, now).unwrap();
    assert_eq!(there(&ours), Some(theirs.digest()));
}

#[test]
fn t17_collateral_of_an_extra_anchor_never_replaces_intels() {
    let (folder, march) = (tempfile::tempdir().unwrap(), UnixTime(1_774_915_200));
    let Some(json) = vouchsafe_captured::read("tdx/assembled/fmspc-90c06f000000-2026-03.json") else {
        return;
    };
    let intels = TdxCollateral::parse(&json).unwrap();
    let mut spec = CollateralSpec::current(UnixTime(march.0 - 60), march.plus(DAY));
    spec.tcb_info["fmspc"] = "90C06F000000".into();
    let extra = FakeIntel::shared().collateral(&spec);
    let mut ours = open(folder.path());
    let there = |folder: &CollateralFolder| {
        let platform = Described::read(&intels).unwrap().platform;
        folder.parse().unwrap().endorsements.tdx.get(&platform).map(|tdx| tdx.digest())
    };
    put(&mut ours, &extra, march).unwrap();
    assert_eq!(there(&ours), Some(extra.digest()));
    // Intel's own replaces it, however old.
    put(&mut ours, &intels, march).unwrap();
    assert_eq!(there(&ours), Some(intels.digest()));
    let refused = |result: Result<(), CollateralFileError>| {
        let error = result.unwrap_err();
        let expected = ContentError::ExtraAnchor { known: Root::Intel };
        assert!(matches!(&error, CollateralFileError::Content(found) if *found == expected), "{error}");
    };
    refused(put(&mut ours, &extra, march));
    refused(ours.import(&serde_json::to_vec(&extra).unwrap(), None, march));
    assert_eq!(there(&ours), Some(intels.digest()));
}

#[test]
fn t44_collateral_too_large_to_be_read_back_is_not_stored() {
    let (folder, now) = (tempfile::tempdir().unwrap(), clock::now());
    let mut ours = open(folder.path());
    // Each part is below the limit, their sum is not.
    let mut large = spec(60);
    large.tcb_info["padding"] = "\"".repeat(MAX_TDX_COLLATERAL / 4).into();
    let large = FakeIntel::shared().collateral(&large);
    assert!(large.tcb_info.len() < MAX_TDX_COLLATERAL);
    let error = put(&mut ours, &large, now).unwrap_err();
    let is_refused = matches!(
        &error,
        CollateralFileError::Content(ContentError::Tdx(TdxFlaw::Form(TdxCollateralError::TooLarge { found })))
            if *found > MAX_TDX_COLLATERAL
    );
    assert!(is_refused, "{error}");
    assert_eq!(there(&open(folder.path())), None);
}
