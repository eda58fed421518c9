//! Which CRL replaces which.

use super::*;
use crate::test_util::ca::encode;
use crate::x509::MAX_CRLS;

/// A CRL that was issued and whose next update is due these many seconds before or after now.
fn list(google: &FakeGoogle, issued_ago: u64, due_in: i64) -> Vec<u8> {
    let due = UnixTime(NOW.0.saturating_add_signed(due_in));
    google.root_crl(&CrlSpec::current(UnixTime(NOW.0 - issued_ago), due))
}

fn of<const N: usize>(lists: [&[u8]; N]) -> BTreeSet<Digest32> {
    lists.map(Digest32::of).into()
}

fn put(store: &mut Store, list: &[u8]) -> Result<(), ItemError> {
    store.put(Item::Crl(StoredCrl::parse(list.to_vec()).unwrap()), NOW)
}

/// An anchor that has the name of the shared one, and another key.
fn namesake() -> (FakeGoogle, Store) {
    let other = FakeGoogle::new();
    let anchors = shared_anchors().with_extra(other.root_der()).unwrap();
    (other, Store::under(anchors))
}

#[test]
fn t17_an_unsigned_crl_replaces_no_other() {
    let mut ours = Store::new();
    let ended = list(shared_google(), 200, -100);
    // The same name, with a key that is not trusted.
    let forged = list(&FakeGoogle::new(), 50, 100);
    ours.import(&ended, NOW).unwrap();
    ours.import(&forged, NOW).unwrap();
    assert_eq!(ours.crls(), of([&ended, &forged]));
    let new = list(shared_google(), 40, 100);
    ours.import(&new, NOW).unwrap();
    assert_eq!(ours.crls(), of([&new, &forged]));
}

#[test]
fn t17_a_fetched_list_is_signed_current_and_not_older() {
    let mut ours = Store::new();
    let good = list(shared_google(), 60, 1000);
    put(&mut ours, &good).unwrap();
    let unsigned = put(&mut ours, &list(&FakeGoogle::new(), 10, 1000));
    assert_eq!(unsigned, Err(ItemError::CrlNotSigned));
    let early = CrlSpec::current(NOW.plus(1), NOW.plus(1000));
    let early = put(&mut ours, &shared_google().root_crl(&early));
    assert_eq!(early, Err(ItemError::CrlNotYetValid { from: NOW.plus(1) }));
    let (found, known) = (UnixTime(NOW.0 - 61), UnixTime(NOW.0 - 60));
    let older = put(&mut ours, &list(shared_google(), 61, 1000));
    assert_eq!(older, Err(ItemError::CrlOlder { found, known }));
    // Of the same second, with a lower number.
    let lower = CrlSpec { number: 0, ..CrlSpec::current(known, NOW.plus(1000)) };
    let lower = put(&mut ours, &shared_google().root_crl(&lower));
    assert_eq!(lower, Err(ItemError::CrlOlder { found: known, known }));
    let ended = put(&mut ours, &list(shared_google(), 20, -10));
    assert_eq!(ended, Err(ItemError::CrlExpired { until: Some(UnixTime(NOW.0 - 10)) }));
    assert_eq!(ours.crls(), of([&good]));
}

#[test]
fn t17_a_list_that_a_certificate_names_is_of_the_key_that_issued_it_and_no_other_anchors() {
    let store = Store::new();
    let source = "http://pki.example/list.crl".to_owned();
    let put = |key: &[u8]| {
        let list = Item::Crl(StoredCrl::parse(list(shared_google(), 60, 1000)).unwrap());
        let metadata =
            ItemMetadata { source: source.clone(), fetched_at: NOW, valid_until: None, kind: None };
        let inputs = CheckInputs { crl_issuer: Some(key), ..store.inputs(NOW) };
        store.stored.put_fetched(list, metadata, inputs).map(|stored| stored.crls().len())
    };
    assert_eq!(put(&shared_google().intermediate().spki()), Err(ItemError::CrlNotSigned));
    assert_eq!(put(&shared_google().root().spki()), Ok(1));
}

#[test]
fn t17_a_list_succeeds_one_of_its_own_key_only() {
    let (other, mut ours) = namesake();
    let good = list(shared_google(), 60, 1000);
    put(&mut ours, &good).unwrap();
    // It is older than the CRL of the CA with the same name, and is accepted nevertheless; a newer one does
    // not replace it either.
    let theirs = [3600, 60, 30].map(|age| list(&other, age, 1000));
    for theirs in &theirs {
        put(&mut ours, theirs).unwrap();
        assert_eq!(ours.crls(), of([&good, theirs]));
    }
    let older = put(&mut ours, &list(shared_google(), 600, 1000));
    assert!(matches!(older, Err(ItemError::CrlOlder { .. })), "{older:?}");
    let better = list(shared_google(), 10, 1000);
    put(&mut ours, &better).unwrap();
    assert_eq!(ours.crls(), of([&better, &theirs[2]]));
}

#[test]
fn t17_a_list_that_is_overdue_is_dropped_for_one_of_its_own_key_only() {
    let (other, mut ours) = namesake();
    let (ended, theirs) = (list(shared_google(), 200, -100), list(&other, 50, 100));
    ours.import(&ended, NOW).unwrap();
    ours.import(&theirs, NOW).unwrap();
    assert_eq!(ours.crls(), of([&ended, &theirs]));
    let new = list(shared_google(), 60, 100);
    ours.import(&new, NOW).unwrap();
    assert_eq!(ours.crls(), of([&new, &theirs]));
}

#[test]
fn t17_a_crl_under_a_removed_anchor_is_replaced() {
    let (past, mut before) = namesake();
    put(&mut before, &list(&past, 10, 1000)).unwrap();
    // The signer of a CRL is computed again after a restart.
    let mut ours = Store::new();
    for crl in before.stored.crls() {
        ours.stored.restore_der(crl.der()).unwrap();
    }
    ours.stored.restore_metadata(before.stored.metadata().clone());
    let good = list(shared_google(), 3600, 1000);
    put(&mut ours, &good).unwrap();
    assert_eq!(ours.crls(), of([&good]));
}

#[test]
fn t44_too_many_crls_are_refused_before_they_are_parsed() {
    let mut ours = Store::new();
    let good = list(shared_google(), 60, 1000);
    // Not one of them is a list.
    let pem = encode::pem(b"garbage").replace("CERTIFICATE", "X509 CRL").repeat(MAX_CRLS + 1);
    let too_large = Err(ItemError::Der(CollateralError::TooLarge));
    assert_eq!(ours.import(pem.as_bytes(), NOW), too_large);
    // The same one, however often, is one.
    let pem = encode::pem(&good).replace("CERTIFICATE", "X509 CRL").repeat(MAX_CRLS);
    ours.import(pem.as_bytes(), NOW).unwrap();
    assert_eq!(ours.crls(), of([&good]));
}
