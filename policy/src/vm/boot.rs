//! A boot log, of a vTPM or CCEL.

use std::fmt;

use vouchsafe_attestation::event_log::{BootLog, SecureBoot};

use super::common::texts;
use crate::arguments::effective;
use crate::value::{Picked, Value};

/// How much of a CCEL log policies see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BootVisibility {
    /// Only the registers: the firmware that measured the events is unknown.
    RegistersOnly,
    /// Everything: the firmware is known.
    ConfirmedBoot,
}

/// The boot claims of a log, of a vTPM or CCEL.
pub(super) fn boot<'r>(record: Picked<'r>, log: &BootLog) -> Picked<'r> {
    record
        .with_some("firmware_version", log.firmware_version.as_deref())
        .with("dma_protection_disabled", log.dma_protection_disabled)
        .with_record("secure_boot", |record| secure_boot(record, &log.secure_boot))
        .with_set("efi_applications", digests(log.efi_images()))
        .with_set("efi_drivers", digests(&log.efi_drivers))
        .with_some("command_line", log.kernel_command_line.as_deref())
        .with_set("arguments", texts(&effective(&log.kernel_arguments, log.kernel_command_line.as_deref())))
        .with_set("words", texts(&log.kernel_words))
        .with_set("grub_commands", texts(&log.grub_commands))
        .with_set("grub_files", digests(&log.grub_files))
        .with_set(
            "stub_sections",
            log.stub_sections
                .iter()
                .map(|section| Value::Text(format!("{}={}", section.name, section.digest))),
        )
}

fn secure_boot<'r>(record: Picked<'r>, state: &SecureBoot) -> Picked<'r> {
    record
        .with("enabled", state.enabled)
        .with("shim_validation_disabled", state.shim_validation_disabled)
        .with_some_text("pk", state.pk.as_ref())
        .with_some_text("kek", state.kek.as_ref())
        .with_some_text("db", state.db.as_ref())
        .with_some_text("dbx", state.dbx.as_ref())
        .with_set(
            "authorities",
            state.authorities.iter().map(|authority| Value::Text(authority.digest.to_string())),
        )
}

fn digests<'d>(
    digests: impl IntoIterator<Item = &'d (impl fmt::Display + 'd)>,
) -> impl Iterator<Item = Value> {
    digests.into_iter().map(|digest| Value::Text(digest.to_string()))
}
