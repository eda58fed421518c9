//! Chains and CRLs made to cost time.

use std::time::Instant;

use super::*;
use crate::test_util::ca::CertificateSpec;

/// OID of extension `number` of a private arc.
fn private_oid(number: usize) -> String {
    format!("1.3.9.{number}")
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
    let anchors = setup.anchors();
    let collateral = Collateral::new(&[], &[setup.google.intermediate_der().to_vec()]).unwrap();
    assert_eq!(setup.verify_with(&setup.leaf(), &anchors, &collateral).unwrap().root(), Root::Extra);
}

#[test]
fn every_built_in_ca_has_a_key_that_is_tried() {
    for anchor in crate::anchors::BUILTIN {
        assert!(path::is_affordable(anchor.spki), "{}", anchor.name);
    }
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
