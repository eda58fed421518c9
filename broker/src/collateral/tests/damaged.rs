//! Damaged files of the collateral folder: set aside, or a reason not to start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::test_util::google_token::FakeAttestationService;
use vouchsafe_attestation::test_util::launch::FakeTcbSigner;
use vouchsafe_attestation::test_util::snp::FakeAmd;
use vouchsafe_attestation::test_util::tdx::{CollateralSpec, FakeIntel};
use vouchsafe_protocol::Digest48;

use super::fetching::{service, vek, vek_path};
use super::vendor::{Reply, Vendor, eventually};
use super::*;
use crate::collateral::error::FileFlaw;
use crate::testing::client;

const NOW: UnixTime = UnixTime(1_800_000_000);
const MEASUREMENT: Digest48 = Digest48([7; 48]);

/// The certificate of a chip and its launch endorsement: each signature is another one.
static VEK: LazyLock<(Chip, Vec<u8>)> = LazyLock::new(vek);
static ENDORSEMENT: LazyLock<Vec<u8>> = LazyLock::new(|| FakeTcbSigner::shared().endorse_snp(&MEASUREMENT));

/// A CRL that was issued these many seconds ago and is current.
fn crl(issued_ago: u64) -> Vec<u8> {
    shared_google().root_crl(&CrlSpec::current(UnixTime(NOW.0 - issued_ago), NOW.plus(1000)))
}

fn tdx() -> Vec<u8> {
    let spec = CollateralSpec::current(UnixTime(NOW.0 - 60), NOW.plus(1000));
    serde_json::to_vec(&FakeIntel::shared().collateral(&spec)).unwrap()
}

/// A folder with an item of each kind.
fn filled(folder: &Path) -> CollateralFolder {
    let mut ours = open(folder);
    ours.import(&crl(60), None, NOW).unwrap();
    ours.import(shared_google().intermediate_der(), None, NOW).unwrap();
    ours.import(&VEK.1, None, NOW).unwrap();
    ours.import(&tdx(), None, NOW).unwrap();
    ours.import(&ENDORSEMENT, Some(MEASUREMENT), NOW).unwrap();
    ours.import(&FakeAttestationService::shared().jwks(), None, NOW).unwrap();
    ours
}

/// The digests of all items of a kind.
fn items(folder: &CollateralFolder) -> Vec<Digest32> {
    let mut items: Vec<_> =
        folder.status().unwrap().items.into_iter().filter_map(|item| item.digest).collect();
    items.sort();
    items
}

fn der(item: &[u8]) -> String {
    format!("{}.der", Digest32::of(item))
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Changes one byte in the middle of a file, and returns the new content.
fn damage(file: &Path) -> Vec<u8> {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, &bytes).unwrap();
    bytes
}

/// Why the folder cannot be opened. Nothing has changed then.
fn refused(folder: &Path) -> (PathBuf, FileFlaw, String) {
    let before = files(folder);
    let error = CollateralFolder::open(folder, identity(1), &[], shared_anchors()).unwrap_err();
    assert_eq!(files(folder), before);
    let said = error.to_string();
    let CollateralFileError::Damaged { path, source } = error else { panic!("{said}") };
    (path, source, said)
}

#[test]
fn a_damaged_item_without_a_floor_is_set_aside_and_the_others_are_used() {
    let (ca, keys) = (shared_google().intermediate_der(), FakeAttestationService::shared().jwks());
    for (name, item, measurement) in [
        (der(ca), ca, None),
        (der(&VEK.1), VEK.1.as_slice(), None),
        (format!("{MEASUREMENT}.binarypb"), ENDORSEMENT.as_slice(), Some(MEASUREMENT)),
        ("jwks.extra.json".to_owned(), keys.as_slice(), None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(&name);
        let all = items(&filled(folder.path()));
        // Flipped bits of an endorsement are found when it is verified; here it does not contain its measurement.
        let damaged = match measurement {
            Some(_) => fs::write(&file, b"garbage").map(|()| b"garbage".to_vec()).unwrap(),
            None => damage(&file),
        };
        let mut again = open(folder.path());
        let others: Vec<_> = all.iter().copied().filter(|digest| *digest != Digest32::of(item)).collect();
        assert_eq!(others.len() + 1, all.len(), "{name}");
        assert_eq!(items(&again), others, "{name}");
        again.parse().unwrap();
        assert!(!file.exists(), "{name}");
        assert_eq!(fs::read(folder.path().join(format!("{name}.damaged"))).unwrap(), damaged, "{name}");
        assert_eq!(again.damaged().len(), 1, "{name}");
        // Once it is there again, all is as before.
        again.import(item, measurement, NOW).unwrap();
        assert_eq!(items(&again), all, "{name}");
        let last = open(folder.path());
        assert!(items(&last) == all && last.damaged().is_empty(), "{name}");
    }
}

#[test]
fn a_certificate_that_was_set_aside_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let (chip, certificate) = &*VEK;
    let path = vek_path(chip);
    let vendor = Vendor::start(move |asked| match asked.path == path {
        true => Reply::body(certificate),
        false => Reply::status(404),
    });
    open(folder.path()).import(FakeAmd::shared(Product::Genoa).ask_der(), None, NOW).unwrap();
    let is_there = |service: &CollateralService| service.status().unwrap().chips == 1;
    let want = |service: &CollateralService| service.want(Missing::Vek(*chip), Asker::Unverified(client()));
    {
        let service = service(folder.path(), &vendor.address);
        want(&service);
        eventually("the certificate", || is_there(&service));
    }
    damage(&folder.path().join(der(certificate)));
    let service = service(folder.path(), &vendor.address);
    assert!(!is_there(&service));
    want(&service);
    eventually("the certificate again", || is_there(&service));
    assert_eq!(fs::read(folder.path().join(der(certificate))).unwrap(), *certificate);
}

#[test]
fn t17_a_damaged_crl_is_not_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let list = crl(60);
    filled(folder.path());
    let file = folder.path().join(der(&list));
    // With another damaged file, which stays where it is.
    damage(&folder.path().join(der(shared_google().intermediate_der())));
    // One byte, which may leave it readable, or most of it.
    for content in [damage(&file), list[..100].to_vec(), Vec::new()] {
        fs::write(&file, content).unwrap();
        let (path, flaw, said) = refused(folder.path());
        assert!(path == file && matches!(flaw, FileFlaw::Digest), "{said}");
        assert!(said.starts_with(&format!("{}: the SHA-256 of its content", file.display())), "{said}");
        assert!(said.contains("an older one could be accepted in its place"), "{said}");
        assert!(said.contains("move it away, start the broker and import the latest one"), "{said}");
    }
    fs::write(&file, &list).unwrap();
    assert_eq!(open(folder.path()).damaged().len(), 1);
}

#[test]
fn t17_the_stored_crl_keeps_older_ones_out_and_an_absent_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let source = "http://pki.goog/google.crl".to_owned();
    let (new, old) = (crl(60), crl(3600));
    let put = |ours: &mut CollateralFolder, list: &[u8]| {
        let metadata =
            ItemMetadata { source: source.clone(), fetched_at: NOW, valid_until: None, kind: None };
        ours.put(Item::Crl(StoredCrl::parse(list.to_vec()).unwrap()), metadata, None)
    };
    put(&mut open(folder.path()), &new).unwrap();
    let older = put(&mut open(folder.path()), &old).unwrap_err();
    assert!(matches!(older, CollateralFileError::Item(ItemError::CrlOlder { .. })), "{older}");
    // This is why a damaged one is not left out.
    fs::remove_file(folder.path().join(der(&new))).unwrap();
    put(&mut open(folder.path()), &old).unwrap();
}

#[test]
fn t17_damaged_collateral_of_intel_is_not_left_out() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let is_it = |path: &PathBuf| path.display().to_string().ends_with(".tdx.json");
    let file = files(folder.path()).into_keys().find(is_it).unwrap();
    let intact = fs::read(&file).unwrap();
    fs::write(&file, &intact[..intact.len() / 2]).unwrap();
    let (path, flaw, said) = refused(folder.path());
    assert!(path == file && matches!(flaw, FileFlaw::Json(_)), "{said}");
    // Still readable, but not as Intel signed it.
    let changed = String::from_utf8(intact.clone()).unwrap().replacen("UpToDate", "OutOfDate", 1);
    assert!(changed.as_bytes() != intact);
    fs::write(&file, changed).unwrap();
    let (path, flaw, said) = refused(folder.path());
    assert!(path == file && matches!(flaw, FileFlaw::Checksum), "{said}");
    // Sound collateral, for another platform than its name says.
    fs::remove_file(&file).unwrap();
    let other = folder.path().join(format!("{}-platform.tdx.json", "ff".repeat(6)));
    fs::write(&other, &intact).unwrap();
    let (path, flaw, said) = refused(folder.path());
    assert!(path == other && matches!(flaw, FileFlaw::Platform { .. }), "{said}");
}

#[test]
fn what_is_not_known_to_be_a_certificate_counts_as_a_crl() {
    let folder = tempfile::tempdir().unwrap();
    let all = items(&filled(folder.path()));
    let notes = folder.path().join("notes.json");
    // Metadata alone: all items stay in use.
    let damaged = b"{\"no".to_vec();
    fs::write(&notes, &damaged).unwrap();
    let again = open(folder.path());
    assert_eq!((items(&again), again.damaged().len()), (all, 1));
    assert_eq!(fs::read(folder.path().join("notes.json.damaged")).unwrap(), damaged);
    // A certificate whose metadata is lost.
    let file = folder.path().join(der(shared_google().intermediate_der()));
    damage(&file);
    let (path, flaw, said) = refused(folder.path());
    assert!(path == file && matches!(flaw, FileFlaw::Digest), "{said}");
}
