//! Quotes over fewer PCRs than a release needs: inspected as far as they cover, never used for a release.

use std::collections::BTreeMap;

use vouchsafe_protocol::Digest32;

use super::*;
use crate::claims::InspectedClaims;
use crate::vtpm::VtpmError;

/// A VM that quotes these PCRs only.
fn quoting(pcrs: &[u8]) -> SimulatedVm {
    let vm = SimulatedVm::new();
    let pcrs: BTreeMap<u8, Digest32> =
        vm.pcrs.iter().filter(|(pcr, _)| pcrs.contains(pcr)).map(|(pcr, value)| (*pcr, *value)).collect();
    SimulatedVm { pcrs, ..vm }
}

fn inspected(vm: &SimulatedVm) -> Result<InspectedClaims, VerifyError> {
    let verifier = Verifier::new();
    inspect_vtpm(&vm.vtpm_with(&QuoteSpec::over(&vm.pcrs, &[7; 32])), Expected::Waived, &verifier.inputs())
}

const FIRMWARE: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

#[test]
fn claims_are_those_of_the_quoted_pcrs() {
    let claims = inspected(&quoting(&FIRMWARE)).unwrap().claims;
    let vtpm = claims.vtpm.as_ref().unwrap();
    assert_eq!(claims.technology, Some(Technology::SevSnp));
    assert!(vtpm.boot.secure_boot.enabled && !vtpm.boot.efi_applications.is_empty());
    assert_eq!(vtpm.boot.kernel_command_line, None);
    assert!(vtpm.boot.kernel_arguments.is_empty() && vtpm.boot.kernel_words.is_empty());
    assert!(vtpm.boot.grub_commands.is_empty() && vtpm.boot.grub_files.is_empty());
    assert!(vtpm.boot.events.keys().chain(vtpm.firmware_pcrs.keys()).all(|pcr| FIRMWARE.contains(pcr)));
    let withheld: Vec<_> =
        claims.withheld.iter().map(|withheld| (withheld.claim, withheld.detail.as_str())).collect();
    assert_eq!(
        withheld,
        [
            ("vtpm.command_line", "the quote does not cover PCR 8, 11, 12"),
            ("vtpm.grub_commands", "the quote does not cover PCR 8"),
            ("vtpm.grub_files", "the quote does not cover PCR 9"),
            ("vtpm.stub_sections", "the quote does not cover PCR 11"),
            ("vtpm.phase", "the quote does not cover PCR 15"),
        ]
    );
    let claims = inspected(&quoting(&[&FIRMWARE[..], &[8, 11, 12]].concat())).unwrap().claims;
    assert!(claims.vtpm.unwrap().boot.kernel_command_line.is_some());
}

/// The quoted PCRs are compared as strictly, and without the firmware's own PCRs there are no claims.
#[test]
fn t03_a_partial_quote_proves_no_more_than_it_covers() {
    let mut vm = quoting(&FIRMWARE);
    vm.extend(4, &Digest32([4; 32]));
    assert!(matches!(inspected(&vm), Err(VerifyError::Vtpm(VtpmError::EventLog(_)))));
    let found = 0b0100_0000_0000_0101;
    let error = VtpmError::SelectedPcrs { found, expected: 0xff };
    assert_eq!(inspected(&quoting(&[0, 2, 14])), Err(VerifyError::Vtpm(error)));
}

#[test]
fn t03_no_release_rests_on_a_partial_quote() {
    let vm = quoting(&FIRMWARE);
    let nonce = bound(1).transcript().quote_nonce(None);
    let evidence = vtpm_evidence(vm.vtpm_with(&QuoteSpec::over(&vm.pcrs, &nonce.0)));
    let error = VtpmError::SelectedPcrs { found: 0xff, expected: 0xfbff };
    assert_eq!(refusal(&evidence), VerifyError::Vtpm(error));
}
