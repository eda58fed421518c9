//! T02: the key that signs a quote, and its certificate.

use super::*;
use crate::test_util::ca::CertificateSpec;
use crate::test_util::ca::FakeGoogle;
use crate::test_util::ca::InstanceInfo;
use crate::test_util::ca::Scheme;
use crate::test_util::ca::encode;
use crate::vtpm::InstanceInfoError;
use crate::x509::ChainError;

#[test]
fn t02_quote_under_foreign_ak_is_refused() {
    // An attacker's key under an attacker's CA with the name of a trusted one.
    let google = FakeGoogle::new();
    let error = vm_refusal(|vm| {
        vm.ak_certificate = google.issue_ak(vm.ak.spki(), &AkCertificateSpec::default());
        vm.ak_issuers = vec![google.intermediate_der().to_vec(), google.root_der().to_vec()];
    });
    assert_eq!(error, VtpmError::Chain(ChainError::SignatureInvalid));
    let verifier = Verifier { anchors: TrustAnchors::builtin(), ..Verifier::new() };
    let evidence = SimulatedVm::new().evidence(Kinds::VTPM, &bound(1));
    let error = verifier.verify(&evidence, &bound(1)).unwrap_err();
    assert_eq!(error, VerifyError::Vtpm(VtpmError::Chain(ChainError::UnknownIssuer)));
}

#[test]
fn t02_quote_under_another_key_than_the_certified_one_is_refused() {
    static FOREIGN: OnceLock<FakeAk> = OnceLock::new();
    let foreign = FOREIGN.get_or_init(FakeAk::rsa);
    // The piece states so itself.
    assert_eq!(vm_refusal(|vm| vm.ak = foreign), VtpmError::QualifiedSignerMismatch);
    // It pretends to be the certified one.
    let mut vm = SimulatedVm::new();
    let mut spec = QuoteSpec::new(&nonce());
    spec.qualified_signer = Some(vm.ak.qualified_name().to_vec());
    vm.ak = foreign;
    assert_eq!(vtpm_refusal(&vtpm_evidence(vm.vtpm_with(&spec))), VtpmError::SignatureInvalid);
}

#[test]
fn t02_key_in_another_hierarchy_or_of_another_template_is_refused() {
    let error = quote_refusal(|spec| spec.qualified_signer = Some(vec![0; 34]));
    assert_eq!(error, VtpmError::QualifiedSignerMismatch);
}

#[test]
fn t02_endorsement_key_is_refused() {
    for usage in [0x20, 0x08] {
        assert_eq!(certificate_refusal(|spec| spec.key_usage = Some(usage)), VtpmError::NotASigningKey);
    }
}

#[test]
fn t02_key_that_does_more_than_sign_is_refused() {
    for more in [0x20, 0x10, 0x08] {
        let error = certificate_refusal(|spec| spec.key_usage = Some(0x80 | more));
        assert_eq!(error, VtpmError::MoreThanASigningKey);
    }
}

#[test]
fn t02_key_without_usage_is_refused() {
    assert_eq!(certificate_refusal(|spec| spec.key_usage = None), VtpmError::KeyUsageMissing);
}

/// A certificate by the fake intermediate with these extensions and this key.
fn issue(spki: Vec<u8>, extensions: Vec<Vec<u8>>) -> Vec<u8> {
    shared_google().intermediate().issue(&CertificateSpec {
        serial: vec![5],
        subject: encode::name(&[("2.5.4.3", "1")]),
        not_before: UnixTime(1_704_067_200),
        not_after: UnixTime(2_650_838_400),
        spki,
        extensions,
        scheme: Scheme::Pkcs1Sha256,
    })
}

#[test]
fn t02_key_usage_that_may_be_overlooked_is_refused() {
    let usage = encode::extension("2.5.29.15", false, &[3, 2, 7, 0x80]);
    let error = vm_refusal(|vm| vm.ak_certificate = issue(vm.ak.spki().to_vec(), vec![usage]));
    assert_eq!(error, VtpmError::KeyUsageNotCritical);
}

#[test]
fn t02_key_of_another_kind_is_refused() {
    let algorithm = encode::sequence(&[encode::oid("1.3.101.112")]);
    let ed25519 = encode::sequence(&[algorithm, encode::bits(&[7; 32])]);
    let error = vm_refusal(|vm| vm.ak_certificate = issue(ed25519, vec![encode::key_usage(0x80)]));
    assert_eq!(error, VtpmError::UnsupportedKey);
}

#[test]
fn t02_ca_certificate_is_refused() {
    let error = certificate_refusal(|spec| spec.is_ca = true);
    assert_eq!(error, VtpmError::Chain(ChainError::LeafIsCa));
}

#[test]
fn certificates_of_the_older_form_are_accepted() {
    let spec = AkCertificateSpec {
        critical_san: true,
        extended_key_usage: Some("2.23.133.8.1".to_owned()),
        ..AkCertificateSpec::default()
    };
    let mut vm = SimulatedVm::new();
    vm.ak_certificate = shared_google().issue_ak(vm.ak.spki(), &spec);
    let claims = Verifier::new().verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap();
    assert!(claims.instance().is_some());
}

#[test]
fn t48_a_certificate_without_a_production_instance_names_none() {
    let specs = [
        AkCertificateSpec { is_production: Some(false), ..AkCertificateSpec::default() },
        AkCertificateSpec { is_production: None, ..AkCertificateSpec::default() },
        AkCertificateSpec { instance_info: InstanceInfo::Omitted, ..AkCertificateSpec::default() },
    ];
    for spec in specs {
        let mut vm = SimulatedVm::new();
        vm.ak_certificate = shared_google().issue_ak(vm.ak.spki(), &spec);
        let claims = Verifier::new().verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap();
        assert_eq!(claims.instance(), None);
    }
}

#[test]
fn malformed_instance_info_is_refused() {
    let error = certificate_refusal(|spec| spec.instance_info = InstanceInfo::Raw(vec![5, 0]));
    assert_eq!(error, VtpmError::InstanceInfo(InstanceInfoError::Malformed));
}
