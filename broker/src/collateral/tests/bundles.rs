use std::sync::LazyLock;

use vouchsafe_attestation::test_util::google_token::FakeAttestationService;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::bundle::{Bundle, BundleError};

use super::*;
use crate::clock;

const MEASUREMENT: Digest48 = Digest48([7; 48]);
/// A key set with one key.
static JWKS: LazyLock<Vec<u8>> = LazyLock::new(|| FakeAttestationService::shared().jwks());

/// A folder with one item of each kind that needs no vendor.
fn filled(path: &std::path::Path) -> CollateralFolder {
    let now = clock::now();
    let mut folder = open(path);
    let crl = shared_google().root_crl(&CrlSpec::current(UnixTime(now.0 - 60), now.plus(1000)));
    folder.import(&crl, None, now).unwrap();
    folder.import(shared_google().intermediate_der(), None, now).unwrap();
    folder.import(&JWKS, None, now).unwrap();
    folder.import(&[&[1], &MEASUREMENT.0[..]].concat(), Some(MEASUREMENT), now).unwrap();
    folder
}

#[test]
fn a_bundle_carries_everything_to_another_broker() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let filled = filled(one.path());
    let json = serde_json::to_vec(&filled.export(clock::now())).unwrap();
    let bundle = || Bundle::parse(&json).unwrap();
    let mut other = CollateralFolder::open(two.path(), identity(2), &[], shared_anchors()).unwrap();
    let refused = other.import_bundle(bundle(), &identity(2).identity(), clock::now()).unwrap_err();
    assert!(
        matches!(refused, CollateralFileError::Item(ItemError::Bundle(BundleError::Signer { .. }))),
        "{refused}"
    );
    other.import_bundle(bundle(), &identity(1).identity(), clock::now()).unwrap();
    let digests = |folder: &CollateralFolder| {
        let items = folder.status().unwrap().items;
        items.into_iter().map(|item| (item.kind, item.digest, item.fetched_at)).collect::<Vec<_>>()
    };
    assert_eq!(digests(&other), digests(&filled));
    assert_eq!(digests(&other).len(), 4);
    let loaded =
        CollateralFolder::open(two.path(), identity(2), &[], shared_anchors()).unwrap().parse().unwrap();
    assert!(loaded.endorsements.launch.get(&MEASUREMENT).is_some());
    assert_eq!(loaded.collateral.digest(), filled.parse().unwrap().collateral.digest());
}

#[test]
fn a_bundle_with_one_bad_item_changes_nothing() {
    use vouchsafe_protocol::bundle::{BundleFormat, BundleItem, CollateralKind};
    let folder = tempfile::tempdir().unwrap();
    let item = |kind, subject: &str, content: &[u8]| {
        BundleItem::new(kind, subject.to_owned(), "import".to_owned(), UnixTime(1), content.to_vec())
    };
    let good = item(CollateralKind::Certificate, "", shared_google().intermediate_der());
    let garbage = ItemError::Der(CollateralError::Unrecognised);
    for (bad, reason) in [
        (item(CollateralKind::Crl, "", b"garbage"), garbage),
        (item(CollateralKind::LaunchEndorsement, "77", b"x"), ItemError::Measurement),
        (
            item(CollateralKind::LaunchEndorsement, &MEASUREMENT.to_string(), b"x"),
            ItemError::Endorsement { measurement: MEASUREMENT },
        ),
    ] {
        let key = identity(3);
        let bundle = Bundle::sign(&key, BundleFormat::Exported, UnixTime(1), vec![good.clone(), bad]);
        let mut to = open(folder.path());
        let error = to.import_bundle(bundle, &key.identity(), UnixTime(2)).unwrap_err();
        assert!(matches!(&error, CollateralFileError::Item(found) if *found == reason), "{error}");
        assert_eq!(to.status().unwrap(), CollateralStatus::default());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
