use vouchsafe_attestation::test_util::ca::CrlSpec;
use vouchsafe_attestation::test_util::ca::FakeGoogle;

use super::*;

#[test]
fn what_is_imported_is_there_after_a_restart() {
    let (folder, google) = (tempfile::tempdir().unwrap(), FakeGoogle::new());
    let path = folder.path().join("collateral");
    let now = UnixTime(1_800_000_000);
    let mut collateral = CollateralFolder::open(&path).unwrap();
    assert_eq!(
        collateral.status().unwrap(),
        CollateralStatus { crls: vec![], certificates: vec![], chips: 0 }
    );
    let old = google.root_crl(&CrlSpec::current(UnixTime(now.0 - 200), UnixTime(now.0 - 100)));
    let new = google.root_crl(&CrlSpec::current(UnixTime(now.0 - 50), now.plus(100)));
    collateral.import(&old, now).unwrap();
    collateral.import(google.intermediate_der(), now).unwrap();
    assert!(collateral.status().unwrap().crls[0].overdue(now));
    collateral.import(&new, now).unwrap();
    let status = collateral.status().unwrap();
    assert_eq!(status.crls.iter().map(|crl| crl.digest).collect::<Vec<_>>(), [Digest32::of(&new)]);
    assert_eq!(status.certificates, [Digest32::of(google.intermediate_der())]);
    let again = CollateralFolder::open(&path).unwrap();
    assert_eq!(again.status().unwrap(), status);
    assert_eq!(again.parse().unwrap().collateral.digest(), collateral.parse().unwrap().collateral.digest());
}

#[test]
fn garbage_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut collateral = CollateralFolder::open(folder.path()).unwrap();
    let error = collateral.import(b"garbage", UnixTime(0)).unwrap_err();
    assert!(matches!(error, CollateralFileError::Content(CollateralError::Unrecognised)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::write(folder.path().join("x.der"), b"garbage").unwrap();
    let error = CollateralFolder::open(folder.path()).unwrap_err();
    assert!(matches!(error, CollateralFileError::Damaged { .. }), "{error}");
}
