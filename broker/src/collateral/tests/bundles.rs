use std::sync::LazyLock;

use vouchsafe_attestation::Root;
use vouchsafe_attestation::google_token::TokenKeys;
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
    let mut other = CollateralFolder::open(two.path(), identity(2), shared_anchors()).unwrap();
    let refused = other.import_bundle(bundle(), &identity(2).identity(), clock::now()).unwrap_err();
    assert!(
        matches!(refused, CollateralFileError::Content(ContentError::Bundle(BundleError::Signer { .. }))),
        "{refused}"
    );
    other.import_bundle(bundle(), &identity(1).identity(), clock::now()).unwrap();
    let digests = |folder: &CollateralFolder| {
        let items = folder.status().unwrap().items;
        items.into_iter().map(|item| (item.kind, item.digest, item.fetched_at)).collect::<Vec<_>>()
    };
    assert_eq!(digests(&other), digests(&filled));
    assert_eq!(digests(&other).len(), 4);
    let loaded = CollateralFolder::open(two.path(), identity(2), shared_anchors()).unwrap().parse().unwrap();
    assert!(loaded.endorsements.launch.get(&MEASUREMENT).is_some());
    assert_eq!(loaded.collateral.digest(), filled.parse().unwrap().collateral.digest());
}

#[test]
fn t40_keys_from_a_bundle_are_never_googles() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut from = open(one.path());
    let note = notes::Note {
        source: "https://google.example".to_owned(),
        fetched_at: UnixTime(1000),
        valid_until: None,
    };
    from.put(contents::Item::TokenKeys(Root::Google, JWKS.to_vec()), note, None).unwrap();
    assert_eq!(from.parse().unwrap().endorsements.token_keys[0].root(), Root::Google);
    let mut to = open(two.path());
    to.import_bundle(from.export(UnixTime(2000)), &identity(1).identity(), UnixTime(3000)).unwrap();
    let keys = to.parse().unwrap().endorsements.token_keys;
    let keys: Vec<_> = keys.iter().map(|keys| (keys.root(), keys.fetched_at())).collect();
    // With their original age, not that of the import.
    assert_eq!(keys, [(Root::Extra, UnixTime(1000))]);
}

#[test]
fn t40_a_bundle_from_the_future_makes_nothing_younger_than_now() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let now = clock::now();
    let mut from = open(one.path());
    from.import(&JWKS, None, now.plus(1_000_000)).unwrap();
    from.import(shared_google().intermediate_der(), None, now.plus(1_000_000)).unwrap();
    let mut to = open(two.path());
    to.import_bundle(from.export(now.plus(1_000_000)), &identity(1).identity(), now).unwrap();
    let items = to.status().unwrap().items;
    assert_eq!(items.iter().map(|item| item.fetched_at).collect::<Vec<_>>(), [Some(now); 2]);
    let keys = to.parse().unwrap().endorsements.token_keys;
    assert_eq!(keys.iter().map(TokenKeys::fetched_at).collect::<Vec<_>>(), [now]);
}

#[test]
fn t40_an_older_key_set_of_a_bundle_displaces_no_younger_one() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut from, mut to) = (open(one.path()), open(two.path()));
    let other = FakeAttestationService::new().jwks();
    from.import(&other, None, UnixTime(1000)).unwrap();
    to.import(&JWKS, None, UnixTime(2000)).unwrap();
    let keys = |folder: &CollateralFolder| {
        let keys = folder.parse().unwrap().endorsements.token_keys;
        keys.iter().map(|keys| (keys.as_bytes().to_vec(), keys.fetched_at())).collect::<Vec<_>>()
    };
    to.import_bundle(from.export(UnixTime(3000)), &identity(1).identity(), UnixTime(3000)).unwrap();
    assert_eq!(keys(&to), [(JWKS.to_vec(), UnixTime(2000))]);
    from.import(&other, None, UnixTime(2500)).unwrap();
    to.import_bundle(from.export(UnixTime(3000)), &identity(1).identity(), UnixTime(3000)).unwrap();
    assert_eq!(keys(&to), [(other, UnixTime(2500))]);
}

#[test]
fn a_bundle_with_one_bad_item_changes_nothing() {
    use vouchsafe_protocol::UnixTime;
    use vouchsafe_protocol::bundle::{BundleFormat, BundleItem, CollateralKind};
    let folder = tempfile::tempdir().unwrap();
    let item = |kind, subject: &str, content: &[u8]| {
        BundleItem::new(kind, subject.to_owned(), "import".to_owned(), UnixTime(1), content.to_vec())
    };
    let good = item(CollateralKind::Certificate, "", shared_google().intermediate_der());
    let garbage = ContentError::Der(CollateralError::Unrecognised);
    for (bad, reason) in [
        (item(CollateralKind::Crl, "", b"garbage"), garbage),
        (item(CollateralKind::LaunchEndorsement, "77", b"x"), ContentError::Measurement),
        (
            item(CollateralKind::LaunchEndorsement, &MEASUREMENT.to_string(), b"x"),
            ContentError::Endorsement { measurement: MEASUREMENT },
        ),
    ] {
        let key = identity(3);
        let bundle = Bundle::sign(&key, BundleFormat::Exported, UnixTime(1), vec![good.clone(), bad]);
        let mut to = open(folder.path());
        let error = to.import_bundle(bundle, &key.identity(), UnixTime(2)).unwrap_err();
        assert!(matches!(&error, CollateralFileError::Content(found) if *found == reason), "{error}");
        assert_eq!(to.status().unwrap(), CollateralStatus::default());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
