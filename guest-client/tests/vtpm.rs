//! The vTPM part with a real (software) TPM that is provisioned like GCE's.

#[path = "support/machine.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod machine;
#[path = "../../tests/src/swtpm.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the end-to-end tests")]
mod swtpm;

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use machine::{Machine, certificate_for};
use swtpm::Readers;
use tss_esapi::structures::{Attest, AttestInfo};
use tss_esapi::traits::UnMarshall as _;
use vouchsafe_guest_client::vtpm::{AkAlgorithm, AkChoice, PCRS, Quote, Step, TpmAddress, Vtpm, VtpmError};
use vouchsafe_protocol::Digest32;

const NONCE: [u8; 32] = [0xa5; 32];

fn quote(algorithm: AkAlgorithm) -> (Quote, Vec<u8>) {
    let (machine, spki) = Machine::provisioned(algorithm);
    machine.swtpm.extend(0, &[1; 32]).expect("extends");
    machine.swtpm.extend(14, &[2; 32]).expect("extends");
    let mut vtpm = machine.vtpm();
    let key = vtpm.attestation_key(AkChoice::Auto).expect("the AK is made");
    assert_eq!(key.algorithm(), algorithm);
    assert_eq!(key.spki(), spki);
    assert!(key.certificate().windows(spki.len()).any(|part| part == spki));
    (vtpm.quote(&key, &NONCE).expect("a quote"), spki)
}

/// PCRs, digest and nonce are those of a boot with these two extends.
fn assert_statement(quote: &Quote) {
    let extended = |value: u8| Digest32::of(&[[0; 32], [value; 32]].concat());
    let mut expected: BTreeMap<u8, Digest32> = PCRS.into_iter().map(|pcr| (pcr, Digest32([0; 32]))).collect();
    expected.insert(0, extended(1));
    expected.insert(14, extended(2));
    assert_eq!(quote.pcrs, expected);
    let attest = Attest::unmarshall(&quote.attest).expect("TPMS_ATTEST");
    assert_eq!(attest.extra_data().value(), NONCE);
    let info = match attest.attested() {
        AttestInfo::Quote { info } => Some(info),
        _ => None,
    };
    let info = info.expect("a quote");
    let values: Vec<u8> = quote.pcrs.values().flat_map(|value| value.0).collect();
    assert_eq!(info.pcr_digest().value(), digest(&SHA256, &values).as_ref());
}

fn verifies(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
}

#[test]
fn an_rsa_key_quotes_and_its_signature_verifies_without_the_tpm_library() {
    let (quote, spki) = quote(AkAlgorithm::Rsa);
    assert_statement(&quote);
    // TPMT_SIGNATURE: RSASSA, SHA-256, 256 bytes.
    let signature = quote.signature.strip_prefix(&[0, 0x14, 0, 0x0b, 1, 0]).expect("RSASSA");
    // The RSAPublicKey inside the SubjectPublicKeyInfo of a 2048-bit key.
    let key = &spki[24..];
    assert!(verifies(&RSA_PKCS1_2048_8192_SHA256, key, &quote.attest, signature));
    assert!(!verifies(&RSA_PKCS1_2048_8192_SHA256, key, &quote.attest[1..], signature));
}

#[test]
fn an_ecc_key_quotes_and_its_signature_verifies_without_the_tpm_library() {
    let (quote, spki) = quote(AkAlgorithm::Ecc);
    assert_statement(&quote);
    // TPMT_SIGNATURE: ECDSA, SHA-256, two numbers of at most 32 bytes.
    let mut rest = quote.signature.strip_prefix(&[0, 0x18, 0, 0x0b]).expect("ECDSA");
    let mut signature = Vec::new();
    for _ in 0..2 {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        signature.extend(vec![0; 32 - length]);
        signature.extend_from_slice(&rest[2..2 + length]);
        rest = &rest[2 + length..];
    }
    assert!(rest.is_empty());
    let point = &spki[26..];
    assert!(verifies(&ECDSA_P256_SHA256_FIXED, point, &quote.attest, &signature));
}

#[test]
fn the_key_is_the_same_after_a_reboot_and_pcrs_are_not() {
    let (mut machine, spki) = Machine::provisioned(AkAlgorithm::Ecc);
    machine.swtpm.extend(4, &[9; 32]).expect("extends");
    machine.swtpm.reboot().expect("reboots");
    let mut vtpm = machine.vtpm();
    let key = vtpm.attestation_key(AkChoice::Ecc).expect("the AK is made");
    assert_eq!(key.spki(), spki);
    let quote = vtpm.quote(&key, &NONCE).expect("a quote");
    assert_eq!(quote.pcrs[&4], Digest32([0; 32]));
}

#[test]
fn many_keys_and_quotes_fit_into_the_tpm() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    for _ in 0..8 {
        let mut vtpm = machine.vtpm();
        let key = vtpm.attestation_key(AkChoice::Auto).expect("the AK is made");
        vtpm.quote(&key, &NONCE).expect("a quote");
    }
}

#[test]
fn every_bank_of_sha2_is_quoted_whole_over_a_nonce_of_any_length() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Rsa);
    let mut vtpm = machine.vtpm();
    let key = vtpm.attestation_key(AkChoice::Auto).expect("the AK is made");
    for nonce in [&[7; 10][..], &[7; 32], &[7; 48]] {
        let quotes = vtpm.quote_banks(&key, nonce).expect("quotes");
        // TPM_ALG_SHA256, TPM_ALG_SHA384, TPM_ALG_SHA512.
        let sizes = [(0x0b, 32), (0x0c, 48), (0x0d, 64)];
        assert!(quotes.iter().any(|quote| quote.algorithm == 0x0b));
        for quote in &quotes {
            let size = sizes.iter().find(|(algorithm, _)| *algorithm == quote.algorithm).expect("SHA-2").1;
            assert_eq!(quote.pcrs.len(), 24);
            assert!(quote.pcrs.values().all(|value| value.len() == size));
            let attest = Attest::unmarshall(&quote.attest).expect("TPMS_ATTEST");
            assert_eq!(attest.extra_data().value(), nonce);
        }
    }
    // TPM2B_DATA is limited to the largest digest and its algorithm.
    assert!(matches!(vtpm.quote_banks(&key, &[7; 80]), Err(VtpmError::Tpm { .. })));
}

#[test]
fn ecc_is_preferred_and_rsa_can_be_chosen() {
    let (machine, ecc) = Machine::provisioned(AkAlgorithm::Ecc);
    let rsa = machine.swtpm.provision(AkAlgorithm::Rsa, certificate_for).expect("NV can be written");
    let mut vtpm = machine.vtpm();
    assert_eq!(vtpm.attestation_key(AkChoice::Auto).expect("AK").spki(), ecc);
    assert_eq!(vtpm.attestation_key(AkChoice::Rsa).expect("AK").spki(), rsa);
}

#[test]
fn a_tpm_without_google_keys_is_named() {
    let machine = Machine::new();
    let error = machine.vtpm().attestation_key(AkChoice::Auto).expect_err("there is no AK");
    assert!(matches!(error, VtpmError::NoAttestationKey { wanted: AkChoice::Auto }), "{error}");
}

/// The attestation key of a TPM whose indices `readers` may read, with or without an owner password.
fn key_for(readers: Readers, password: bool) -> Result<AkAlgorithm, VtpmError> {
    let machine = Machine::new();
    machine.swtpm.provision_for(readers, AkAlgorithm::Ecc, certificate_for).expect("NV can be written");
    if password {
        machine.swtpm.set_owner_password(b"of the administrator").expect("the owner is changed");
    }
    machine.vtpm().attestation_key(AkChoice::Auto).map(|key| key.algorithm())
}

#[test]
fn nv_is_read_with_whatever_authorisation_the_index_allows() {
    let readers = |owner, own, no_da| Readers { owner, own, no_da };
    for allowed in [
        readers(true, false, false),
        readers(false, true, false),
        readers(true, true, false),
        readers(true, true, true),
    ] {
        assert_eq!(key_for(allowed, false).expect("the AK is made"), AkAlgorithm::Ecc, "{allowed:?}");
        // With a password the owner's authorisation fails, but not the index's own.
        let outcome = key_for(allowed, true);
        if allowed.own {
            assert_eq!(outcome.expect("the AK is made"), AkAlgorithm::Ecc, "{allowed:?}");
        } else {
            let error = outcome.expect_err("a password is set");
            let step = Step::ReadIndex(AkAlgorithm::Ecc.template_index());
            assert!(matches!(error, VtpmError::Tpm { step: found, .. } if found == step), "{error}");
        }
    }
    let error = key_for(readers(false, false, true), false).expect_err("only a policy may read");
    assert!(matches!(error, VtpmError::Tpm { step: Step::ReadIndex(_), .. }), "{error}");
}

#[test]
fn a_template_without_certificate_is_told_from_no_key() {
    let machine = Machine::new();
    machine.swtpm.define_index(AkAlgorithm::Rsa.template_index(), &[0xff; 40]).expect("NV can be written");
    for choice in [AkChoice::Auto, AkChoice::Rsa] {
        let error = machine.vtpm().attestation_key(choice).expect_err("there is no certificate");
        assert!(matches!(error, VtpmError::NotCertified { algorithm: AkAlgorithm::Rsa }), "{error}");
        assert!(error.to_string().contains("plain Shielded VM"), "{error}");
    }
    let error = machine.vtpm().attestation_key(AkChoice::Ecc).expect_err("there is no key");
    assert!(matches!(error, VtpmError::NoAttestationKey { wanted: AkChoice::Ecc }), "{error}");
    // A certified one is used, whatever the other one lacks.
    machine.swtpm.provision(AkAlgorithm::Ecc, certificate_for).expect("NV can be written");
    assert_eq!(machine.vtpm().attestation_key(AkChoice::Auto).expect("AK").algorithm(), AkAlgorithm::Ecc);
}

/// Without a resource manager, keys that a program leaves behind stay in the TPM.
#[test]
fn a_tpm_without_room_is_named_with_what_to_use() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let mut vtpm = machine.vtpm();
    let error = (0..64).find_map(|_| vtpm.attestation_key(AkChoice::Auto).err()).expect("it has an end");
    assert!(matches!(&error, VtpmError::NoRoom { step: Step::CreateKey(AkAlgorithm::Ecc), .. }), "{error}");
    assert!(error.to_string().ends_with("another program has left keys in it"), "{error}");
    let address = TpmAddress::Device("/dev/tpm0".into());
    let error = VtpmError::NoRoom { step: Step::Quote, address };
    assert!(error.to_string().contains("use /dev/tpmrm0"), "{error}");
    let address = TpmAddress::Device("/dev/tpmrm0".into());
    assert!(!VtpmError::NoRoom { step: Step::Quote, address }.to_string().contains("use /dev"));
}

#[test]
fn t02_key_that_is_not_the_certified_one_is_refused() {
    let (other, foreign) = Machine::provisioned(AkAlgorithm::Ecc);
    drop(other);
    let machine = Machine::new();
    machine.swtpm.provision(AkAlgorithm::Ecc, |_| certificate_for(&foreign)).expect("NV can be written");
    let error = machine.vtpm().attestation_key(AkChoice::Auto).expect_err("another key");
    assert!(matches!(error, VtpmError::KeyMismatch { algorithm: AkAlgorithm::Ecc }), "{error}");
}

#[test]
fn malformed_nv_contents_are_named() {
    let machine = Machine::new();
    let algorithm = AkAlgorithm::Ecc;
    machine.swtpm.define_index(algorithm.template_index(), &[0xff; 40]).expect("NV can be written");
    machine.swtpm.define_index(algorithm.certificate_index(), &[0xff; 40]).expect("NV can be written");
    let error = machine.vtpm().attestation_key(AkChoice::Ecc).expect_err("no template");
    assert!(matches!(error, VtpmError::Template { algorithm: AkAlgorithm::Ecc }), "{error}");

    let machine = Machine::new();
    machine.swtpm.provision(algorithm, |_| vec![0x30, 0x81, 4, 1, 2, 3, 4]).expect("NV can be written");
    let error = machine.vtpm().attestation_key(AkChoice::Ecc).expect_err("no certificate");
    assert!(matches!(error, VtpmError::Certificate { algorithm: AkAlgorithm::Ecc }), "{error}");
}

#[test]
fn a_tpm_that_is_not_there_is_named() {
    let address = "swtpm:host=127.0.0.1,port=1".parse().expect("an address");
    assert!(matches!(Vtpm::open(&address), Err(VtpmError::Open { .. })));
    let device = TpmAddress::Device("/nowhere/tpm".into());
    let error = Vtpm::open(&device).unwrap_err();
    assert!(matches!(&error, VtpmError::Device { path, .. } if path == Path::new("/nowhere/tpm")), "{error}");
}
