//! Many issuing CAs with one name: the issuer of an AK certificate is found by its key, or reported as
//! unknown.

use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::ReasonCode;

use super::*;
use crate::anchors::Purpose;
use crate::evidence::read;
use crate::test_util::ca::{FakeCa, FakeGoogle, FakeIssuer, Scheme, encode};
use crate::x509::{ChainError, UnknownIssuer, verify_issuer};

static ISSUERS: LazyLock<Vec<FakeIssuer>> =
    LazyLock::new(|| (0..7).map(|number| FakeIssuer::new(shared_google(), number)).collect());

/// A VM whose AK certificate the issuer signed.
fn vm_of(issuer: &FakeIssuer, spec: &AkCertificateSpec) -> Evidence {
    let mut vm = SimulatedVm::new();
    vm.ak_certificate = issuer.issue_ak(vm.ak.spki(), spec);
    vm.ak_issuers = Vec::new();
    vm.evidence(Kinds::VTPM, &bound(1))
}

fn knowing(certificates: &[&FakeIssuer]) -> Verifier {
    let certificates: Vec<_> = certificates.iter().map(|issuer| issuer.der().to_vec()).collect();
    Verifier { collateral: Collateral::new(&[], &certificates).unwrap(), ..Verifier::new() }
}

fn unknown(error: VerifyError) -> UnknownIssuer {
    let VerifyError::Vtpm(VtpmError::UnknownIssuer(issuer)) = error else { panic!("{error}") };
    *issuer
}

#[test]
fn an_issuer_is_chosen_by_its_key_among_many_of_one_name() {
    let all: Vec<&FakeIssuer> = ISSUERS.iter().collect();
    let verifier = knowing(&all);
    for issuer in &*ISSUERS {
        verifier.verify(&vm_of(issuer, &AkCertificateSpec::default()), &bound(1)).unwrap();
    }
    // The issuer is also found if it is the last of the maximum number of CAs sent with the evidence.
    let verifier = Verifier::new();
    let mut evidence = vm_of(&ISSUERS[6], &AkCertificateSpec::default());
    let given = ISSUERS.iter().map(|issuer| Bytes(issuer.der().to_vec())).collect();
    evidence.vtpm.as_mut().unwrap().ca_certificates = given;
    verifier.verify(&evidence, &bound(1)).unwrap();
}

#[test]
fn an_unknown_issuer_is_named_with_its_key_its_address_and_the_remedy() {
    let others: Vec<&FakeIssuer> = ISSUERS[..6].iter().collect();
    let (verifier, issuer) = (knowing(&others), &ISSUERS[6]);
    let error = verifier.verify(&vm_of(issuer, &AkCertificateSpec::default()), &bound(1)).unwrap_err();
    assert_eq!(
        (error.name().as_str(), error.code()),
        ("ak-chain-unknown-issuer", ReasonCode::CollateralPending)
    );
    let text = error.to_string();
    for part in [&hex::encode(issuer.key_id()), &issuer.url, "vouchsafe collateral import"] {
        assert!(text.contains(part), "{text}");
    }
    let found = unknown(error);
    assert_eq!(found.key_id, issuer.key_id());
    assert_eq!(found.address.unwrap().as_str(), issuer.url);

    // A URL that is not the vendor's is reported, but never fetched, so a retry cannot succeed.
    for url in ["http://169.254.169.254/computeMetadata/v1/", "http://evil.example/ca.crt"] {
        let spec = AkCertificateSpec { issuer_url: Some(url.to_owned()), ..AkCertificateSpec::default() };
        let error = verifier.verify(&vm_of(issuer, &spec), &bound(1)).unwrap_err();
        assert_eq!(error.code(), ReasonCode::EvidenceRefused);
        let found = unknown(error);
        assert_eq!((found.url.as_deref(), found.address), (Some(url), None));
    }
    // Text with terminal control characters is never read from a certificate.
    let hostile = Some("http://x/\u{1b}[2J".to_owned());
    let spec = AkCertificateSpec { issuer_url: hostile, ..AkCertificateSpec::default() };
    let found = unknown(verifier.verify(&vm_of(issuer, &spec), &bound(1)).unwrap_err());
    assert_eq!((found.url, found.address), (None, None));
}

#[test]
fn t02_certificates_forged_with_a_known_key_id_are_refused() {
    // A forger who uses the key identifier of a known CA.
    let forger = FakeCa::new(shared_google().intermediate().name().to_vec(), Scheme::Pkcs1Sha256);
    let known = &ISSUERS[0];
    let mut spec = forger.ca_spec(&forger, 9);
    spec.spki = SimulatedVm::new().ak.spki().to_vec();
    spec.extensions = vec![
        encode::basic_constraints(false, None),
        encode::key_usage(0x80),
        encode::authority_key_id(known.key_id()),
    ];
    let mut evidence = vm_of(known, &AkCertificateSpec::default());
    evidence.vtpm.as_mut().unwrap().ak_certificate = Bytes(forger.issue(&spec));
    let error = knowing(&[known]).verify(&evidence, &bound(1)).unwrap_err();
    assert_eq!(error, VerifyError::Vtpm(VtpmError::Chain(ChainError::SignatureInvalid)));
    // A forger who also sends a CA certificate with the key identifier of a known CA.
    let mut look_alike = forger.ca_spec(&forger, 10);
    look_alike.extensions.push(encode::subject_key_id(known.key_id()));
    evidence.vtpm.as_mut().unwrap().ca_certificates = vec![Bytes(forger.issue(&look_alike))];
    let error = knowing(&[known]).verify(&evidence, &bound(1)).unwrap_err();
    assert!(error.name().starts_with("ak-chain-"), "{error}");
    // A forged CA certificate in the evidence does not affect a genuine VM.
    let mut genuine = vm_of(known, &AkCertificateSpec::default());
    genuine.vtpm.as_mut().unwrap().ca_certificates = vec![Bytes(forger.issue(&look_alike)); 8];
    knowing(&[known]).verify(&genuine, &bound(1)).unwrap();
}

#[test]
fn t57_an_issuer_is_a_ca_below_an_anchor_with_the_requested_key_id() {
    let (anchors, issuer) = (shared_anchors(), &ISSUERS[0]);
    let check = |der: &[u8], key_id: Option<&[u8]>| {
        verify_issuer(der, key_id, Purpose::GoogleAk, &anchors, NOW).map(|crls| crls.len())
    };
    assert_eq!(check(issuer.der(), Some(issuer.key_id())), Ok(1));
    assert_eq!(check(issuer.der(), None), Ok(1));
    // Another CA of the same root, another root's CA with the same name, not a CA, not a certificate.
    assert_eq!(check(issuer.der(), Some(ISSUERS[1].key_id())), Err(ChainError::UnknownIssuer));
    let stranger = FakeIssuer::new(&FakeGoogle::new(), 0);
    assert_eq!(check(stranger.der(), Some(stranger.key_id())), Err(ChainError::SignatureInvalid));
    let leaf = shared_google().issue_ak(SimulatedVm::new().ak.spki(), &AkCertificateSpec::default());
    assert_eq!(check(&leaf, None), Err(ChainError::IssuerConstraint));
    assert_eq!(check(b"<html>", None), Err(ChainError::Malformed));
    let (found, limit) = (crate::x509::MAX_CERTIFICATE + 1, crate::x509::MAX_CERTIFICATE);
    assert_eq!(check(&vec![0x30; found], None), Err(ChainError::CertificateTooLarge { found, limit }));
    // Below an issuing CA that is not an anchor.
    let mut below = issuer.ca().ca_spec(stranger.ca(), 3);
    below.extensions.push(encode::subject_key_id(&[7; 20]));
    assert_eq!(check(&issuer.ca().issue(&below), Some(&[7; 20])), Err(ChainError::UnknownIssuer));
    // Expired.
    let mut spec = shared_google().root().ca_spec(stranger.ca(), 4);
    spec.not_after = UnixTime(NOW.0 - 1);
    let expired = shared_google().root().issue(&spec);
    assert_eq!(check(&expired, None), Err(ChainError::Expired { not_after: spec.not_after }));
    // Below a root that is not an anchor.
    let builtin = TrustAnchors::builtin();
    let refused = verify_issuer(issuer.der(), None, Purpose::GoogleAk, &builtin, NOW);
    assert_eq!(refused, Err(ChainError::UnknownIssuer));
}

#[test]
fn t17_revocation_is_absent_if_a_ca_names_no_crl() {
    // An issuing CA of Google without a CRL distribution point, although CAs in its hierarchy have one.
    let issuer = FakeIssuer::new(shared_google(), 99);
    let mut spec = shared_google().root().ca_spec(issuer.ca(), 0x2099);
    spec.extensions.push(encode::subject_key_id(issuer.key_id()));
    let certificates = [shared_google().root().issue(&spec)];
    let verifier = Verifier { collateral: Collateral::new(&[], &certificates).unwrap(), ..Verifier::new() };
    let claims = verifier.verify(&vm_of(&issuer, &AkCertificateSpec::default()), &bound(1)).unwrap();
    let vtpm = claims.vtpm.unwrap();
    assert_eq!((vtpm.revocation, vtpm.missing_crls), (crate::Revocation::Absent, Vec::new()));
    // For a CA that names a CRL, the missing CRL and its issuer are reported.
    let claims =
        knowing(&[&ISSUERS[0]]).verify(&vm_of(&ISSUERS[0], &AkCertificateSpec::default()), &bound(1));
    let [missing] = &claims.unwrap().vtpm.unwrap().missing_crls[..] else {
        panic!("expected one missing CRL")
    };
    assert_eq!(missing.addresses, [ISSUERS[0].crl_url.clone()]);
    assert_eq!(missing.issuer_key, shared_google().root().spki());
}

#[test]
fn captured_aks_of_2025_and_2026_chain_to_google_without_their_cas() {
    for (name, now) in [
        ("ak-0f21-2025-12-cert", 1_767_000_000),
        ("ak-0f21-2026-02-leaf-only", 1_790_000_000),
        ("ak-67c3-2026-02-leaf-only", 1_790_000_000),
    ] {
        let Some(file) = read(&format!("field/{name}.json")) else { return };
        let mut evidence = read_vtpm_file(&file).unwrap();
        evidence.ca_certificates = Vec::new();
        let verifier = Verifier::new();
        let inputs = VerifyInputs { now: UnixTime(now), ..verifier.inputs() };
        let key = ReadQuote::parse(&evidence).unwrap().certified_key(&inputs);
        assert!(key.is_ok(), "{name}: {:?}", key.err());
    }
}
