//! Parsers of the vTPM piece: one negative test for each refusal, real keys and quotes, hostile bytes.

use std::collections::BTreeMap;

use super::public_key::Curve;
use super::public_key::PublicKey;
use super::*;
use crate::event_log::PcrRule;
use crate::event_log::ReplayedLog;
use crate::evidence;
use crate::test_util::ca::AkCertificateSpec;
use crate::test_util::ca::encode;
use crate::test_util::vtpm::FakeAk;
use crate::test_util::vtpm::QuoteSpec;
use crate::test_util::vtpm::tpm_signature;
use crate::x509::Certificate;

fn no_pcrs() -> BTreeMap<u8, Digest32> {
    BTreeMap::new()
}

fn encoded(change: impl FnOnce(&mut QuoteSpec)) -> Vec<u8> {
    let mut spec = QuoteSpec::new(&[7; 32]);
    change(&mut spec);
    spec.encode(FakeAk::shared_rsa(), &no_pcrs()).0
}

fn attest_refusal(change: impl FnOnce(&mut QuoteSpec)) -> AttestError {
    Attest::parse(&encoded(change)).unwrap_err()
}

#[test]
fn a_quote_is_read_whole() {
    let bytes = encoded(|_| ());
    let attest = Attest::parse(&bytes).unwrap();
    assert_eq!(attest.extra_data, [7; 32]);
    assert_eq!(attest.qualified_signer, FakeAk::shared_rsa().qualified_name());
    assert_eq!(attest.firmware_version, 0x2016_0511_0016_2800);
    assert_eq!((attest.clock.clock, attest.clock.reset_count, attest.clock.safe), (123_456, 3, true));
    let selection = PcrSelection { algorithm: 11, size: 3, pcrs: RELEASE_PCRS };
    assert_eq!(attest.selections, [selection]);
    assert_eq!(RELEASE_PCRS.count_ones(), 15);
}

#[test]
fn t03_another_magic_is_refused() {
    assert_eq!(attest_refusal(|s| s.magic = 0xff54_4346), AttestError::Magic { found: 0xff54_4346 });
}

#[test]
fn t03_another_statement_than_a_quote_is_refused() {
    // TPM_ST_ATTEST_CERTIFY
    assert_eq!(attest_refusal(|s| s.kind = 0x8017), AttestError::Type { found: 0x8017 });
}

#[test]
fn t30_a_quote_that_is_cut_short_is_refused_everywhere() {
    let bytes = encoded(|_| ());
    for length in 0..bytes.len() {
        assert_eq!(Attest::parse(&bytes[..length]), Err(AttestError::Truncated), "{length}");
    }
}

#[test]
fn t30_bytes_after_a_quote_are_refused() {
    assert_eq!(attest_refusal(|s| s.trailing = vec![0; 3]), AttestError::TrailingBytes { count: 3 });
}

#[test]
fn a_clock_flag_is_yes_or_no() {
    assert_eq!(attest_refusal(|s| s.safe = 2), AttestError::ClockSafe { found: 2 });
}

#[test]
fn t30_more_banks_than_a_tpm_has_are_refused() {
    let mut banks = vec![(11, vec![0; 3]); 16];
    assert_eq!(Attest::parse(&encoded(|s| s.selections = banks.clone())).unwrap().selections.len(), 16);
    banks.push((11, vec![0; 3]));
    assert_eq!(attest_refusal(|s| s.selections = banks), AttestError::SelectionCount { count: 17 });
}

#[test]
fn t30_bitmaps_of_strange_sizes_are_refused() {
    for size in [0, 5] {
        let error = attest_refusal(|s| s.selections = vec![(11, vec![0; usize::from(size)])]);
        assert_eq!(error, AttestError::SelectionSize { size });
    }
}

#[test]
fn t30_mutated_quotes_and_signatures_do_not_panic() {
    let quote = encoded(|_| ());
    let signatures = [tpm_signature(0x14, 11, &[&[1; 256]]), tpm_signature(0x18, 11, &[&[1; 32], &[2; 32]])];
    for position in 0..quote.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut mutated = quote.clone();
            mutated[position] = value;
            let _ = Attest::parse(&mutated);
        }
    }
    for signature in signatures {
        for position in 0..signature.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut mutated = signature.clone();
                mutated[position] = value;
                let _ = TpmSignature::parse(&mutated);
            }
        }
    }
}

#[test]
fn signatures_of_both_schemes_are_read() {
    let bytes = tpm_signature(0x14, 0x0c, &[&[1; 256]]);
    let rsassa = TpmSignature::Rsassa { hash: Hash::Sha384, signature: &[1; 256] };
    assert_eq!(TpmSignature::parse(&bytes), Ok(rsassa));
    let bytes = tpm_signature(0x18, 0x0b, &[&[1; 32], &[2; 32]]);
    let ecdsa = TpmSignature::Ecdsa { hash: Hash::Sha256, r: &[1; 32], s: &[2; 32] };
    assert_eq!(TpmSignature::parse(&bytes), Ok(ecdsa));
}

#[test]
fn other_schemes_and_hashes_are_refused() {
    // RSAPSS, HMAC, NULL
    for found in [0x16, 0x05, 0x10] {
        let bytes = tpm_signature(found, 11, &[&[1; 256]]);
        assert_eq!(TpmSignature::parse(&bytes), Err(TpmSignatureError::Scheme { found }));
    }
    // SHA-1, SHA-512
    for found in [0x04, 0x0d] {
        let bytes = tpm_signature(0x14, found, &[&[1; 256]]);
        assert_eq!(TpmSignature::parse(&bytes), Err(TpmSignatureError::Hash { found }));
    }
}

#[test]
fn t30_signatures_have_exactly_their_length() {
    for mut bytes in [tpm_signature(0x14, 11, &[&[1; 256]]), tpm_signature(0x18, 11, &[&[1; 32], &[2; 32]])] {
        for length in 0..bytes.len() {
            assert_eq!(TpmSignature::parse(&bytes[..length]), Err(TpmSignatureError::Truncated));
        }
        bytes.push(0);
        assert_eq!(TpmSignature::parse(&bytes), Err(TpmSignatureError::TrailingBytes { count: 1 }));
    }
}

/// Zone, project number, project id, instance id, instance name, and the bytes after them.
fn info(numbers: [Vec<u8>; 2], texts: [&str; 3], rest: &[Vec<u8>]) -> Vec<u8> {
    let [project_number, instance_id] = numbers;
    let [zone, project, name] = texts.map(encode::utf8);
    encode::sequence(&[&[zone, project_number, project, instance_id, name], rest].concat())
}

fn numbers() -> [Vec<u8>; 2] {
    [encode::integer(620_438_545_889), encode::integer(3_560_342_035_431_930_290)]
}

const TEXTS: [&str; 3] = ["us-west1-b", "a-project", "a-vm"];

fn production(fields: &[Vec<u8>]) -> Vec<u8> {
    encode::tlv(0xa0, &encode::sequence(fields))
}

fn is_production(value: bool) -> Vec<u8> {
    encode::tlv(0xa1, &encode::boolean(value))
}

#[test]
fn instance_info_names_the_instance() {
    let unknown = [2, 3, 4, 5].map(|tag| encode::tlv(0xa0 + tag, &encode::boolean(false)));
    let security = encode::tlv(0xa0, &encode::integer(0));
    let fields = [vec![security, is_production(true)], unknown.to_vec()].concat();
    let instance = parse_instance_info(&info(numbers(), TEXTS, &[production(&fields)])).unwrap().unwrap();
    assert_eq!((instance.zone.as_str(), instance.project_id.as_str()), ("us-west1-b", "a-project"));
    assert_eq!((instance.project_number, instance.instance_id), (620_438_545_889, 3_560_342_035_431_930_290));
    assert_eq!(instance.instance_name, "a-vm");
    let largest = [encode::integer(u64::MAX), encode::integer(0)];
    let info = info(largest, TEXTS, &[production(&[is_production(true)])]);
    assert_eq!(parse_instance_info(&info).unwrap().unwrap().project_number, u64::MAX);
}

#[test]
fn t48_only_a_production_instance_is_an_instance() {
    for rest in [vec![], vec![production(&[])], vec![production(&[is_production(false)])]] {
        assert_eq!(parse_instance_info(&info(numbers(), TEXTS, &rest)), Ok(None));
    }
}

#[test]
fn instance_info_has_no_negative_or_oversized_numbers() {
    let with = |number: Vec<u8>| parse_instance_info(&info([number, encode::integer(1)], TEXTS, &[]));
    assert_eq!(with(vec![2, 1, 0x80]), Err(InstanceInfoError::Negative));
    assert_eq!(with(encode::unsigned(&[1, 0, 0, 0, 0, 0, 0, 0, 0])), Err(InstanceInfoError::TooLarge));
    assert_eq!(with(vec![2, 2, 0, 1]), Err(InstanceInfoError::Malformed));
    assert_eq!(with(vec![2, 0]), Err(InstanceInfoError::Malformed));
}

#[test]
fn instance_info_has_no_strange_texts() {
    let long = "a".repeat(129);
    for zone in ["", "us\n", &long] {
        let value = info(numbers(), [zone, "p", "n"], &[]);
        assert_eq!(parse_instance_info(&value), Err(InstanceInfoError::Text));
    }
}

#[test]
fn t30_instance_info_is_strict_der() {
    let good = info(numbers(), TEXTS, &[production(&[is_production(true)])]);
    let malformed = [
        [good.clone(), vec![0]].concat(),
        info(numbers(), TEXTS, &[production(&[]), production(&[])]),
        info(numbers(), TEXTS, &[encode::boolean(true)]),
        info(numbers(), TEXTS, &[production(&[is_production(true), is_production(true)])]),
        info(numbers(), TEXTS, &[production(&[encode::tlv(0xa1, &[1, 1, 1])])]),
        info(numbers(), TEXTS, &[production(&[encode::tlv(0xa6, &encode::boolean(true))])]),
        info([encode::boolean(true), encode::integer(1)], TEXTS, &[]),
    ];
    for value in malformed {
        assert_eq!(parse_instance_info(&value), Err(InstanceInfoError::Malformed), "{}", hex::encode(value));
    }
    for length in 0..good.len() {
        assert_eq!(parse_instance_info(&good[..length]), Err(InstanceInfoError::Malformed));
    }
    for position in 0..good.len() {
        for value in 0..=255 {
            let mut mutated = good.clone();
            mutated[position] = value;
            let _ = parse_instance_info(&mutated);
        }
    }
}

#[test]
fn default_fake_instance_info_reads_back() {
    let spec = AkCertificateSpec::default();
    let instance = parse_instance_info(&spec.encode_instance_info()).unwrap().unwrap();
    assert_eq!((instance.instance_id, instance.zone), (spec.instance_id, spec.zone));
}

#[test]
fn t02_captured_certificates_of_attestation_keys_and_no_others_are_keys() {
    let key = |name: &str| -> Option<Result<AttestationKey, VtpmError>> {
        let der = evidence::certificate(&format!("gce/vtpm/certs-leaf/{name}.pem"))?;
        Some(AttestationKey::of(&Certificate::parse(&der).unwrap()))
    };
    let signing = [
        ("uca_tpm_rsa_sign_cert", "rsa-2048"),
        ("uca_tpm_ecc_sign_cert", "ecc-p256"),
        ("pca_tpm_rsa_sign_cert", "rsa-2048"),
    ];
    for (name, algorithm) in signing {
        let Some(key) = key(name) else { return };
        assert_eq!(key.unwrap().algorithm(), algorithm, "{name}");
    }
    for name in ["uca_tpm_ecc_enc_cert", "pca_tpm_rsa_enc_cert", "pca_tpm_ecc_enc_cert"] {
        let Some(key) = key(name) else { return };
        assert_eq!(key.unwrap_err(), VtpmError::NotASigningKey, "{name}");
    }
}

#[test]
fn a_real_boot_in_a_software_tpm_verifies_below_the_certificate() {
    let Some(certificate) = evidence::read("lab-boot/secure-boot/ak.der") else { return };
    let quote = evidence::read("lab-boot/secure-boot/tq.msg").unwrap();
    let raw = evidence::read("lab-boot/secure-boot/tq.msg.sig").unwrap();
    let log = evidence::read("lab-boot/secure-boot/eventlog.bin").unwrap();
    let pcrs = evidence::read("lab-boot/secure-boot/pcrs.txt").unwrap();
    // Version 1: the certificate itself is refused, but its key can be used here.
    assert_eq!(Certificate::parse(&certificate), None);
    let start = certificate.windows(4).position(|part| part == [0x30, 0x82, 0x01, 0x22]).unwrap();
    let public = PublicKey::parse(&certificate[start..start + 0x126]).unwrap();

    let attest = Attest::parse(&quote).unwrap();
    assert_eq!(attest.extra_data, (0..32).collect::<Vec<u8>>());
    assert!(name::is_qualified_name(attest.qualified_signer, &public, Hash::Sha256));
    let mut pcrs = evidence::sha256_pcrs(std::str::from_utf8(&pcrs).unwrap());
    pcrs::check(&attest, &pcrs, Hash::Sha256, Selection::Inspected).unwrap();
    let signature = tpm_signature(0x14, 0x0b, &[&raw]);
    let PublicKey::Rsa { modulus } = &public else { panic!("an RSA key") };
    let key = aws_lc_rs::signature::RsaPublicKeyComponents { n: modulus.as_slice(), e: [1, 0, 1].as_slice() };
    let TpmSignature::Rsassa { signature, .. } = TpmSignature::parse(&signature).unwrap() else {
        panic!("RSASSA")
    };
    key.verify(&aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256, &quote, signature).unwrap();
    let log = ReplayedLog::from_bytes(&log).unwrap();
    let state = log.replayed.check_against(&pcrs, PcrRule::Release, None).unwrap();
    assert_eq!(state.phase, Some(Phase::Initrd));

    pcrs.insert(7, Digest32([7; 32]));
    let error = pcrs::check(&attest, &pcrs, Hash::Sha256, Selection::Inspected).unwrap_err();
    assert_eq!(error, VtpmError::PcrDigestMismatch);
    // 0 to 23 are quoted: accepted for inspection, not for a release.
    let error = pcrs::check(&attest, &pcrs, Hash::Sha256, Selection::Exact).unwrap_err();
    assert_eq!(error, VtpmError::SelectedPcrs { found: 0xff_ffff, expected: RELEASE_PCRS });
}

#[test]
fn coordinates_with_leading_zeros_are_named_in_both_ways() {
    let (mut x, y) = (vec![3; 32], vec![5; 32]);
    let padded = |x: &[u8]| PublicKey::Ec { curve: Curve::P256, x: x.to_vec(), y: y.clone() };
    let stripped = PublicKey::Ec { curve: Curve::P256, x: x[1..].to_vec(), y: y.clone() };
    x[0] = 0;
    let key = padded(&x);
    assert_ne!(qualified_name(&key, Hash::Sha256), qualified_name(&stripped, Hash::Sha256));
    assert!(name::is_qualified_name(&qualified_name(&key, Hash::Sha256), &key, Hash::Sha256));
    assert!(name::is_qualified_name(&qualified_name(&stripped, Hash::Sha256), &key, Hash::Sha256));
    assert!(!name::is_qualified_name(&qualified_name(&key, Hash::Sha384), &key, Hash::Sha256));
    x[0] = 3;
    let name = qualified_name(&stripped, Hash::Sha256);
    assert!(!name::is_qualified_name(&name, &padded(&x), Hash::Sha256));
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let spki = |oid: &str, parameters: Vec<u8>, bits: &[u8]| {
        let algorithm = encode::sequence(&[encode::oid(oid), parameters]);
        encode::sequence(&[algorithm, encode::bits(bits)])
    };
    let rsa = |modulus: &[u8], exponent: u64| {
        let key = encode::sequence(&[encode::unsigned(modulus), encode::integer(exponent)]);
        PublicKey::parse(&spki("1.2.840.113549.1.1.1", vec![5, 0], &key))
    };
    assert!(rsa(&[0x81; 256], 65537).is_some());
    assert!(rsa(&[0x81; 512], 65537).is_some());
    assert_eq!(rsa(&[0x81; 256], 3), None);
    assert_eq!(rsa(&[0x81; 128], 65537), None);
    assert_eq!(rsa(&[0x81; 1024], 65537), None);
    let ec =
        |curve: &str, point: &[u8]| PublicKey::parse(&spki("1.2.840.10045.2.1", encode::oid(curve), point));
    assert!(ec("1.2.840.10045.3.1.7", &[4; 65]).is_some());
    assert_eq!(ec("1.2.840.10045.3.1.7", &[2; 33]), None);
    assert_eq!(ec("1.2.840.10045.3.1.7", &[4; 97]), None);
    assert_eq!(ec("1.3.132.0.35", &[4; 133]), None);
}
