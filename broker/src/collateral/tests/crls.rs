use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use vouchsafe_protocol::bundle::CollateralKind;

use super::fetching::{digests as fetched, errors, google_crl, service};
use super::vendor::{Asked, Reply, Vendor, eventually};
use super::*;
use crate::clock;
use crate::testing::managed;

/// A CRL that was issued and whose next update is due these many seconds before or after now.
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

/// As if it had been fetched.
fn put(folder: &mut CollateralFolder, list: &[u8]) {
    let source = "http://crl.example.com/root.crl".to_owned();
    let metadata = ItemMetadata { source, fetched_at: clock::now(), valid_until: None, kind: None };
    let list = StoredCrl::parse(list.to_vec()).unwrap();
    folder.put(Item::Crl(list), metadata, None).unwrap();
}

#[test]
fn a_removed_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut ours = open(folder.path());
    let (old, new) = (list(shared_google(), 60, 1000), list(shared_google(), 30, 1000));
    put(&mut ours, &old);
    fs::remove_file(folder.path().join(format!("{}.der", Digest32::of(&old)))).unwrap();
    put(&mut ours, &new);
    assert_eq!(digests(&ours), of([&new]));
    assert_eq!(digests(&open(folder.path())), of([&new]));
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
    managed(&running).refresh();
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
        managed(&service).refresh();
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
