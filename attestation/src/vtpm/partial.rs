//! Quotes over fewer PCRs than a release needs, for inspection: only claims that the quote covers.

use std::sync::Arc;

use crate::claims::VtpmClaims;
use crate::pcr_set::PcrSet;
use crate::withheld::Withheld;

/// The PCRs that an inspected quote must at least cover, bit i for PCR i: the firmware's own, 0 to 7. Without
/// one of them nothing proves that the firmware's log is complete and from this boot.
pub(super) const FIRMWARE_REGISTERS: u32 = 0x00ff;

/// Removes claims that depend on PCRs that were not quoted, and gives the reasons.
pub(super) fn withhold_uncovered(claims: &mut VtpmClaims) -> Vec<Withheld> {
    let quoted: Vec<u8> = claims.pcrs.keys().copied().collect();
    let mut withheld = Vec::new();
    let mut lacks = |claim: &'static str, pcrs: &[u8]| {
        let missing = PcrSet::of(pcrs.iter().copied().filter(|pcr| !quoted.contains(pcr)));
        if missing.0 != 0 {
            withheld.push(Withheld::new(
                claim,
                "pcr-not-quoted",
                format_args!("the quote does not cover PCR {missing}"),
            ));
        }
        missing.0 != 0
    };
    let boot = Arc::make_mut(&mut claims.boot);
    if lacks("vtpm.command_line", COMMAND_LINE) {
        (boot.kernel_command_line, boot.kernel_path) = (None, None);
        boot.kernel_arguments.clear();
        boot.kernel_words.clear();
    }
    if lacks("vtpm.grub_commands", &[8]) {
        boot.grub_commands.clear();
    }
    if lacks("vtpm.grub_files", &[9]) {
        boot.grub_files.clear();
    }
    if lacks("vtpm.stub_sections", &[11]) {
        boot.stub_sections.clear();
    }
    // A phase is always stated; without the register it is the one in which no disk key is released.
    lacks("vtpm.phase", &[15]);
    boot.events.retain(|pcr, _| quoted.contains(pcr));
    claims.firmware_pcrs.retain(|pcr, _| quoted.contains(pcr));
    withheld
}

/// GRUB measures the text into PCR 8, systemd's stub into 11, systemd-boot and files from outside a UKI into
/// 12. The claim also states that the other PCRs have no text.
const COMMAND_LINE: &[u8] = &[8, 11, 12];
