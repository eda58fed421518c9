//! One negative test for each refusal. Every endorsement here is signed by a test root: there is no real one
//! to test with.

use std::collections::BTreeMap;

use super::*;
use crate::anchors::Root;
use crate::anchors::TrustAnchors;
use crate::cache::VerifyCache;
use crate::evidence;
use crate::test_util::ca::CertificateSpec;
use crate::test_util::ca::CrlSpec;
use crate::test_util::ca::FakeCa;
use crate::test_util::ca::Scheme;
use crate::test_util::ca::encode;
use crate::test_util::launch::EndorsementSpec;
use crate::test_util::launch::FakeTcbSigner;
use crate::test_util::launch::envelope;
use crate::test_util::launch::pem;
use crate::verify::Endorsements;
use crate::x509::ChainError;
use crate::x509::Collateral;
use crate::x509::Revocation;

const NOW: UnixTime = UnixTime(1_771_500_000);
const MEASUREMENT: Digest48 = Digest48([0x54; 48]);
const SNP: LaunchMeasurement = LaunchMeasurement::Snp(MEASUREMENT);
const MRTD: LaunchMeasurement = LaunchMeasurement::Tdx(Digest48([0x78; 48]));

fn fake() -> &'static FakeTcbSigner {
    FakeTcbSigner::shared()
}

struct Judge {
    anchors: TrustAnchors,
    collateral: Collateral,
    endorsements: Endorsements,
    cache: VerifyCache,
    now: UnixTime,
}

impl Judge {
    fn new() -> Self {
        Self {
            anchors: TrustAnchors::builtin().with_extra(fake().root_der()).unwrap(),
            collateral: Collateral::empty(),
            endorsements: Endorsements::default(),
            cache: VerifyCache::new(4, 1024),
            now: NOW,
        }
    }

    fn inputs(&self) -> VerifyInputs<'_> {
        let Self { anchors, collateral, endorsements, cache, now } = self;
        VerifyInputs { anchors, collateral, endorsements, audiences: &[], now: *now, cache }
    }

    fn verify(
        &self,
        endorsement: &[u8],
        measurement: LaunchMeasurement,
    ) -> Result<LaunchEndorsement, LaunchError> {
        verify(endorsement, measurement, &self.inputs())
    }
}

fn signed(change: impl FnOnce(&mut EndorsementSpec)) -> Vec<u8> {
    let mut spec = EndorsementSpec::default();
    change(&mut spec);
    spec.sign(fake())
}

fn refusal(change: impl FnOnce(&mut EndorsementSpec)) -> LaunchError {
    Judge::new().verify(&signed(change), SNP).unwrap_err()
}

/// Under another certificate for the signer's key.
fn with_signer(change: impl FnOnce(&mut CertificateSpec)) -> LaunchError {
    let mut certificate = fake().signer_spec();
    change(&mut certificate);
    refusal(|spec| spec.certificate = Some(fake().root().issue(&certificate)))
}

const fn chain(error: ChainError) -> LaunchError {
    LaunchError::Chain(error)
}

#[test]
fn an_endorsement_is_for_the_measurements_in_it() {
    let endorsement = signed(|_| ());
    let claims = Judge::new().verify(&endorsement, SNP).unwrap();
    assert_eq!((claims.root, claims.revocation), (Root::Extra, Revocation::NotOffered));
    assert_eq!((claims.svn, claims.vcpus, claims.ram_gib), (7, Some(4), None));
    assert_eq!(claims.timestamp, UnixTime(1_759_276_800));
    assert_eq!((claims.cl_spec, claims.commit), (700_000_001, Some("c0".repeat(20))));
    assert_eq!(claims.firmware_digest, Digest48([0xf1; 48]));
    assert_eq!(claims.digest, Digest32::of(&endorsement));
    let claims = Judge::new().verify(&endorsement, MRTD).unwrap();
    assert_eq!((claims.svn, claims.vcpus, claims.ram_gib), (3, None, Some(88)));
    let general = LaunchMeasurement::Tdx(Digest48([0x70; 48]));
    assert_eq!(Judge::new().verify(&endorsement, general).unwrap().ram_gib, None);
}

#[test]
fn a_general_measurement_comes_before_one_for_a_size() {
    let mrtd = Digest48([0x78; 48]);
    let endorsement = EndorsementSpec::default().with_tdx(0, &mrtd).sign(fake());
    assert_eq!(Judge::new().verify(&endorsement, MRTD).unwrap().ram_gib, None);
}

#[test]
fn a_measurement_that_is_not_in_it_is_refused() {
    let measurement = Digest48([0x99; 48]);
    for asked in [LaunchMeasurement::Snp(measurement), LaunchMeasurement::Tdx(measurement)] {
        let refused = Judge::new().verify(&signed(|_| ()), asked).unwrap_err();
        assert_eq!(refused, LaunchError::NotEndorsed { measurement });
    }
    // An endorsement for one technology does not apply to the other.
    let measurement = MEASUREMENT;
    let refused = Judge::new().verify(&signed(|_| ()), LaunchMeasurement::Tdx(measurement)).unwrap_err();
    assert_eq!(refused, LaunchError::NotEndorsed { measurement });
}

#[test]
fn an_endorsement_without_the_technology_is_refused() {
    assert_eq!(refusal(|spec| spec.sev_snp = None), LaunchError::OtherTechnology);
    let refused = Judge::new().verify(&signed(|spec| spec.tdx = None), MRTD).unwrap_err();
    assert_eq!(refused, LaunchError::OtherTechnology);
}

#[test]
fn t30_bytes_that_are_not_an_endorsement_are_refused() {
    let verify = |bytes: &[u8]| Judge::new().verify(bytes, SNP).unwrap_err();
    assert_eq!(verify(b"no protobuf"), LaunchError::Malformed);
    assert_eq!(verify(&envelope(b"no protobuf".to_vec(), vec![0; 512])), LaunchError::Malformed);
    assert_eq!(verify(b""), LaunchError::Field { name: "timestamp" });
    let (found, limit) = (MAX_ENDORSEMENT + 1, MAX_ENDORSEMENT);
    assert_eq!(verify(&vec![0; found]), LaunchError::TooLarge { found, limit });
    let whole = signed(|_| ());
    for length in (0..whole.len()).step_by(97) {
        assert!(Judge::new().verify(&whole[..length], SNP).is_err(), "{length} bytes");
    }
}

#[test]
fn fields_have_their_lengths() {
    let field = |name| LaunchError::Field { name };
    assert_eq!(refusal(|spec| spec.timestamp = None), field("timestamp"));
    assert_eq!(refusal(|spec| spec.timestamp = Some(-1)), field("timestamp"));
    assert_eq!(refusal(|spec| spec.digest = vec![1; 47]), field("digest"));
    assert_eq!(refusal(|spec| spec.commit = vec![1; 19]), field("commit"));
    let short = BTreeMap::from([(1, vec![0x54; 47])]);
    assert_eq!(refusal(|spec| spec.sev_snp = Some((1, short))), field("sev_snp.measurements"));
    let short = vec![(0, vec![0x54; 49])];
    assert_eq!(refusal(|spec| spec.tdx = Some((1, short))), field("tdx.measurements"));
}

#[test]
fn an_endorsement_of_today_names_its_build() {
    let anonymous = |timestamp: i64| {
        move |spec: &mut EndorsementSpec| {
            (spec.timestamp, spec.cl_spec, spec.commit) = (Some(timestamp), 0, Vec::new());
        }
    };
    let timestamp = UnixTime(1_722_556_801);
    assert_eq!(refusal(anonymous(1_722_556_801)), LaunchError::NoProvenance { timestamp });
    let old = Judge::new().verify(&signed(anonymous(1_722_556_800)), SNP).unwrap();
    assert_eq!(old.commit, None);
    assert!(Judge::new().verify(&signed(|spec| spec.cl_spec = 0), SNP).is_ok());
    assert!(Judge::new().verify(&signed(|spec| spec.commit.clear()), SNP).is_ok());
}

#[test]
fn fields_that_google_adds_are_passed_over_and_are_signed() {
    // Field 15, a text.
    let added = [vec![0x7a, 3], b"new".to_vec()].concat();
    assert!(Judge::new().verify(&signed(|spec| spec.unknown_fields = added.clone()), SNP).is_ok());
    let spec = EndorsementSpec::default();
    let signature = fake().signer().sign(&spec.golden(fake()), spec.scheme);
    let changed = EndorsementSpec { unknown_fields: added, ..spec }.golden(fake());
    let refused = Judge::new().verify(&envelope(changed, signature), SNP).unwrap_err();
    assert_eq!(refused, LaunchError::SignatureInvalid);
}

#[test]
fn a_changed_endorsement_is_refused() {
    let spec = EndorsementSpec::default();
    let golden = spec.golden(fake());
    let signature = fake().signer().sign(&golden, spec.scheme);
    let verify = |signature: Vec<u8>| Judge::new().verify(&envelope(golden.clone(), signature), SNP);
    assert!(verify(signature.clone()).is_ok());
    let mut flipped = signature.clone();
    flipped[100] ^= 1;
    for bad in [flipped, signature[..511].to_vec(), [&signature[..], &[0]].concat(), Vec::new()] {
        assert_eq!(verify(bad), Err(LaunchError::SignatureInvalid));
    }
    let other = EndorsementSpec { cl_spec: 1, ..spec }.golden(fake());
    let refused = Judge::new().verify(&envelope(other, signature), SNP).unwrap_err();
    assert_eq!(refused, LaunchError::SignatureInvalid);
}

#[test]
fn an_endorsement_is_signed_with_pss_and_sha_256() {
    for scheme in [Scheme::Pkcs1Sha256, Scheme::PssSha384ShortForm] {
        assert_eq!(refusal(|spec| spec.scheme = scheme), LaunchError::SignatureInvalid);
    }
}

#[test]
fn the_signer_has_an_rsa_key_of_4096_bits() {
    let short = FakeCa::new(fake().signer().name().to_vec(), Scheme::PssSha256);
    let certificate = CertificateSpec { spki: short.spki(), ..fake().signer_spec() };
    let spec = EndorsementSpec {
        certificate: Some(fake().root().issue(&certificate)),
        ..EndorsementSpec::default()
    };
    let endorsement = spec.sign_with(fake(), &short);
    assert_eq!(Judge::new().verify(&endorsement, SNP), Err(LaunchError::SignerKey));
    let elliptic = crate::test_util::vtpm::FakeAk::p384().spki().to_vec();
    assert_eq!(with_signer(|signer| signer.spki = elliptic), LaunchError::SignerKey);
}

#[test]
fn the_signers_certificate_is_for_signatures_and_no_ca() {
    let usage = |bits| vec![encode::basic_constraints(false, None), encode::key_usage(bits)];
    assert_eq!(with_signer(|signer| signer.extensions = usage(0x20)), LaunchError::SignerKeyUsage);
    let is_ca = vec![encode::basic_constraints(true, None), encode::key_usage(0x84)];
    assert_eq!(with_signer(|signer| signer.extensions = is_ca), chain(ChainError::LeafIsCa));
    let unknown = encode::extension("1.3.6.1.4.1.99999.1", true, &[5, 0]);
    let refused = with_signer(|signer| signer.extensions.push(unknown));
    assert_eq!(refused, chain(ChainError::UnknownCriticalExtension));
    assert_eq!(refusal(|spec| spec.certificate = Some(Vec::new())), chain(ChainError::Malformed));
}

#[test]
fn every_certificate_is_valid_now() {
    let (past, future) = (UnixTime(NOW.0 - 1), NOW.plus(1));
    let expired = chain(ChainError::Expired { not_after: past });
    assert_eq!(with_signer(|signer| signer.not_after = past), expired);
    let early = chain(ChainError::NotValidYet { not_before: future });
    assert_eq!(with_signer(|signer| signer.not_before = future), early);
    let root = CertificateSpec { not_after: past, ..fake().root().ca_spec(fake().root(), 1) };
    let root = fake().root().issue(&root);
    let anchors = TrustAnchors::builtin().with_extra(&root).unwrap();
    let endorsement = signed(|spec| spec.bundle = Some(vec![root]));
    assert_eq!(Judge { anchors, ..Judge::new() }.verify(&endorsement, SNP), Err(expired));
}

#[test]
fn an_untrusted_root_is_refused() {
    let judge = Judge { anchors: TrustAnchors::builtin(), ..Judge::new() };
    let refused = judge.verify(&signed(|_| ()), SNP).unwrap_err();
    assert_eq!(refused, chain(ChainError::UnknownIssuer));
    let foreign = FakeCa::new(fake().root().name().to_vec(), Scheme::PssSha256);
    let certificate = foreign.issue(&fake().signer_spec());
    let bundle = vec![foreign.self_signed(1)];
    let refused = refusal(|spec| (spec.certificate, spec.bundle) = (Some(certificate), Some(bundle)));
    assert_eq!(refused, chain(ChainError::SignatureInvalid));
}

#[test]
fn googles_development_root_is_refused_whatever_its_name_says() {
    let Some(root) = evidence::certificate("gce/endorsement-dev/NEG-dev-root-same-CN.crt") else { return };
    let Some(signer) = evidence::certificate("gce/endorsement-dev/NEG-dev-signer.crt") else { return };
    let subject = Certificate::parse(&root).unwrap().subject;
    assert!(subject.windows(15).any(|part| part == b"GCE-cc-tcb-root"));
    let endorsement =
        signed(|spec| (spec.certificate, spec.bundle) = (Some(signer), Some(vec![root.clone()])));
    let judge = Judge { anchors: TrustAnchors::builtin(), ..Judge::new() };
    assert_eq!(judge.verify(&endorsement, SNP), Err(chain(ChainError::UnknownIssuer)));
    // Its chain itself is valid: only the digest of its root is wrong.
    let anchors = TrustAnchors::none().with_extra(&root).unwrap();
    let refused = Judge { anchors, ..Judge::new() }.verify(&endorsement, SNP).unwrap_err();
    assert_eq!(refused, LaunchError::SignerKey, "2048 bits");
}

#[test]
fn measurements_are_read_from_an_endorsement_up_to_the_limit() {
    let limit = MAX_ENDORSEMENT;
    assert_eq!(measurements(&vec![0; limit]), Err(LaunchError::Malformed));
    assert_eq!(measurements(&vec![0; limit + 1]), Err(LaunchError::TooLarge { found: limit + 1, limit }));
}

#[test]
fn the_ca_bundle_is_pem() {
    let text = |text: &[u8]| refusal(|spec| spec.bundle_text = Some(text.to_vec()));
    assert_eq!(text(b""), LaunchError::Bundle);
    assert_eq!(text(fake().root_der()), LaunchError::Bundle);
    let broken = b"-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n";
    assert_eq!(text(broken), LaunchError::Bundle);
    let many = pem(&vec![fake().root_der().to_vec(); 9]);
    assert_eq!(text(many.as_bytes()), chain(ChainError::TooManyCertificates { found: 9, limit: 8 }));
}

#[test]
fn an_intermediate_may_stand_in_the_bundle() {
    let between = FakeCa::new(encode::name(&[("2.5.4.3", "Between")]), Scheme::PssSha256);
    let issued = fake().root().issue(&fake().root().ca_spec(&between, 5));
    let certificate = between.issue(&fake().signer_spec());
    let bundle = vec![issued, fake().root_der().to_vec()];
    let endorsement = signed(|spec| (spec.certificate, spec.bundle) = (Some(certificate), Some(bundle)));
    assert_eq!(Judge::new().verify(&endorsement, SNP).unwrap().root, Root::Extra);
}

#[test]
fn revocation_is_a_claim_and_a_revoked_signer_a_refusal() {
    let judge = |crl: &CrlSpec| Judge {
        collateral: Collateral::new(&[fake().root_crl(crl)], &[]).unwrap(),
        ..Judge::new()
    };
    let endorsement = signed(|_| ());
    let current = CrlSpec::current(UnixTime(NOW.0 - 60), NOW.plus(60));
    assert_eq!(judge(&current).verify(&endorsement, SNP).unwrap().revocation, Revocation::Fresh);
    let overdue = CrlSpec::current(UnixTime(NOW.0 - 60), NOW);
    assert_eq!(judge(&overdue).verify(&endorsement, SNP).unwrap().revocation, Revocation::Stale);
    let refused = judge(&current.revoking(&[2])).verify(&endorsement, SNP).unwrap_err();
    assert_eq!(refused, chain(ChainError::Revoked { serial: "02".to_owned() }));
}

#[test]
fn a_verified_endorsement_is_cached_as_long_as_it_holds() {
    let certificate = CertificateSpec { not_after: NOW.plus(10), ..fake().signer_spec() };
    let endorsement = signed(|spec| spec.certificate = Some(fake().root().issue(&certificate)));
    let judge = Judge::new();
    let first = judge.verify(&endorsement, SNP).unwrap();
    assert_eq!(judge.cache.endorsements().len(), 1);
    assert_eq!(judge.verify(&endorsement, SNP).unwrap(), first);
    assert!(judge.verify(&endorsement, MRTD).is_ok());
    let measurement = Digest48([0x99; 48]);
    let refused = judge.verify(&endorsement, LaunchMeasurement::Snp(measurement)).unwrap_err();
    assert_eq!(refused, LaunchError::NotEndorsed { measurement });
    assert_eq!(judge.cache.endorsements().len(), 1);
    let late = Judge { now: NOW.plus(11), ..judge };
    let expired = chain(ChainError::Expired { not_after: NOW.plus(10) });
    assert_eq!(late.verify(&endorsement, SNP), Err(expired));
    // Nor is it valid under other anchors.
    let elsewhere = Judge { anchors: TrustAnchors::builtin(), now: NOW, ..late };
    assert_eq!(elsewhere.verify(&endorsement, SNP), Err(chain(ChainError::UnknownIssuer)));
}

#[test]
fn a_refused_endorsement_is_not_cached() {
    let judge = Judge::new();
    let refused = judge.verify(&signed(|spec| spec.scheme = Scheme::Pkcs1Sha256), SNP);
    assert_eq!(refused, Err(LaunchError::SignatureInvalid));
    assert!(judge.cache.endorsements().is_empty());
}

#[test]
fn t52_an_invalid_endorsement_counts_as_absent() {
    let (good, bad) = (signed(|_| ()), signed(|spec| spec.scheme = Scheme::Pkcs1Sha256));
    let judge = Judge::new();
    let store = |bytes: &[u8]| EndorsementStore::new([(MEASUREMENT, bytes.to_vec())]);
    let find = |given, launch: &EndorsementStore| {
        let endorsements = &Endorsements { launch: launch.clone(), ..Endorsements::default() };
        find(SNP, given, &VerifyInputs { endorsements, ..judge.inputs() })
    };
    let none = EndorsementStore::default();
    assert_eq!(find(None, &none), Ok(None));
    assert_eq!(find(None, &store(&good)).unwrap().unwrap().vcpus, Some(4));
    assert_eq!(find(Some(&good), &none).unwrap().unwrap().vcpus, Some(4));
    assert_eq!(find(Some(&bad), &store(&good)).unwrap().unwrap().vcpus, Some(4));
    assert_eq!(find(Some(&good), &store(&bad)).unwrap().unwrap().vcpus, Some(4));
    // If none is valid, the first reason is returned.
    assert_eq!(find(None, &store(&bad)), Err(LaunchError::SignatureInvalid));
    let other = signed(|spec| spec.sev_snp = Some((1, BTreeMap::new())));
    let measurement = MEASUREMENT;
    assert_eq!(find(Some(&other), &store(&bad)), Err(LaunchError::NotEndorsed { measurement }));
}

#[test]
fn t17_only_the_hierarchy_says_that_no_revocation_is_offered() {
    // A signer below a CA that names a CRL: then that CRL is needed.
    let mut spec = fake().signer_spec();
    spec.extensions.push(encode::distribution_point("http://pki.invalid/signer.crl"));
    let endorsement = signed(|spec_of| spec_of.certificate = Some(fake().root().issue(&spec)));
    let judge = Judge::new();
    let claims = judge.verify(&endorsement, SNP).unwrap();
    assert_eq!(claims.revocation, Revocation::Absent);
    let missing: Vec<_> = claims.missing_crls.iter().flat_map(|crl| &crl.addresses).collect();
    assert_eq!(missing, ["http://pki.invalid/signer.crl"]);
    assert_eq!(claims.missing_crls[0].issuer_key, fake().root().spki());
}
