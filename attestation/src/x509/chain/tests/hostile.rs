//! Chains, CRLs and files made to mislead or to cost time: each is refused, or handled as what it is.

use std::time::Instant;

use super::*;
use crate::test_util::ca::CertificateSpec;

/// OID of extension `number` of a private arc.
fn private_oid(number: usize) -> String {
    format!("1.3.9.{number}")
}

impl Setup {
    /// The fake intermediate with other extensions, sent with the leaf.
    fn replace_intermediate(&mut self, extensions: Vec<Vec<u8>>) {
        let root = self.google.root();
        let mut spec = root.ca_spec(self.google.intermediate(), 9);
        spec.extensions = extensions;
        self.certificates = vec![root.issue(&spec)];
    }
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

/// A CA certificate for `subject`, issued by `issuer`, with a random key.
fn bogus_ca(forger: &FakeCa, subject: &[u8], key: u8) -> Vec<u8> {
    let mut spec: CertificateSpec = forger.ca_spec(forger, u64::from(key));
    spec.subject = subject.to_vec();
    let last = spec.spki.len() - 20;
    spec.spki[last] ^= key;
    spec.extensions.extend((0..800).map(|number| encode::extension(&private_oid(number), false, &[])));
    forger.issue(&spec)
}

#[test]
fn t30_certificates_that_may_all_issue_each_other_cost_little() {
    let (hydra, lerna) = (encode::name(&[("2.5.4.3", "Hydra")]), encode::name(&[("2.5.4.3", "Lerna")]));
    let first = FakeCa::new(hydra.clone(), Scheme::Pkcs1Sha256);
    let second = FakeCa::new(lerna.clone(), Scheme::Pkcs1Sha256);
    let leaf = bogus_leaf(&first);
    let parsed = Certificate::parse(&leaf).unwrap();
    // Eight with the same name: trying every order would take 29,000 paths, a minute of work. Four of each of
    // two names that issue each other.
    let one_name: Vec<Vec<u8>> = (1..=8).map(|key| bogus_ca(&first, &hydra, key)).collect();
    let two_names = (1..=4).flat_map(|key| [bogus_ca(&second, &hydra, key), bogus_ca(&first, &lerna, key)]);
    for (certificates, seen) in [(one_name, 1), (two_names.collect(), 2)] {
        assert_eq!(certificates.len(), MAX_CERTIFICATES);
        let setup = Setup { certificates, ..Setup::new() };
        let (anchors, collateral) = (TrustAnchors::builtin(), Collateral::empty());
        let request = ChainRequest {
            leaf: &leaf,
            certificates: &setup.certificates,
            purpose: setup.purpose,
            anchors: &anchors,
            collateral: &collateral,
            now: NOW,
        };
        assert_eq!(path::above(&parsed, &request).unwrap().issuers.len(), seen);
        let start = Instant::now();
        assert_eq!(verify_chain(&request).unwrap_err(), ChainError::UnknownIssuer);
        println!("{seen} of {MAX_CERTIFICATES}: {:?}", start.elapsed());
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}

/// An RSA key made of numbers alone, as slow to verify with as its sizes imply.
fn rsa_key(modulus: usize, exponent: u64) -> Vec<u8> {
    let numbers = encode::sequence(&[encode::unsigned(&vec![0xff; modulus]), encode::integer(exponent)]);
    let kind = encode::sequence(&[encode::oid("1.2.840.113549.1.1.1"), encode::tlv(5, &[])]);
    encode::sequence(&[kind, encode::bits(&numbers)])
}

/// The work that path building does for received certificates with the forger's name: the number of keys
/// tried, and of certificates passed to webpki.
fn tried_and_seen(forger: &FakeCa, certificates: &[Vec<u8>]) -> (usize, usize) {
    let leaf = bogus_leaf(forger);
    let (anchors, collateral) = (TrustAnchors::builtin(), Collateral::empty());
    let purpose = Purpose::GoogleAk;
    let request = ChainRequest {
        leaf: &leaf,
        certificates,
        purpose,
        anchors: &anchors,
        collateral: &collateral,
        now: NOW,
    };
    let parsed = Certificate::parse(&leaf).unwrap();
    assert_eq!(verify_chain(&request).unwrap_err(), ChainError::UnknownIssuer);
    let tried = path::Pool::of(&request).unwrap().tried(forger.name(), None, NOW).len();
    (tried, path::above(&parsed, &request).unwrap().issuers.len())
}

#[test]
fn t44_keys_dearer_than_any_real_ca_has_are_never_tried() {
    let forger = FakeCa::new(encode::name(&[("2.5.4.3", "Hydra")]), Scheme::Pkcs1Sha256);
    let with_key = |spki: Vec<u8>| {
        let mut spec = forger.ca_spec(&forger, 4);
        spec.spki = spki;
        forger.issue(&spec)
    };
    let cases = [(512, 65_537, 1), (513, 65_537, 0), (512, 3, 0), (512, 0x1_ffff_ffff, 0), (1024, 65_537, 0)];
    for (modulus, exponent, seen) in cases {
        let given = with_key(rsa_key(modulus, exponent));
        assert_eq!(tried_and_seen(&forger, &[given]), (seen, seen), "{modulus} bytes, exponent {exponent}");
    }
    // Eight different ones, with the slowest keys possible.
    let hydra: Vec<Vec<u8>> = (0..8).map(|head| with_key(rsa_key(1024 - head, 0x1_ffff_ffff))).collect();
    assert_eq!(tried_and_seen(&forger, &hydra), (0, 0));
    assert!(!path::is_affordable(&[]));
    assert!(!path::is_affordable(&rsa_key(512, 65_537)[..400]));
}

/// Eight CA certificates with the same name and ordinary keys, none of which is the CA's key.
fn namesakes(ca: &FakeCa) -> Vec<Vec<u8>> {
    let namesake = |key: u8| {
        let mut spec = ca.ca_spec(ca, u64::from(key));
        let last = spec.spki.len() - 20;
        spec.spki[last] ^= key;
        ca.issue(&spec)
    };
    (1..=8).map(namesake).collect()
}

#[test]
fn t44_few_keys_of_one_name_are_tried() {
    let forger = FakeCa::new(encode::name(&[("2.5.4.3", "Hydra")]), Scheme::Pkcs1Sha256);
    let given = namesakes(&forger);
    assert_eq!(tried_and_seen(&forger, &given), (path::MAX_TRIED, 1));
}

#[test]
fn t44_stored_issuers_are_tried_before_received_ones() {
    let mut setup = Setup::new();
    setup.certificates = namesakes(setup.google.intermediate());
    assert_eq!(setup.verify().unwrap_err(), ChainError::UnknownIssuer);
    let anchors = TrustAnchors::builtin().with_extra(setup.google.root_der()).unwrap();
    let collateral = Collateral::new(&[], &[setup.google.intermediate_der().to_vec()]).unwrap();
    assert_eq!(setup.verify_with(&setup.leaf(), &anchors, &collateral).unwrap().root(), Root::Extra);
}

#[test]
fn every_built_in_ca_has_a_key_that_is_tried() {
    for anchor in crate::anchors::BUILTIN {
        assert!(path::is_affordable(anchor.spki), "{}", anchor.name);
    }
}

fn bogus_leaf(forger: &FakeCa) -> Vec<u8> {
    let mut spec = forger.ca_spec(forger, 3);
    spec.extensions = vec![encode::basic_constraints(false, None), encode::key_usage(0x80)];
    forger.issue(&spec)
}

#[test]
fn t30_a_certificate_of_a_thousand_extensions_is_malformed() {
    let setup = Setup::new();
    let forger = setup.google.intermediate();
    let mut spec = forger.ca_spec(forger, 3);
    spec.extensions = (0..1_200).map(|number| encode::extension(&private_oid(number), false, &[])).collect();
    let leaf = forger.issue(&spec);
    assert!(leaf.len() <= MAX_CERTIFICATE, "{}", leaf.len());
    assert_eq!(Certificate::parse(&leaf), None);
    spec.extensions.truncate(64);
    assert!(Certificate::parse(&forger.issue(&spec)).is_some());
}

/// A set of `count` attributes in the order that takes longest to sort.
fn reversed_set(tag: u8, count: u16) -> Vec<u8> {
    let attribute =
        |value: u16| encode::sequence(&[encode::oid("1.3.9.9"), encode::octets(&value.to_be_bytes())]);
    encode::tlv(tag, &(0..count).rev().flat_map(attribute).collect::<Vec<_>>())
}

#[test]
fn t30_names_that_take_long_to_sort_are_not_decoded() {
    let setup = Setup::new();
    let forger = setup.google.intermediate();
    let point = |count| {
        // nameRelativeToCRLIssuer
        let name = encode::tlv(0xa0, &reversed_set(0xa1, count));
        encode::sequence(&[encode::sequence(&[name])])
    };
    let mut spec = forger.ca_spec(forger, 3);
    for (count, is_read) in [(2, true), (1_200, false)] {
        spec.extensions = vec![encode::extension("2.5.29.31", false, &point(count))];
        let start = Instant::now();
        assert_eq!(Certificate::parse(&forger.issue(&spec)).is_some(), is_read);
        println!("{count} attributes: {:?}", start.elapsed());
        assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
    }
    let mut crl = setup.current_crl();
    let malformed = CollateralError::MalformedCrl { index: 0 };
    let scope = encode::sequence(&[encode::tlv(0xa0, &reversed_set(0xa1, 1_200))]);
    crl.extensions = vec![encode::extension("2.5.29.28", true, &scope)];
    assert_eq!(Collateral::new(&[setup.google.root_crl(&crl)], &[]).unwrap_err(), malformed);
    let long = FakeCa::new(encode::sequence(&[reversed_set(0x31, 1_200)]), Scheme::Pkcs1Sha256);
    let long = long.crl(&setup.current_crl());
    assert_eq!(Collateral::new(&[long], &[]).unwrap_err(), malformed);
}

#[test]
fn t17_a_list_for_another_distribution_point_still_revokes() {
    // Serial numbers are unique per issuer, so any of its CRLs revokes the certificate. The leaf names no
    // CRL.
    let mut setup = Setup::new();
    let serial = setup.spec.serial.clone();
    let mut crl = setup.current_crl().revoking(&serial);
    crl.extensions = vec![encode::issuing_distribution_point("http://pki.invalid/leaves.crl")];
    setup.crls = vec![setup.google.intermediate_crl(&crl)];
    assert_eq!(setup.verify().unwrap_err(), ChainError::Revoked { serial: hex::encode(&serial) });
    setup.spec.crl_dp = Some("http://pki.invalid/other.crl".to_owned());
    assert_eq!(setup.verify().unwrap_err(), ChainError::Revoked { serial: hex::encode(serial) });
}

#[test]
fn t17_a_list_for_authorities_says_nothing_fresh_about_leaves() {
    let mut setup = Setup::new();
    setup.spec.crl_dp = Some("http://pki.invalid/leaf.crl".to_owned());
    let scoped = |tag| {
        let mut crl = setup.current_crl();
        let scope = encode::sequence(&[encode::tlv(tag, &[0xff])]);
        crl.extensions = vec![encode::extension("2.5.29.28", true, &scope)];
        setup.google.intermediate_crl(&crl)
    };
    let (leaves, authorities) = (scoped(0x81), scoped(0x82));
    let root = setup.google.root_crl(&setup.current_crl());
    setup.crls = vec![root.clone(), authorities];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Absent);
    setup.crls = vec![root, leaves];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Fresh);
}

#[test]
fn t17_a_list_from_the_future_is_not_fresh_and_revokes() {
    let mut setup = Setup::new();
    let future = CrlSpec::current(NOW.plus(1), NOW.plus(DAY));
    setup.crls = vec![setup.google.root_crl(&future)];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Stale);
    setup.crls = vec![setup.google.root_crl(&future.revoking(&INTERMEDIATE_SERIAL.to_be_bytes()))];
    assert!(matches!(setup.verify().unwrap_err(), ChainError::Revoked { .. }));
}

#[test]
fn t17_an_older_list_beside_the_newer_one_hides_nothing() {
    let mut setup = Setup::new();
    let clean = setup.google.root_crl(&setup.current_crl());
    let revoking = setup.current_crl().revoking(&INTERMEDIATE_SERIAL.to_be_bytes());
    let revoking = setup.google.root_crl(&revoking);
    for crls in [[clean.clone(), revoking.clone()], [revoking, clean]] {
        setup.crls = crls.to_vec();
        assert!(matches!(setup.verify().unwrap_err(), ChainError::Revoked { .. }));
    }
}

#[test]
fn t17_the_root_cannot_speak_for_its_intermediate() {
    // The right name, the wrong key: a CRL in the intermediate's name signed by the root.
    let mut setup = Setup::new();
    setup.spec.crl_dp = Some("http://pki.invalid/leaf.crl".to_owned());
    let key = setup.google.root_pkcs8();
    let posing = FakeCa::from_pkcs8(setup.google.intermediate().name().to_vec(), Scheme::Pkcs1Sha256, &key);
    let serial = setup.spec.serial.clone();
    setup.crls =
        vec![setup.google.root_crl(&setup.current_crl()), posing.crl(&setup.current_crl().revoking(&serial))];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Absent);
}

#[test]
fn t17_a_list_known_under_one_key_is_unknown_under_another() {
    // Two hierarchies with the same names: the CRL of one, already in use, has no effect on the other.
    let (first, second) = (Setup::new(), Setup::new());
    let crl = first.google.root_crl(&first.current_crl());
    let collateral = Collateral::new(&[crl], &[]).unwrap();
    let revocation = |setup: &Setup| {
        let anchors = TrustAnchors::builtin().with_extra(setup.google.root_der()).unwrap();
        setup.verify_with(&setup.leaf(), &anchors, &collateral).unwrap().revocation()
    };
    for _ in 0..2 {
        assert_eq!(revocation(&first), Revocation::Fresh);
        assert_eq!(revocation(&second), Revocation::Absent);
    }
    // A clone, with the signer cached in it, gives the same result.
    let copy = collateral.clone();
    let anchors = TrustAnchors::builtin().with_extra(second.google.root_der()).unwrap();
    let chain = second.verify_with(&second.leaf(), &anchors, &copy).unwrap();
    assert_eq!(chain.revocation(), Revocation::Absent);
}

#[test]
fn an_intermediate_without_the_usage_to_sign_certificates_is_refused() {
    let mut setup = Setup::new();
    // digitalSignature and cRLSign.
    setup.replace_intermediate(vec![encode::basic_constraints(true, None), encode::key_usage(0x82)]);
    assert_eq!(setup.verify().unwrap_err(), ChainError::IssuerConstraint);
    setup.replace_intermediate(vec![encode::basic_constraints(true, None)]);
    assert!(setup.verify().is_ok());
}

#[test]
fn t02_an_attestation_key_cannot_issue_another() {
    // The intermediate's key, certified as an AK or without a statement of its use.
    let mut setup = Setup::new();
    for extensions in
        [vec![encode::basic_constraints(false, None), encode::key_usage(0x80)], vec![encode::key_usage(0x04)]]
    {
        setup.replace_intermediate(extensions);
        assert_eq!(setup.verify().unwrap_err(), ChainError::IssuerConstraint);
    }
}

#[test]
fn an_intermediate_is_no_leaf() {
    let mut setup = Setup::new();
    setup.certificates.clear();
    let intermediate = setup.google.intermediate_der().to_vec();
    assert_eq!(setup.verify_leaf(&intermediate).unwrap_err(), ChainError::LeafIsCa);
    let root = setup.google.root_der().to_vec();
    assert_eq!(setup.verify_leaf(&root).unwrap_err(), ChainError::LeafIsCa);
    let Some(real) = google_ca("gcp_ek_ak_ca_intermediate_v3.crt") else { return };
    assert_eq!(verify_builtin(&real, &[], NOW).unwrap_err(), ChainError::LeafIsCa);
}

#[test]
fn a_path_length_of_zero_holds_for_intermediates() {
    let mut setup = Setup::new();
    let middle = FakeCa::new(encode::name(&[("2.5.4.3", "Middle")]), Scheme::Pkcs1Sha256);
    let below = middle.issue(&middle.ca_spec(setup.google.intermediate(), 21));
    let mut verify = |length| {
        let root = setup.google.root();
        let mut spec = root.ca_spec(&middle, 20);
        spec.extensions = vec![encode::basic_constraints(true, length), encode::key_usage(0x04)];
        setup.certificates = vec![below.clone(), root.issue(&spec)];
        setup.verify()
    };
    assert!(verify(None).is_ok());
    assert!(verify(Some(1)).is_ok());
    assert_eq!(verify(Some(0)).unwrap_err(), ChainError::IssuerConstraint);
}

#[test]
fn the_issuer_is_found_among_others_of_its_name() {
    // Like Google's two intermediates: one name, two keys, and one that has expired.
    let mut setup = Setup::new();
    let (root, intermediate) = (setup.google.root(), setup.google.intermediate());
    let namesake = FakeCa::new(intermediate.name().to_vec(), Scheme::Pkcs1Sha256);
    let mut expired = root.ca_spec(intermediate, 10);
    expired.not_after = UnixTime(NOW.0 - 1);
    let others = [root.issue(&root.ca_spec(&namesake, 11)), root.issue(&expired)];
    let own = setup.google.intermediate_der().to_vec();
    setup.certificates = [others.to_vec(), vec![own.clone()]].concat();
    assert!(setup.verify().is_ok());
    setup.certificates = [vec![own.clone()], others.to_vec()].concat();
    assert!(setup.verify().is_ok());
    setup.certificates = [vec![own.clone(), own], others.to_vec()].concat();
    assert!(setup.verify().is_ok());
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
fn t10_a_namesake_of_googles_or_amds_in_a_file_is_extra() {
    let names = [
        ("gce/vtpm/certs-ca/gcp_ek_ak_ca_root.crt", Purpose::GoogleAk, Scheme::Pkcs1Sha256),
        ("gce/vtpm/certs-ca/gcp_ek_ak_ca_intermediate_v3.crt", Purpose::GoogleAk, Scheme::Pkcs1Sha256),
        ("snp/roots/genoa_ark.der", Purpose::AmdVcek, Scheme::PssSha384),
        ("snp/roots/genoa_ask.der", Purpose::AmdVcek, Scheme::PssSha384ShortForm),
    ];
    for (path, purpose, scheme) in names {
        let Some(real) = evidence::certificate(path) else { return };
        let namesake = FakeCa::new(Certificate::parse(&real).unwrap().subject().to_vec(), scheme);
        let own = namesake.self_signed(1);
        let anchors = TrustAnchors::builtin().with_extra(&own).unwrap();
        let leaf = bogus_leaf(&namesake);
        // Also together with the certificate whose name it has.
        for certificates in [vec![], vec![real.clone()], vec![real.clone(), own.clone()]] {
            let setup = Setup { certificates, purpose, ..Setup::new() };
            let chain = setup.verify_with(&leaf, &anchors, &Collateral::empty()).unwrap();
            assert_eq!((chain.root(), chain.product()), (Root::Extra, None), "{path}");
            assert_eq!(chain.anchor(), Digest32::of(&own), "{path}");
        }
    }
}

#[test]
fn t10_the_real_chain_keeps_its_root_beside_namesakes() {
    let Some(leaf) = google_leaf("pca_tpm_rsa_sign_cert.pem") else { return };
    let Some(real) = google_ca("gcp_ek_ak_ca_intermediate_v3.crt") else { return };
    let namesake = FakeCa::new(Certificate::parse(&real).unwrap().subject().to_vec(), Scheme::Pkcs1Sha256);
    let own = namesake.self_signed(1);
    let anchors = TrustAnchors::builtin().with_extra(&own).unwrap();
    let setup = Setup { certificates: vec![own, real], ..Setup::new() };
    let chain = setup.verify_with(&leaf, &anchors, &Collateral::empty()).unwrap();
    assert_eq!(chain.root(), Root::Google);
}

#[test]
fn an_anchor_of_one_purpose_serves_no_other() {
    let Some(leaf) = evidence::read("snp/reports/genoa_v5_attestationrs.vcek.der") else { return };
    let Some(google) = google_leaf("pca_tpm_rsa_sign_cert.pem") else { return };
    let verify = |leaf: &[u8], purpose| {
        let setup = Setup { certificates: vec![], purpose, now: UnixTime(1_771_500_000), ..Setup::new() };
        setup.verify_with(leaf, &TrustAnchors::builtin(), &Collateral::empty())
    };
    assert_eq!(verify(&leaf, Purpose::AmdVcek).unwrap().root(), Root::Amd);
    assert_eq!(verify(&leaf, Purpose::AmdVlek).unwrap_err(), ChainError::UnknownIssuer);
    assert_eq!(verify(&leaf, Purpose::GoogleAk).unwrap_err(), ChainError::UnknownIssuer);
    assert_eq!(verify(&google, Purpose::AmdVcek).unwrap_err(), ChainError::UnknownIssuer);
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
fn cache_knows_a_chain_by_all_of_its_certificates() {
    let mut setup = Setup::new();
    let (leaf, cache) = (setup.leaf(), ChainCache::new(16));
    let anchors = TrustAnchors::builtin().with_extra(setup.google.root_der()).unwrap();
    let collateral = Collateral::empty();
    let verify = |setup: &Setup, purpose| {
        let (leaf, certificates, now) = (leaf.as_slice(), setup.certificates.as_slice(), NOW);
        let (anchors, collateral) = (&anchors, &collateral);
        cache.verify(&ChainRequest { leaf, certificates, purpose, anchors, collateral, now })
    };
    assert!(verify(&setup, Purpose::GoogleAk).is_ok());
    assert_eq!(verify(&setup, Purpose::AmdVcek).unwrap_err(), ChainError::UnsupportedAlgorithm);
    setup.certificates.clear();
    assert_eq!(verify(&setup, Purpose::GoogleAk).unwrap_err(), ChainError::UnknownIssuer);
    // Moving bytes from one certificate to the next gives another chain.
    let mut joined = leaf.clone();
    joined.extend_from_slice(setup.google.intermediate_der());
    let certificates: &[Vec<u8>] = &[];
    let (anchors, collateral, purpose) = (&anchors, &collateral, Purpose::GoogleAk);
    let request = ChainRequest { leaf: &joined, certificates, purpose, anchors, collateral, now: NOW };
    assert_eq!(cache.verify(&request).unwrap_err(), ChainError::Malformed);
}

#[test]
fn cache_forgets_at_the_time_before_a_chain_began_too() {
    let setup = Setup::new();
    let (leaf, cache) = (setup.leaf(), ChainCache::new(16));
    let anchors = TrustAnchors::builtin().with_extra(setup.google.root_der()).unwrap();
    // A CRL that is current from tomorrow on, beside one that is current today.
    let today = setup.google.root_crl(&CrlSpec::current(UnixTime(NOW.0 - DAY), NOW.plus(DAY)));
    let tomorrow = setup.google.root_crl(&CrlSpec::current(NOW.plus(2 * DAY), NOW.plus(3 * DAY)));
    let collateral = Collateral::new(&[today, tomorrow], &[]).unwrap();
    let revocation = |now| {
        let (certificates, purpose) = (setup.certificates.as_slice(), Purpose::GoogleAk);
        let (anchors, collateral) = (&anchors, &collateral);
        let request = ChainRequest { leaf: &leaf, certificates, purpose, anchors, collateral, now };
        cache.verify(&request).unwrap().revocation()
    };
    let (fresh, stale) = (Revocation::Fresh, Revocation::Stale);
    for (day, expected) in
        [(2, fresh), (0, fresh), (1, stale), (3, stale), (0, fresh), (2, fresh), (1, stale)]
    {
        assert_eq!(revocation(NOW.plus(day * DAY)), expected, "day {day}");
    }
}
