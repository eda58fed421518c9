mod bundles;
mod crls;
mod damaged;
mod endorsements;
mod fetching;
mod storage;
mod tdx;
mod vendor;

use std::fs;
use std::sync::Arc;

use vouchsafe_attestation::TrustAnchors;
use vouchsafe_attestation::collateral::{
    Chip, Issuer, Item, ItemError, ItemMetadata, Measured, Missing, StoredCrl, TdxItemError,
};
use vouchsafe_attestation::test_util::ca::{CrlSpec, FakeGoogle};
use vouchsafe_attestation::test_util::vm::{shared_anchors, shared_google};
use vouchsafe_attestation::x509::{CollateralError, MissingCrl};
use vouchsafe_protocol::{Digest32, IdentityKey, UnixTime};

use super::*;
use crate::config::CollateralConfig;

fn identity(seed: u8) -> Arc<IdentityKey> {
    Arc::new(IdentityKey::from_seed(&zeroize::Zeroizing::new([seed; 32])).unwrap())
}

fn open(path: &std::path::Path) -> CollateralFolder {
    CollateralFolder::open(path, identity(1), &[], shared_anchors()).unwrap()
}

#[test]
fn imported_items_are_there_after_a_restart() {
    let (folder, google) = (tempfile::tempdir().unwrap(), FakeGoogle::new());
    let path = folder.path().join("collateral");
    let now = UnixTime(1_800_000_000);
    let mut collateral = open(&path);
    assert_eq!(collateral.status().unwrap(), CollateralStatus::default());
    let old = google.root_crl(&CrlSpec::current(UnixTime(now.0 - 200), UnixTime(now.0 - 100)));
    let new = google.root_crl(&CrlSpec::current(UnixTime(now.0 - 50), now.plus(100)));
    collateral.import(&old, None, now).unwrap();
    collateral.import(google.intermediate_der(), None, now).unwrap();
    assert!(collateral.status().unwrap().crls[0].overdue(now));
    collateral.import(&new, None, now).unwrap();
    let status = collateral.status().unwrap();
    assert_eq!(status.crls.iter().map(|crl| crl.digest).collect::<Vec<_>>(), [Digest32::of(&new)]);
    assert_eq!(status.certificates, [Digest32::of(google.intermediate_der())]);
    let item = status.items.iter().find(|item| item.digest == Some(Digest32::of(&new))).unwrap();
    assert_eq!((item.fetched_at, item.valid_until), (Some(now), Some(now.plus(100))));
    let again = open(&path);
    assert_eq!(again.status().unwrap(), status);
    assert_eq!(again.parse().unwrap().collateral.digest(), collateral.parse().unwrap().collateral.digest());
}

#[test]
fn garbage_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut collateral = open(folder.path());
    let unrecognised = ItemError::Der(CollateralError::Unrecognised);
    let error = collateral.import(b"garbage", None, UnixTime(0)).unwrap_err();
    assert!(matches!(error, CollateralFileError::Item(error) if error == unrecognised));
    let error = collateral.import(b"{}", None, UnixTime(0)).unwrap_err();
    assert!(matches!(error, CollateralFileError::Item(ItemError::Tdx(TdxItemError::Form(_)))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::write(folder.path().join("x.der"), b"garbage").unwrap();
    let error = CollateralFolder::open(folder.path(), identity(1), &[], shared_anchors()).unwrap_err();
    assert!(matches!(error, CollateralFileError::Damaged { .. }), "{error}");
}
