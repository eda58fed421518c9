//! The chain above the endorsement key: anchors, revocation, signatures and cost.

use std::time::Instant;

use super::*;
use crate::test_util::ca::CrlSpec;
use crate::test_util::snp::ASK_SERIAL;
use crate::x509::Revocation;

#[test]
fn t10_a_fake_amd_is_refused_without_its_anchor() {
    let signed = genoa().sign(FakeAmd::shared(Product::Genoa));
    let SignedReport { report, vek, certificates } = &signed;
    let error = Verifier::builtin(NOW).verify(report, vek, certificates).unwrap_err();
    assert_eq!(error, SnpError::Chain(ChainError::UnknownIssuer));
}

#[test]
fn t17_a_revoked_authority_is_refused_and_freshness_is_a_claim() {
    let amd = FakeAmd::shared(Product::Genoa);
    let signed = genoa().sign(amd);
    let verify = |crl: &CrlSpec| verify_signed(&signed, amd, &Collateral::new(&[amd.crl(crl)], &[]).unwrap());
    let current = CrlSpec::current(UnixTime(NOW.0 - DAY), NOW.plus(DAY));
    assert_eq!(verify(&current).unwrap().revocation, Revocation::Fresh);
    let old = CrlSpec::current(UnixTime(NOW.0 - 2 * DAY), UnixTime(NOW.0 - DAY));
    assert_eq!(verify(&old).unwrap().revocation, Revocation::Stale);
    assert_eq!(verify_signed(&signed, amd, &Collateral::empty()).unwrap().revocation, Revocation::Absent);
    let revoked = verify(&current.revoking(&ASK_SERIAL.to_be_bytes())).unwrap_err();
    assert_eq!(revoked, SnpError::Chain(ChainError::Revoked { serial: "010001".to_owned() }));
}

#[test]
fn both_ways_of_writing_pss_parameters_are_accepted() {
    use crate::test_util::ca::Scheme;
    for scheme in [Scheme::PssSha384, Scheme::PssSha384ShortForm] {
        let mut builder = genoa();
        builder.vek = Some(VekSpec { scheme, ..builder.fitting_vek() });
        assert!(verify_fake(&builder).is_ok(), "{scheme:?}");
    }
}

#[test]
fn a_saved_hierarchy_signs_for_another_process() {
    let amd = FakeAmd::shared(Product::Genoa);
    let saved = serde_json::to_string(&amd.save()).unwrap();
    let loaded = FakeAmd::load(Product::Genoa, &serde_json::from_str(&saved).unwrap());
    assert!(verify_signed(&genoa().sign(&loaded), amd, &Collateral::empty()).is_ok());
}

#[test]
fn a_known_chain_costs_about_one_signature() {
    let amd = FakeAmd::shared(Product::Genoa);
    let SignedReport { report, vek, certificates } = genoa().sign(amd);
    let verifier = Verifier::of(amd);
    let inputs = verifier.inputs();
    let evidence = SnpEvidence { report: &report, vek: &vek, certificates: &received(&certificates) };
    let _ = verify_unbound(&evidence, &inputs).unwrap();
    let fastest = (0..100).map(|_| {
        let start = Instant::now();
        let _ = verify_unbound(&evidence, &inputs).unwrap();
        start.elapsed()
    });
    println!("known chain: {:?}", fastest.min().unwrap());
    assert_eq!(verifier.cache.chains().len(), 1);
}
