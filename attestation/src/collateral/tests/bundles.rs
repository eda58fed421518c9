//! Items that another broker exported.

use std::sync::LazyLock;

use vouchsafe_protocol::bundle::CollateralKind;

use super::*;
use crate::google_token::TokenKeys;
use crate::test_util::google_token::FakeAttestationService;

const MEASUREMENT: Digest48 = Digest48([7; 48]);
/// A key set with one key.
static JWKS: LazyLock<Vec<u8>> = LazyLock::new(|| FakeAttestationService::shared().jwks());

#[test]
fn t40_keys_from_a_bundle_are_never_googles() {
    let mut from = Store::new();
    let keys = Item::fetched_token_keys(Root::Google, JWKS.to_vec(), UnixTime(1000)).unwrap();
    from.put(keys, UnixTime(1000)).unwrap();
    assert_eq!(from.loaded().endorsements.token_keys[0].root(), Root::Google);
    let mut to = Store::new();
    to.merge(from.export(), UnixTime(3000)).unwrap();
    let keys = to.loaded().endorsements.token_keys;
    let keys: Vec<_> = keys.iter().map(|keys| (keys.root(), keys.fetched_at())).collect();
    // As old as they are, not as young as the import.
    assert_eq!(keys, [(Root::Extra, UnixTime(1000))]);
}

#[test]
fn t40_a_bundle_from_the_future_makes_nothing_younger_than_now() {
    let mut from = Store::new();
    from.import(&JWKS, NOW.plus(1_000_000)).unwrap();
    from.import(shared_google().intermediate_der(), NOW.plus(1_000_000)).unwrap();
    let mut to = Store::new();
    to.merge(from.export(), NOW).unwrap();
    assert_eq!(to.export().iter().map(|item| item.fetched_at).collect::<Vec<_>>(), [NOW; 2]);
    let keys = to.loaded().endorsements.token_keys;
    assert_eq!(keys.iter().map(TokenKeys::fetched_at).collect::<Vec<_>>(), [NOW]);
}

#[test]
fn t40_an_older_key_set_of_a_bundle_displaces_no_younger_one() {
    let (mut from, mut to) = (Store::new(), Store::new());
    let other = FakeAttestationService::new().jwks();
    from.import(&other, UnixTime(1000)).unwrap();
    to.import(&JWKS, UnixTime(2000)).unwrap();
    let keys = |store: &Store| {
        let keys = store.loaded().endorsements.token_keys;
        keys.iter().map(|keys| (keys.as_bytes().to_vec(), keys.fetched_at())).collect::<Vec<_>>()
    };
    to.merge(from.export(), UnixTime(3000)).unwrap();
    assert_eq!(keys(&to), [(JWKS.to_vec(), UnixTime(2000))]);
    from.import(&other, UnixTime(2500)).unwrap();
    to.merge(from.export(), UnixTime(3000)).unwrap();
    assert_eq!(keys(&to), [(other, UnixTime(2500))]);
}

#[test]
fn a_bundle_with_one_bad_item_is_refused() {
    let item = |kind, subject: &str, content: &[u8]| {
        BundleItem::new(kind, subject.to_owned(), IMPORTED.to_owned(), UnixTime(1), content.to_vec())
    };
    let good = item(CollateralKind::Certificate, "", shared_google().intermediate_der());
    for (bad, reason) in [
        (item(CollateralKind::Crl, "", b"garbage"), ItemError::Der(CollateralError::Unrecognised)),
        (item(CollateralKind::LaunchEndorsement, "77", b"x"), ItemError::Measurement),
        (
            item(CollateralKind::LaunchEndorsement, &MEASUREMENT.to_string(), b"x"),
            ItemError::Endorsement { measurement: MEASUREMENT },
        ),
    ] {
        assert_eq!(Store::new().merge(vec![good.clone(), bad], UnixTime(2)), Err(reason));
    }
}
