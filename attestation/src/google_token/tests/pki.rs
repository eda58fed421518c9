//! Chains of PKI tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::test_util::ca::CertificateSpec;
use crate::test_util::ca::CrlSpec;
use crate::test_util::ca::FakeCa;
use crate::test_util::ca::Scheme;
use crate::test_util::ca::encode;
use crate::test_util::google_token::ROOT_CRL_URI;
use crate::x509::ChainError;

fn x5c(chain: &[&[u8]]) -> Value {
    json!(chain.iter().map(|der| STANDARD.encode(der)).collect::<Vec<_>>())
}

fn with_chain(chain: &[&[u8]]) -> Result<GoogleTokenClaims, TokenError> {
    Verifier::new().verify(&spec(TokenKind::Pki, |spec| spec.set_header("x5c", x5c(chain))).sign(service()))
}

/// The service's chain with another leaf.
fn with_leaf(change: impl FnOnce(&mut CertificateSpec)) -> TokenError {
    let mut leaf = service().leaf_spec();
    change(&mut leaf);
    let leaf = service().intermediate().issue(&leaf);
    with_chain(&[&leaf, service().intermediate_der(), service().root_der()]).unwrap_err()
}

/// The service's chain with another intermediate.
fn with_intermediate(change: impl FnOnce(&mut CertificateSpec)) -> TokenError {
    let mut intermediate = service().intermediate_spec();
    change(&mut intermediate);
    let intermediate = service().root().issue(&intermediate);
    with_chain(&[service().leaf_der(), &intermediate, service().root_der()]).unwrap_err()
}

fn chain(error: ChainError) -> TokenError {
    TokenError::Chain(error)
}

#[test]
fn t39_a_chain_of_a_foreign_root_is_refused() {
    let foreign = FakeAttestationService::new();
    let token = foreign.token(TokenKind::Pki, AUDIENCE, nonce().as_str(), NOW);
    let sha256 = Digest32::of(foreign.root_der());
    assert_eq!(Verifier::new().verify(&token), Err(TokenError::UnknownRoot { sha256 }));
    // With the trusted root appended.
    let mut mixed = foreign.spec(TokenKind::Pki, AUDIENCE, nonce().as_str(), NOW);
    mixed.set_header("x5c", x5c(&[foreign.leaf_der(), foreign.intermediate_der(), service().root_der()]));
    let refused = Verifier::new().verify(&mixed.sign(&foreign)).unwrap_err();
    assert!(matches!(refused, TokenError::Chain(ChainError::SignatureInvalid | ChainError::UnknownIssuer)));
    // Under the trusted chain, the foreign key does not verify.
    let mut mixed = foreign.spec(TokenKind::Pki, AUDIENCE, nonce().as_str(), NOW);
    mixed.set_header("x5c", x5c(&[service().leaf_der(), service().intermediate_der(), service().root_der()]));
    assert_eq!(Verifier::new().verify(&mixed.sign(&foreign)), Err(TokenError::SignatureInvalid));
}

#[test]
fn t39_a_certificate_of_the_same_root_that_is_no_token_signer_is_refused() {
    // The root's own certificate again, instead of the leaf.
    let refused = with_chain(&[service().root_der(), service().intermediate_der(), service().root_der()]);
    assert_eq!(refused, Err(chain(ChainError::LeafIsCa)));
}

#[test]
fn t10_an_anchor_for_other_purposes_of_google_is_none_for_tokens() {
    let verifier = Verifier { anchors: TrustAnchors::builtin(), ..Verifier::new() };
    let sha256 = Digest32::of(service().root_der());
    let refused = verifier.verify(&spec(TokenKind::Pki, |_| ()).sign(service())).unwrap_err();
    assert_eq!(refused, TokenError::UnknownRoot { sha256 });
}

#[test]
fn t39_a_chain_has_exactly_three_certificates() {
    let s = service();
    let (leaf, intermediate, root) = (s.leaf_der(), s.intermediate_der(), s.root_der());
    for chain in [vec![], vec![leaf], vec![leaf, intermediate], vec![leaf, intermediate, intermediate, root]]
    {
        assert_eq!(with_chain(&chain), Err(TokenError::CertificateCount { found: chain.len() }));
    }
    for value in [json!("abc"), json!({}), json!([1, 2, 3])] {
        let refused = refusal(TokenKind::Pki, |spec| spec.set_header("x5c", value));
        assert_eq!(refused, TokenError::HeaderMalformed { name: "x5c" });
    }
}

#[test]
fn certificates_are_standard_base64() {
    let s = service();
    let good = [s.leaf_der(), s.intermediate_der(), s.root_der()].map(|der| STANDARD.encode(der));
    for index in 0..3 {
        for bad in ["-_", "\n", "=", " "] {
            let mut chain = good.clone();
            chain[index].insert_str(4, bad);
            let refused = refusal(TokenKind::Pki, |spec| spec.set_header("x5c", json!(chain)));
            assert_eq!(refused, TokenError::CertificateEncoding { index });
        }
    }
    let refused = with_chain(&[b"no certificate", s.intermediate_der(), s.root_der()]).unwrap_err();
    assert_eq!(refused, chain(ChainError::Malformed));
    assert!(refused.is_malformed());
    let refused = with_chain(&[s.leaf_der(), b"no certificate", s.root_der()]).unwrap_err();
    assert_eq!(refused, chain(ChainError::Malformed));
}

#[test]
fn t39_a_leaf_right_under_the_root_is_refused() {
    let leaf = service().root().issue(&service().leaf_spec());
    let refused = with_chain(&[&leaf, service().intermediate_der(), service().root_der()]);
    assert_eq!(refused, Err(TokenError::ChainOrder));
}

#[test]
fn t39_the_chain_ends_at_the_root_that_came_along() {
    // Two trusted roots, with the chain of the other one.
    let other = FakeAttestationService::new();
    let anchors = Verifier::new().anchors.with_extra(other.root_der()).unwrap();
    let chain = x5c(&[service().leaf_der(), service().intermediate_der(), other.root_der()]);
    let token = spec(TokenKind::Pki, |spec| spec.set_header("x5c", chain)).sign(service());
    assert_eq!(Verifier { anchors, ..Verifier::new() }.verify(&token), Err(TokenError::ChainOrder));
}

#[test]
fn every_certificate_is_valid_now() {
    let (past, future) = (UnixTime(NOW.0 - 1), NOW.plus(1));
    let expired = chain(ChainError::Expired { not_after: past });
    let early = chain(ChainError::NotValidYet { not_before: future });
    assert_eq!(with_leaf(|leaf| leaf.not_after = past), expired);
    assert_eq!(with_leaf(|leaf| leaf.not_before = future), early);
    assert_eq!(with_intermediate(|ca| ca.not_after = past), expired);
    assert_eq!(with_intermediate(|ca| ca.not_before = future), early);
    let mut root = service().root().ca_spec(service().root(), 1);
    root.not_after = past;
    let root = service().root().issue(&root);
    let anchors = TrustAnchors::builtin().with_extra(&root).unwrap();
    let header = x5c(&[service().leaf_der(), service().intermediate_der(), &root]);
    let token = spec(TokenKind::Pki, |spec| spec.set_header("x5c", header)).sign(service());
    assert_eq!(Verifier { anchors, ..Verifier::new() }.verify(&token), Err(expired));
}

#[test]
fn the_intermediate_is_a_ca_that_may_sign_certificates() {
    let constraint = chain(ChainError::IssuerConstraint);
    let usage = |bits| vec![encode::basic_constraints(true, None), encode::key_usage(bits)];
    assert_eq!(with_intermediate(|ca| ca.extensions = usage(0x80)), constraint);
    let no_ca = vec![encode::basic_constraints(false, None), encode::key_usage(0x06)];
    assert_eq!(with_intermediate(|ca| ca.extensions = no_ca), constraint);
}

#[test]
fn an_extended_key_usage_is_googles_or_absent() {
    // id-kp-serverAuth
    let server = encode::sequence(&[encode::oid("1.3.6.1.5.5.7.3.1")]);
    let server = encode::extension("2.5.29.37", false, &server);
    let refused = chain(ChainError::ExtendedKeyUsage);
    assert_eq!(with_leaf(|leaf| leaf.extensions.push(server.clone())), refused);
    assert_eq!(with_intermediate(|ca| ca.extensions[2] = server), refused);
}

#[test]
fn t39_a_leaf_that_is_a_ca_or_has_no_rsa_key_is_refused() {
    let is_ca = vec![encode::basic_constraints(true, None)];
    assert_eq!(with_leaf(|leaf| leaf.extensions = is_ca), chain(ChainError::LeafIsCa));
    let elliptic = crate::test_util::vtpm::FakeAk::p256().spki().to_vec();
    assert_eq!(with_leaf(|leaf| leaf.spki = elliptic), TokenError::KeyNotRsa);
}

#[test]
fn a_chain_in_another_scheme_is_refused() {
    let refused = chain(ChainError::UnsupportedAlgorithm);
    assert_eq!(with_leaf(|leaf| leaf.scheme = Scheme::PssSha384ShortForm), refused);
}

#[test]
fn revocation_is_a_claim_and_a_revoked_certificate_a_refusal() {
    let token = spec(TokenKind::Pki, |_| ()).sign(service());
    let verifier = |crl: &CrlSpec| Verifier {
        collateral: Collateral::new(&[service().root_crl(crl)], &[]).unwrap(),
        ..Verifier::new()
    };
    let current = CrlSpec::current(UnixTime(NOW.0 - 60), NOW.plus(60));
    assert_eq!(verifier(&current).verify(&token).unwrap().revocation, Revocation::Fresh);
    let overdue = CrlSpec::current(UnixTime(NOW.0 - 60), NOW);
    assert_eq!(verifier(&overdue).verify(&token).unwrap().revocation, Revocation::Stale);
    let revoking = current.revoking(&[2]);
    let refused = verifier(&revoking).verify(&token).unwrap_err();
    assert_eq!(refused, chain(ChainError::Revoked { serial: "02".to_owned() }));
    assert!(ROOT_CRL_URI.starts_with("http://"));
}

#[test]
fn a_known_chain_is_not_verified_again() {
    let verifier = Verifier::new();
    let token = spec(TokenKind::Pki, |_| ()).sign(service());
    verifier.verify(&token).unwrap();
    assert_eq!(verifier.cache.chains().len(), 1);
    let again = spec(TokenKind::Pki, |spec| spec.set("secboot", json!(false))).sign(service());
    assert!(!verifier.verify(&again).unwrap().secure_boot);
    assert_eq!(verifier.cache.chains().len(), 1);
    // A cached result does not outlive the leaf.
    let late = Verifier { now: UnixTime(1_949_788_801), ..verifier };
    let expired = chain(ChainError::Expired { not_after: UnixTime(1_949_788_800) });
    assert_eq!(late.verify(&token), Err(expired));
}

#[test]
fn a_root_with_the_names_of_the_trusted_one_is_another_root() {
    let twin = FakeCa::new(service().root().name().to_vec(), Scheme::Pkcs1Sha256);
    let root = twin.self_signed(1);
    let sha256 = Digest32::of(&root);
    let refused = with_chain(&[service().leaf_der(), service().intermediate_der(), &root]);
    assert_eq!(refused, Err(TokenError::UnknownRoot { sha256 }));
}
