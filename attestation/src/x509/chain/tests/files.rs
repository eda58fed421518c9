//! Collateral as it is loaded.

use super::*;
use crate::x509::MAX_CRLS;
use crate::x509::read_file;

#[test]
fn collateral_is_refused_as_a_whole() {
    let google = FakeGoogle::new();
    let crl = |extension| {
        let mut spec = CrlSpec::current(NOW, NOW.plus(DAY));
        spec.extensions = vec![extension];
        google.root_crl(&spec)
    };
    let refused =
        |crls: &[Vec<u8>], certificates: &[Vec<u8>]| Collateral::new(crls, certificates).unwrap_err();
    let delta = crl(encode::extension("2.5.29.27", true, &encode::integer(1)));
    let unknown = crl(encode::extension("1.3.6.1.4.1.99999.1", true, &[5, 0]));
    let indirect = encode::sequence(&[encode::tlv(0x84, &[0xff])]);
    let indirect = crl(encode::extension("2.5.29.28", true, &indirect));
    for unsupported in [delta, unknown, indirect] {
        assert_eq!(refused(&[unsupported], &[]), CollateralError::UnsupportedCrl { index: 0 });
    }
    assert_eq!(refused(&[vec![0x30, 0]], &[]), CollateralError::MalformedCrl { index: 0 });
    assert_eq!(refused(&[], &[vec![0x30, 0]]), CollateralError::MalformedCertificate { index: 0 });
    assert_eq!(refused(&vec![Vec::new(); MAX_CRLS + 1], &[]), CollateralError::TooLarge);
    assert_eq!(refused(&[], &[vec![0; MAX_CERTIFICATE + 1]]), CollateralError::TooLarge);
}

#[test]
fn files_are_sorted_into_crls_and_certificates() {
    let google = FakeGoogle::new();
    let (mut crls, mut certificates) = (Vec::new(), Vec::new());
    let crl = google.root_crl(&CrlSpec::current(NOW, NOW.plus(DAY)));
    read_file(&crl, &mut crls, &mut certificates).unwrap();
    read_file(google.intermediate_der(), &mut crls, &mut certificates).unwrap();
    assert_eq!(
        (crls.as_slice(), certificates.as_slice()),
        ([crl].as_slice(), [google.intermediate_der().to_vec()].as_slice())
    );
    let unrecognised = read_file(b"neither", &mut crls, &mut certificates).unwrap_err();
    assert_eq!(unrecognised, CollateralError::Unrecognised);
    let summary = Collateral::new(&crls, &[]).unwrap().crl_summaries().next().unwrap();
    assert_eq!((summary.this_update, summary.next_update, summary.revoked), (NOW, Some(NOW.plus(DAY)), 0));
}
