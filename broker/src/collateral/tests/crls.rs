use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use vouchsafe_attestation::chain::MAX_CRLS;
use vouchsafe_attestation::test_util::ca::encode;
use vouchsafe_protocol::bundle::CollateralKind;

use super::fetching::{digests as fetched, errors, google_crl, service};
use super::vendor::{Asked, Reply, Vendor, eventually};
use super::*;
use crate::clock;

/// A CRL issued this many seconds ago, whose next update is due in so many seconds.
fn list(google: &FakeGoogle, issued_ago: u64, due_in: i64) -> Vec<u8> {
    let now = clock::now();
    google.root_crl(&CrlSpec::current(
        UnixTime(now.0 - issued_ago),
        UnixTime(now.0.saturating_add_signed(due_in)),
    ))
}

fn digests(folder: &CollateralFolder) -> BTreeSet<Digest32> {
    folder.status().unwrap().crls.iter().map(|crl| crl.digest).collect()
}

fn of<const N: usize>(lists: [&[u8]; N]) -> BTreeSet<Digest32> {
    lists.map(Digest32::of).into()
}

/// Stores a CRL as if fetched from one fixed URL.
fn put(folder: &mut CollateralFolder, list: &[u8]) -> Result<(), ContentError> {
    let source = "http://crl.example.com/root.crl".to_owned();
    let note = notes::Note { source, fetched_at: clock::now(), valid_until: None };
    let list = lists::List::read(list.to_vec()).unwrap();
    folder.put(contents::Item::Crl(list), note, None).map_err(|error| match error {
        CollateralFileError::Content(error) => error,
        other => panic!("{other}"),
    })
}

/// An anchor with the name of the shared one, and another key.
fn namesake(path: &std::path::Path) -> (FakeGoogle, CollateralFolder) {
    let other = FakeGoogle::new();
    let anchors = shared_anchors().with_extra(other.root_der()).unwrap();
    let folder = CollateralFolder::open(path, identity(1), anchors).unwrap();
    (other, folder)
}

#[test]
fn t17_a_list_that_nobody_signed_displaces_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ours, now) = (open(folder.path()), clock::now());
    let ended = list(shared_google(), 200, -100);
    // The same name, with a key that is not trusted.
    let forged = list(&FakeGoogle::new(), 50, 100);
    ours.import(&ended, None, now).unwrap();
    ours.import(&forged, None, now).unwrap();
    assert_eq!(digests(&ours), of([&ended, &forged]));
    let new = list(shared_google(), 40, 100);
    ours.import(&new, None, now).unwrap();
    assert_eq!(digests(&ours), of([&new, &forged]));
}

#[test]
fn t17_a_list_succeeds_one_of_its_own_key_only() {
    let folder = tempfile::tempdir().unwrap();
    let (other, mut ours) = namesake(folder.path());
    let good = list(shared_google(), 60, 1000);
    put(&mut ours, &good).unwrap();
    // It is older than the CRL of the CA with the same name, which is no reason to refuse it; nor does a
    // newer one displace it.
    let theirs = [3600, 60, 30].map(|age| list(&other, age, 1000));
    for theirs in &theirs {
        put(&mut ours, theirs).unwrap();
        assert_eq!(digests(&ours), of([&good, theirs]));
    }
    let older = put(&mut ours, &list(shared_google(), 600, 1000));
    assert!(matches!(older, Err(ContentError::CrlOlder { .. })), "{older:?}");
    let better = list(shared_google(), 10, 1000);
    put(&mut ours, &better).unwrap();
    assert_eq!(digests(&ours), of([&better, &theirs[2]]));
}

#[test]
fn t17_a_list_that_is_overdue_is_dropped_for_one_of_its_own_key_only() {
    let folder = tempfile::tempdir().unwrap();
    let (other, mut ours) = namesake(folder.path());
    let now = clock::now();
    let (ended, theirs) = (list(shared_google(), 200, -100), list(&other, 50, 100));
    ours.import(&ended, None, now).unwrap();
    ours.import(&theirs, None, now).unwrap();
    assert_eq!(digests(&ours), of([&ended, &theirs]));
    let new = list(shared_google(), 60, 100);
    ours.import(&new, None, now).unwrap();
    assert_eq!(digests(&ours), of([&new, &theirs]));
}

#[test]
fn t17_a_list_whose_key_is_no_anchor_any_more_gives_way() {
    let folder = tempfile::tempdir().unwrap();
    let (past, mut before) = namesake(folder.path());
    put(&mut before, &list(&past, 10, 1000)).unwrap();
    let mut ours = open(folder.path());
    let good = list(shared_google(), 3600, 1000);
    put(&mut ours, &good).unwrap();
    assert_eq!(digests(&ours), of([&good]));
}

#[test]
fn a_file_that_somebody_removed_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut ours = open(folder.path());
    let (old, new) = (list(shared_google(), 60, 1000), list(shared_google(), 30, 1000));
    put(&mut ours, &old).unwrap();
    fs::remove_file(folder.path().join(format!("{}.der", Digest32::of(&old)))).unwrap();
    put(&mut ours, &new).unwrap();
    assert_eq!(digests(&ours), of([&new]));
    assert_eq!(digests(&open(folder.path())), of([&new]));
}

#[test]
fn t44_more_lists_than_fit_are_refused_before_they_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let mut ours = open(folder.path());
    let good = list(shared_google(), 60, 1000);
    // None of them is a CRL.
    let pem = encode::pem(b"garbage").replace("CERTIFICATE", "X509 CRL").repeat(MAX_CRLS + 1);
    let error = ours.import(pem.as_bytes(), None, clock::now()).unwrap_err();
    let too_large = ContentError::Der(CollateralError::TooLarge);
    assert!(matches!(&error, CollateralFileError::Content(found) if *found == too_large), "{error}");
    // Copies of one CRL count once.
    let pem = encode::pem(&good).replace("CERTIFICATE", "X509 CRL").repeat(MAX_CRLS);
    ours.import(pem.as_bytes(), None, clock::now()).unwrap();
    assert_eq!(digests(&ours), of([&good]));
}

#[test]
fn a_list_that_did_not_change_is_fetched_again_when_it_is_due() {
    let (folder, crl) = (tempfile::tempdir().unwrap(), google_crl(60));
    let sent = crl.clone();
    let vendor = Vendor::start(move |asked| match asked.path.as_str() {
        "/google.crl" => Reply::body(&sent),
        _ => Reply::status(404),
    });
    let running = service(folder.path(), &vendor.address);
    eventually("the list", || !fetched(&running).is_empty());
    drop(running);
    // A restart uses what is stored: no request before it is due.
    let running = service(folder.path(), &vendor.address);
    assert_eq!(fetched(&running), [Digest32::of(&crl)]);
    running.refresh();
    eventually("another request", || vendor.asked("/google.crl").len() == 2);
    // If this were not a success, a third request would follow soon.
    thread::sleep(Duration::from_millis(500));
    assert_eq!(vendor.asked("/google.crl").len(), 2);
    assert_eq!(fetched(&running), [Digest32::of(&crl)]);
    assert_eq!(running.loaded().collateral.crl_summaries().count(), 1);
}

/// An attacker who once served an old CRL with an ETag and a date must not be able to have it kept for good.
#[test]
fn t17_an_answer_that_nothing_changed_keeps_no_old_list() {
    let (folder, old, new) = (tempfile::tempdir().unwrap(), google_crl(3600), google_crl(60));
    let (first, second, is_between) = (old.clone(), new.clone(), Arc::new(AtomicBool::new(true)));
    let between = Arc::clone(&is_between);
    let vendor = Vendor::start(move |asked| {
        let is_conditional =
            ["if-none-match", "if-modified-since"].iter().any(|name| asked.headers.contains_key(*name));
        match asked.path.as_str() {
            "/google.crl" if between.load(Ordering::SeqCst) => {
                let tag = ("ETag", "\"theirs\"".to_owned());
                let date = ("Last-Modified", "Wed, 01 Jan 2098 00:00:00 GMT".to_owned());
                Reply::Give { status: 200, headers: vec![tag, date], body: first.clone() }
            }
            "/google.crl" if is_conditional => Reply::status(304),
            "/google.crl" => Reply::body(&second),
            _ => Reply::status(304),
        }
    });
    let service = service(folder.path(), &vendor.address);
    eventually("the old list", || fetched(&service) == [Digest32::of(&old)]);
    is_between.store(false, Ordering::SeqCst);
    // The previous fetch may still be running.
    eventually("the new list", || {
        service.refresh();
        fetched(&service) == [Digest32::of(&new)]
    });
    let is_plain = |asked: &Asked| {
        !asked.headers.contains_key("if-none-match") && !asked.headers.contains_key("if-modified-since")
    };
    assert!(vendor.asked("").iter().all(is_plain));
    // The request was unconditional, so a 304 is an error.
    eventually("an error", || {
        errors(&service, CollateralKind::Crl).iter().any(|error| error.contains("HTTP status 304"))
    });
}
