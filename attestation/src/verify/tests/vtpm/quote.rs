//! T03, T26: the signature of a quote, and the PCRs that it signs.

use std::collections::BTreeMap;

use vouchsafe_protocol::Bytes;

use super::*;
use crate::test_util::vtpm::bitmap;
use crate::test_util::vtpm::tpm_signature;
use crate::vtpm::AttestError;
use crate::vtpm::RELEASE_PCRS;
use crate::vtpm::TpmSignatureError;

#[test]
fn signature_that_was_changed_is_refused() {
    let error = evidence_refusal(|vtpm| *vtpm.signature.0.last_mut().unwrap() ^= 1);
    assert_eq!(error, VtpmError::SignatureInvalid);
}

#[test]
fn signature_of_another_scheme_than_the_keys_is_refused() {
    let ecdsa = Bytes(tpm_signature(0x18, 0x0b, &[&[1; 32], &[2; 32]]));
    // The name is built from the key, whatever the signature's scheme: that is compared afterwards.
    assert_eq!(evidence_refusal(|vtpm| vtpm.signature = ecdsa), VtpmError::SchemeMismatch);
}

#[test]
fn signature_that_cannot_be_read_is_refused() {
    let error = evidence_refusal(|vtpm| vtpm.signature.0.push(0));
    assert_eq!(error, VtpmError::Signature(TpmSignatureError::TrailingBytes { count: 1 }));
}

#[test]
fn t30_quote_with_trailing_bytes_is_refused() {
    let error = quote_refusal(|spec| spec.trailing = vec![0]);
    assert_eq!(error, VtpmError::Attest(AttestError::TrailingBytes { count: 1 }));
}

#[test]
fn t03_quote_over_no_pcrs_is_refused() {
    let error = quote_refusal(|spec| spec.selections = vec![]);
    assert_eq!(error, VtpmError::SelectionCount { count: 0 });
    let error = quote_refusal(|spec| spec.selections = vec![(11, bitmap(0))]);
    assert_eq!(error, VtpmError::SelectedPcrs { found: 0, expected: RELEASE_PCRS });
}

#[test]
fn t03_extra_and_duplicate_selections_are_refused() {
    for other in [11, 4] {
        let selections = vec![(11, bitmap(RELEASE_PCRS)), (other, bitmap(RELEASE_PCRS))];
        let error = quote_refusal(|spec| spec.selections = selections);
        assert_eq!(error, VtpmError::SelectionCount { count: 2 });
    }
}

#[test]
fn t03_other_pcrs_are_refused_one_by_one() {
    for pcr in 0..24 {
        let found = RELEASE_PCRS ^ (1 << pcr);
        let error = quote_refusal(|spec| spec.selections = vec![(11, bitmap(found))]);
        assert_eq!(error, VtpmError::SelectedPcrs { found, expected: RELEASE_PCRS });
    }
}

#[test]
fn t26_sha1_bank_is_refused() {
    let error = quote_refusal(|spec| spec.selections = vec![(4, bitmap(RELEASE_PCRS))]);
    assert_eq!(error, VtpmError::BankNotSha256 { algorithm: 4 });
}

#[test]
fn t03_bitmap_of_another_size_is_refused() {
    let error = quote_refusal(|spec| spec.selections = vec![(11, RELEASE_PCRS.to_le_bytes().to_vec())]);
    assert_eq!(error, VtpmError::SelectionSize { size: 4 });
}

#[test]
fn t03_values_of_other_pcrs_than_the_quoted_ones_are_refused() {
    let given = |change: fn(&mut BTreeMap<u8, Digest32>), found| {
        let error = evidence_refusal(|vtpm| change(&mut vtpm.pcrs));
        assert_eq!(error, VtpmError::GivenPcrs { found, quoted: RELEASE_PCRS });
    };
    given(|pcrs| _ = pcrs.remove(&7), RELEASE_PCRS & !(1 << 7));
    given(|pcrs| _ = pcrs.insert(10, Digest32([0; 32])), RELEASE_PCRS | 1 << 10);
    given(|pcrs| _ = pcrs.insert(200, Digest32([0; 32])), RELEASE_PCRS | 1 << 31);
}

#[test]
fn t03_values_that_are_not_the_quoted_ones_are_refused() {
    let error = evidence_refusal(|vtpm| _ = vtpm.pcrs.insert(7, Digest32([7; 32])));
    assert_eq!(error, VtpmError::PcrDigestMismatch);
    let error = quote_refusal(|spec| spec.pcr_digest = Some(vec![0; 32]));
    assert_eq!(error, VtpmError::PcrDigestMismatch);
    let error = quote_refusal(|spec| spec.pcr_digest = Some(vec![]));
    assert_eq!(error, VtpmError::PcrDigestMismatch);
}

#[test]
fn t26_pcr_that_was_extended_without_an_event_is_refused() {
    for pcr in [11, 12, 13] {
        let error = vm_refusal(|vm| vm.extend(pcr, &Digest32([1; 32])));
        assert_eq!(error, VtpmError::EventLog(EventLogError::PcrWithoutEvents { pcr }));
    }
}

#[test]
fn t26_pcr_at_its_reset_value_with_events_is_refused() {
    for pcr in [0, 4, 7, 8] {
        let error = vm_refusal(|vm| _ = vm.pcrs.insert(pcr, Digest32([0; 32])));
        let is_it =
            matches!(error, VtpmError::EventLog(EventLogError::PcrMismatch { pcr: p, .. }) if p == pcr);
        assert!(is_it, "{error}");
    }
}
