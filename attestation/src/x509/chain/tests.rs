//! Chains of real and fake hierarchies; each refusal has one fault.

mod cache;
mod captured;
mod cost;
mod files;
mod issuers;
mod revocation;

use super::*;
use crate::anchors::Purpose;
use crate::anchors::Root;
use crate::anchors::TrustAnchors;
use crate::evidence;
use crate::test_util::ca::AkCertificateSpec;
use crate::test_util::ca::CrlSpec;
use crate::test_util::ca::FakeCa;
use crate::test_util::ca::FakeGoogle;
use crate::test_util::ca::Scheme;
use crate::test_util::ca::encode;
use crate::test_util::ca::google::INTERMEDIATE_SERIAL;
use crate::x509::Collateral;
use crate::x509::CollateralError;
use crate::x509::MAX_CERTIFICATE;
use crate::x509::MAX_CERTIFICATES;
use crate::x509::Revocation;

/// 2025-11-01: all of Google's certificates in the evidence and the fakes' are valid.
const NOW: UnixTime = UnixTime(1_761_955_200);
const DAY: u64 = 86_400;

/// A fake Google with everything to verify its AK certificates; tests change one part.
struct Setup {
    google: FakeGoogle,
    spec: AkCertificateSpec,
    certificates: Vec<Vec<u8>>,
    crls: Vec<Vec<u8>>,
    purpose: Purpose,
    now: UnixTime,
}

impl Setup {
    fn new() -> Self {
        let google = FakeGoogle::new();
        let certificates = vec![google.intermediate_der().to_vec()];
        let spec = AkCertificateSpec::default();
        Self { google, spec, certificates, crls: Vec::new(), purpose: Purpose::GoogleAk, now: NOW }
    }

    fn leaf(&self) -> Vec<u8> {
        self.google.issue_ak(&self.google.intermediate().spki(), &self.spec)
    }

    fn anchors(&self) -> TrustAnchors {
        TrustAnchors::builtin().with_extra(self.google.root_der()).unwrap()
    }

    fn verify(&self) -> Result<VerifiedChain, ChainError> {
        self.verify_leaf(&self.leaf())
    }

    fn verify_leaf(&self, leaf: &[u8]) -> Result<VerifiedChain, ChainError> {
        let collateral = Collateral::new(&self.crls, &[]).unwrap();
        self.verify_with(leaf, &self.anchors(), &collateral)
    }

    fn verify_with(
        &self,
        leaf: &[u8],
        anchors: &TrustAnchors,
        collateral: &Collateral,
    ) -> Result<VerifiedChain, ChainError> {
        let (certificates, purpose, now) = (self.certificates.as_slice(), self.purpose, self.now);
        verify_chain(&ChainRequest { leaf, certificates, purpose, anchors, collateral, now })
    }

    fn current_crl(&self) -> CrlSpec {
        CrlSpec::current(UnixTime(NOW.0 - DAY), NOW.plus(DAY))
    }
}

fn google_leaf(name: &str) -> Option<Vec<u8>> {
    evidence::certificate(&format!("gce/vtpm/certs-leaf/{name}"))
}

fn google_ca(name: &str) -> Option<Vec<u8>> {
    evidence::certificate(&format!("gce/vtpm/certs-ca/{name}"))
}

fn verify_builtin(leaf: &[u8], certificates: &[Vec<u8>], now: UnixTime) -> Result<VerifiedChain, ChainError> {
    verify_chain(&ChainRequest {
        leaf,
        certificates,
        purpose: Purpose::GoogleAk,
        anchors: &TrustAnchors::builtin(),
        collateral: &Collateral::empty(),
        now,
    })
}

/// A leaf of the right form by a CA that no anchor certifies.
fn bogus_leaf(forger: &FakeCa) -> Vec<u8> {
    let mut spec = forger.ca_spec(forger, 3);
    spec.extensions = vec![encode::basic_constraints(false, None), encode::key_usage(0x80)];
    forger.issue(&spec)
}

#[test]
fn a_fake_chain_verifies_under_its_anchor_and_nothing_else() {
    let setup = Setup::new();
    let chain = setup.verify().unwrap();
    assert_eq!(chain.root(), Root::Extra);
    assert_eq!(chain.anchor(), Digest32::of(setup.google.root_der()));
    assert_eq!(chain.product(), None);
    let alone = setup.verify_with(&setup.leaf(), &TrustAnchors::builtin(), &Collateral::empty());
    assert_eq!(alone.unwrap_err(), ChainError::UnknownIssuer);
}

#[test]
fn t10_a_look_alike_root_gives_nothing() {
    // The names of Google's own hierarchy, with other keys.
    let setup = Setup::new();
    let Some(real) = google_ca("gcp_ek_ak_ca_intermediate_v3.crt") else { return };
    let name = Certificate::parse(&real).unwrap().subject().to_vec();
    let forger = FakeCa::new(name, Scheme::Pkcs1Sha256);
    let outcome = setup.verify_leaf(&bogus_leaf(&forger));
    assert_eq!(outcome.unwrap_err(), ChainError::SignatureInvalid);
}

#[test]
fn issuing_cas_come_with_the_evidence_or_as_collateral() {
    let mut setup = Setup::new();
    setup.certificates.clear();
    assert_eq!(setup.verify().unwrap_err(), ChainError::UnknownIssuer);
    let anchors = setup.anchors();
    let collateral = Collateral::new(&[], &[setup.google.intermediate_der().to_vec()]).unwrap();
    assert_eq!(setup.verify_with(&setup.leaf(), &anchors, &collateral).unwrap().root(), Root::Extra);
}

#[test]
fn the_old_hierarchys_critical_alternative_name_is_tolerated() {
    let mut setup = Setup::new();
    setup.spec.critical_san = true;
    assert!(setup.verify().is_ok());
}

#[test]
fn an_unknown_critical_extension_is_refused() {
    let mut setup = Setup::new();
    setup.spec.unknown_critical_extension = true;
    assert_eq!(setup.verify().unwrap_err(), ChainError::UnknownCriticalExtension);
}

#[test]
fn an_extended_key_usage_must_be_the_hierarchys() {
    let mut setup = Setup::new();
    setup.spec.extended_key_usage = Some("2.23.133.8.1".to_owned());
    assert!(setup.verify().is_ok());
    // serverAuth
    setup.spec.extended_key_usage = Some("1.3.6.1.5.5.7.3.1".to_owned());
    assert_eq!(setup.verify().unwrap_err(), ChainError::ExtendedKeyUsage);
}

#[test]
fn a_ca_certificate_is_no_leaf() {
    let mut setup = Setup::new();
    setup.spec.is_ca = true;
    assert_eq!(setup.verify().unwrap_err(), ChainError::LeafIsCa);
}

#[test]
fn validity_of_the_leaf_is_enforced() {
    let mut setup = Setup::new();
    let (not_before, not_after) = (setup.spec.not_before, setup.spec.not_after);
    setup.now = not_before;
    assert!(setup.verify().is_ok());
    setup.now = UnixTime(not_before.0 - 1);
    assert_eq!(setup.verify().unwrap_err(), ChainError::NotValidYet { not_before });
    setup.now = not_after;
    assert!(setup.verify().is_ok());
    setup.now = not_after.plus(1);
    assert_eq!(setup.verify().unwrap_err(), ChainError::Expired { not_after });
}

#[test]
fn validity_of_intermediate_and_anchor_is_enforced() {
    let mut setup = Setup::new();
    let root = setup.google.root();
    let mut spec = root.ca_spec(setup.google.intermediate(), 5);
    spec.not_after = UnixTime(NOW.0 - 1);
    setup.certificates = vec![root.issue(&spec)];
    assert_eq!(setup.verify().unwrap_err(), ChainError::Expired { not_after: UnixTime(NOW.0 - 1) });

    let mut spec = root.ca_spec(root, 6);
    spec.not_before = NOW.plus(1);
    let anchors = TrustAnchors::builtin().with_extra(&root.issue(&spec)).unwrap();
    setup.certificates = vec![setup.google.intermediate_der().to_vec()];
    let outcome = setup.verify_with(&setup.leaf(), &anchors, &Collateral::empty());
    assert_eq!(outcome.unwrap_err(), ChainError::NotValidYet { not_before: NOW.plus(1) });
}

#[test]
fn no_time_is_out_of_range() {
    let mut setup = Setup::new();
    let (not_before, not_after) = (setup.spec.not_before, setup.spec.not_after);
    setup.crls = vec![setup.google.root_crl(&setup.current_crl())];
    setup.now = UnixTime(0);
    assert_eq!(setup.verify().unwrap_err(), ChainError::NotValidYet { not_before });
    setup.now = UnixTime(u64::MAX);
    assert_eq!(setup.verify().unwrap_err(), ChainError::Expired { not_after });
}

#[test]
fn path_lengths_are_enforced_for_intermediates_and_anchors() {
    let mut setup = Setup::new();
    let root = setup.google.root();
    let mut spec = root.ca_spec(root, 6);
    spec.extensions = vec![encode::basic_constraints(true, Some(0))];
    let anchors = TrustAnchors::builtin().with_extra(&root.issue(&spec)).unwrap();
    let outcome = setup.verify_with(&setup.leaf(), &anchors, &Collateral::empty());
    assert_eq!(outcome.unwrap_err(), ChainError::IssuerConstraint);

    // An "intermediate" that is not a CA.
    let mut spec = root.ca_spec(setup.google.intermediate(), 5);
    spec.extensions = vec![encode::basic_constraints(false, None)];
    setup.certificates = vec![root.issue(&spec)];
    assert_eq!(setup.verify().unwrap_err(), ChainError::IssuerConstraint);
}

#[test]
fn a_broken_signature_is_refused() {
    let setup = Setup::new();
    let mut leaf = setup.leaf();
    *leaf.last_mut().unwrap() ^= 1;
    assert_eq!(setup.verify_leaf(&leaf).unwrap_err(), ChainError::SignatureInvalid);
}

#[test]
fn an_algorithm_of_another_purpose_is_refused() {
    let mut setup = Setup::new();
    setup.purpose = Purpose::AmdVcek;
    assert_eq!(setup.verify().unwrap_err(), ChainError::UnsupportedAlgorithm);
}

/// The bytes with every occurrence of `from` replaced.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> (Vec<u8>, usize) {
    assert_eq!(from.len(), to.len());
    let (mut out, mut count) = (bytes.to_vec(), 0);
    for index in 0..bytes.len() - from.len() {
        if bytes[index..].starts_with(from) {
            out[index..index + from.len()].copy_from_slice(to);
            count += 1;
        }
    }
    (out, count)
}

#[test]
fn weak_and_foreign_algorithms_are_refused() {
    let setup = Setup::new();
    let leaf = setup.leaf();
    let identifier =
        |last: u8| [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last, 0x05, 0x00];
    // sha256WithRSAEncryption replaced by MD5, SHA-1, SHA-224 or RSA itself, inside and outside.
    for last in [4, 5, 14, 1] {
        let (weak, count) = replaced(&leaf, &identifier(11), &identifier(last));
        assert_eq!(count, 2);
        assert_eq!(setup.verify_leaf(&weak).unwrap_err(), ChainError::UnsupportedAlgorithm, "{last}");
    }
    // Inside and outside differ.
    let (mut torn, _) = replaced(&leaf, &identifier(11), &identifier(12));
    torn[..400].copy_from_slice(&leaf[..400]);
    assert_eq!(setup.verify_leaf(&torn).unwrap_err(), ChainError::Malformed);
}

#[test]
fn t30_bounds_are_checked_before_anything_is_parsed() {
    let mut setup = Setup::new();
    let leaf = setup.leaf();
    setup.certificates = vec![Vec::new(); MAX_CERTIFICATES + 1];
    let (found, limit) = (MAX_CERTIFICATES + 1, MAX_CERTIFICATES);
    assert_eq!(setup.verify_leaf(&leaf).unwrap_err(), ChainError::TooManyCertificates { found, limit });
    setup.certificates = vec![vec![0; MAX_CERTIFICATE + 1]];
    let (found, limit) = (MAX_CERTIFICATE + 1, MAX_CERTIFICATE);
    assert_eq!(setup.verify_leaf(&leaf).unwrap_err(), ChainError::CertificateTooLarge { found, limit });
}

#[test]
fn a_malformed_leaf_is_refused() {
    let setup = Setup::new();
    assert_eq!(setup.verify_leaf(&[]).unwrap_err(), ChainError::Malformed);
    let mut trailing = setup.leaf();
    trailing.push(0);
    assert_eq!(setup.verify_leaf(&trailing).unwrap_err(), ChainError::Malformed);
}

#[test]
fn other_flaws_keep_the_name_that_webpki_gives_them() {
    let mut setup = Setup::new();
    setup.spec.not_after = UnixTime(setup.spec.not_before.0 - 1);
    assert_eq!(setup.verify().unwrap_err(), ChainError::Path(webpki::Error::InvalidCertValidity));
}

#[test]
fn malformed_certificates_beside_the_leaf_are_refused() {
    let mut setup = Setup::new();
    setup.certificates = vec![vec![0x30, 0x00]];
    assert_eq!(setup.verify().unwrap_err(), ChainError::Malformed);
}

#[test]
fn a_ca_kept_with_its_keys_is_the_same_ca() {
    let google = FakeGoogle::new();
    let loaded = FakeGoogle::load(&google.root_pkcs8(), &google.intermediate_pkcs8());
    assert_eq!(loaded.root_der(), google.root_der());
    assert_eq!(loaded.intermediate_der(), google.intermediate_der());
}

#[test]
fn no_damaged_certificate_or_crl_makes_the_reader_panic() {
    let setup = Setup::new();
    let leaf = setup.leaf();
    let crl = setup.google.root_crl(&setup.current_crl().revoking(&[1]));
    for bytes in [&leaf, &crl] {
        for length in 0..bytes.len() {
            let cut = bytes[..length].to_vec();
            assert!(Certificate::parse(&cut).is_none());
            assert!(Collateral::new(&[cut], &[]).is_err());
        }
        for index in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[index] ^= flip;
                let _ = Certificate::parse(&damaged);
                let _ = Collateral::new(std::slice::from_ref(&damaged), &[]);
            }
        }
    }
    let anchors = setup.anchors();
    for index in 0..leaf.len() {
        let mut damaged = leaf.clone();
        damaged[index] ^= 0x01;
        assert!(setup.verify_with(&damaged, &anchors, &Collateral::empty()).is_err(), "byte {index}");
    }
}
