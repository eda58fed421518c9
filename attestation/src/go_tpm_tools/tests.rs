//! The message of go-tpm-tools, field by field.

use super::*;

fn good() -> Attestation {
    let pcrs = Pcrs { hash: SHA256, pcrs: BTreeMap::from([(0, vec![1; 32]), (23, vec![2; 32])]) };
    let quote = Quote { quote: vec![3], raw_sig: vec![4], pcrs: Some(pcrs) };
    let sha1 = Quote { quote: vec![5], raw_sig: vec![6], pcrs: Some(Pcrs { hash: 4, ..Pcrs::default() }) };
    Attestation {
        quotes: vec![sha1, quote],
        event_log: vec![7],
        ak_cert: vec![8],
        intermediate_certs: vec![vec![9]],
    }
}

fn refusal(change: impl FnOnce(&mut Attestation)) -> GoTpmToolsError {
    let mut message = good();
    change(&mut message);
    read(&message.encode_to_vec()).unwrap_err()
}

fn pcrs_of(message: &mut Attestation) -> &mut BTreeMap<u32, Vec<u8>> {
    &mut message.quotes[1].pcrs.as_mut().unwrap().pcrs
}

#[test]
fn the_sha256_quote_is_picked() {
    let evidence = read(&good().encode_to_vec()).unwrap();
    assert_eq!((&evidence.quote[..], &evidence.signature[..]), (&[3][..], &[4][..]));
    assert_eq!(evidence.pcrs, BTreeMap::from([(0, Digest32([1; 32])), (23, Digest32([2; 32]))]));
    assert_eq!((&evidence.ak_certificate[..], &evidence.event_log[..]), (&[8][..], &[7][..]));
    assert_eq!(evidence.ca_certificates, [Bytes(vec![9])]);
}

#[test]
fn a_malformed_message_is_refused() {
    assert_eq!(read(&[0x0b]), Err(GoTpmToolsError::Malformed));
    assert_eq!(read(&[]), Err(GoTpmToolsError::NoAkCertificate));
}

#[test]
fn the_text_form_is_named() {
    for text in [
        "ak_pub: \"abc\"\n",
        "quotes {\n  quote: \"x\"\n}",
        "# made by hand\n\n  event_log: \"\"",
        "quotes: {}",
    ] {
        assert_eq!(read(text.as_bytes()), Err(GoTpmToolsError::TextForm), "{text}");
    }
    for other in ["ak_pubs: 1", "quotes", "ak_pub", "hello: world", "ak_pub: \u{1}"] {
        assert_ne!(read(other.as_bytes()), Err(GoTpmToolsError::TextForm), "{other}");
    }
    assert!(GoTpmToolsError::TextForm.to_string().contains("--format binarypb"));
}

#[test]
fn t30_an_oversized_file_is_refused_before_decoding() {
    let (found, limit) = (MAX_REQUEST + 1, MAX_REQUEST);
    assert_eq!(read(&vec![0; found]), Err(GoTpmToolsError::TooLarge { found, limit }));
}

#[test]
fn t02_a_bare_key_without_certificate_is_refused() {
    assert_eq!(refusal(|message| message.ak_cert.clear()), GoTpmToolsError::NoAkCertificate);
}

#[test]
fn t26_quotes_of_other_banks_do_not_count() {
    assert_eq!(refusal(|message| drop(message.quotes.pop())), GoTpmToolsError::NoSha256Quote);
}

#[test]
fn t03_two_quotes_of_the_bank_are_refused() {
    let twice = |message: &mut Attestation| message.quotes.push(message.quotes[1].clone());
    assert_eq!(refusal(twice), GoTpmToolsError::SecondSha256Quote);
}

#[test]
fn pcrs_have_an_index_and_a_length() {
    for pcr in [24, 256, u32::MAX] {
        let error = refusal(|message| drop(pcrs_of(message).insert(pcr, vec![0; 32])));
        assert_eq!(error, GoTpmToolsError::PcrIndex { pcr });
    }
    let error = refusal(|message| drop(pcrs_of(message).insert(5, vec![0; 20])));
    assert_eq!(error, GoTpmToolsError::PcrLength { pcr: 5, found: 20 });
}

#[test]
fn t30_mutated_messages_do_not_panic() {
    let message = good().encode_to_vec();
    for position in 0..message.len() {
        for value in 0..=255 {
            let mut mutated = message.clone();
            mutated[position] = value;
            let _ = read(&mutated);
        }
        let _ = read(&message[..position]);
    }
}
