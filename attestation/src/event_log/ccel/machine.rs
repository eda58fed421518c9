//! Applies the state machine of vTPM logs to each register: an event follows the rules of a PCR that its
//! register corresponds to (UEFI 2.10 §38.4.1).
//!
//! A register has one sequence for several PCRs, and types are not measured. A PCR would restrict which
//! labels are possible; a register restricts them less, so fewer types are allowed here.

use super::error::CcelError;
use crate::event_log::actions::Actions;
use crate::event_log::boot::BootLog;
use crate::event_log::boot::EventKind;
use crate::event_log::boot::LoggedEvent;
use crate::event_log::classified::Classified;
use crate::event_log::command_line::Source;
use crate::event_log::error::EventLogError;
use crate::event_log::event::Event;
use crate::event_log::event_type::EventType as T;
use crate::event_log::grub;
use crate::event_log::machine::Machine;
use crate::event_log::rules;
use crate::event_log::secure_boot::SECURE_BOOT_DIGESTS;
use crate::event_log::stub;
use crate::event_log::tagged::tagged;

/// Checks the events of a log, in order.
pub(super) fn boot_log(events: &[Event<'_>]) -> Result<BootLog, CcelError> {
    Actions::require_exit(events, IMAGES)?;
    let mut registers = Registers::default();
    for event in events.iter().filter(|event| event.event_type != T::NO_ACTION) {
        registers.step(event)?;
    }
    registers.finish()
}

#[derive(Default)]
struct Registers<'a> {
    /// Separators seen, for registers 1 and 2.
    separated: [bool; 2],
    machine: Machine<'a>,
}

impl<'a> Registers<'a> {
    fn step(&mut self, event: &Event<'a>) -> Result<(), CcelError> {
        let Event { number, pcr: register, event_type, .. } = *event;
        let (pcr, classified) = match register {
            0 => return Err(CcelError::EventForMrtd { event: number, event_type }),
            PLATFORM | IMAGES => self.firmware_event(event)?,
            LOADERS => self.loader_event(event)?,
            // Firmware and boot loaders measure nothing into RTMR3, and only they write this log.
            _ => return Err(CcelError::UnexpectedEvent { event: number, register, event_type }),
        };
        self.machine.check_exited(&Event { pcr, ..*event })?;
        self.machine.keep(register, event, classified);
        Ok(())
    }

    /// Registers 1 and 2, which correspond to PCR 1 to 7. Returns the PCR whose rules applied.
    fn firmware_event(&mut self, event: &Event<'a>) -> Result<(u8, Classified), CcelError> {
        let Event { number, pcr: register, event_type, digest, .. } = *event;
        let separated = self.separated.get(usize::from(register) - 1).copied().unwrap_or(true);
        if event_type == T::SEPARATOR {
            return self.separator(event, separated);
        }
        if rules::SEPARATOR_DIGESTS.contains(&digest) {
            return Err(CcelError::SeparatorRelabelled { event: number, register, event_type });
        }
        if event_type != T::EFI_VARIABLE_DRIVER_CONFIG && SECURE_BOOT_DIGESTS.contains(&digest) {
            return Err(CcelError::SecureBootRelabelled { event: number, event_type });
        }
        let Some(pcr) = pcr_of(event, separated) else {
            return Err(if separated {
                CcelError::EventAfterSeparator { event: number, register, event_type }
            } else {
                CcelError::UnexpectedEvent { event: number, register, event_type }
            });
        };
        // The register's separator is that of PCR 7; PCR 1 has none here.
        Ok((pcr, self.machine.firmware_event(&Event { pcr, ..*event }, separated && pcr != 1)?))
    }

    /// Exactly one in each of the two registers (UEFI 2.10 §38.4.1): that of PCR 7, and that of PCR 2 to 6.
    fn separator(&mut self, event: &Event<'_>, separated: bool) -> Result<(u8, Classified), CcelError> {
        let Event { number, pcr: register, .. } = *event;
        let pcr = if register == PLATFORM { 7 } else { 4 };
        rules::require_separator(&Event { pcr, ..*event })?;
        if separated {
            return Err(CcelError::SecondSeparator { event: number, register });
        }
        if let Some(separated) = self.separated.get_mut(usize::from(register) - 1) {
            *separated = true;
        }
        Ok((pcr, EventKind::Separator.into()))
    }

    /// Register 3, which corresponds to PCR 8 to 15. Whatever is neither a text of GRUB nor of systemd-stub
    /// is a digest with an unmeasured name, as in PCR 9 and 14.
    fn loader_event(&mut self, event: &Event<'_>) -> Result<(u8, Classified), CcelError> {
        let Event { number, pcr: register, event_type, data, .. } = *event;
        let awaits_content = self.machine.stub.awaits_content();
        match event_type {
            T::IPL if awaits_content || stub::claims_name(data) => {
                let (kind, name) = self.machine.stub.step(&Event { pcr: 11, ..*event })?;
                Ok((11, Classified::named(kind, name)))
            }
            T::IPL if grub::is_labelled(data) => {
                Ok((8, self.machine.grub_text(&Event { pcr: 8, ..*event })?))
            }
            T::IPL if data.starts_with(MOK) => {
                Ok((14, Classified::untrusted(EventKind::MachineOwnerKeys, data)))
            }
            T::IPL => Ok((9, Classified::untrusted(EventKind::GrubFile, data))),
            T::EVENT_TAG if awaits_content => Err(EventLogError::StubSectionWithoutContent.into()),
            T::EVENT_TAG => Ok((9, tagged(&Event { pcr: 9, ..*event })?)),
            _ => Err(CcelError::UnexpectedEvent { event: number, register, event_type }),
        }
    }

    fn finish(self) -> Result<BootLog, CcelError> {
        if let Some(register) = (PLATFORM..).zip(self.separated).find_map(|(n, there)| (!there).then_some(n))
        {
            return Err(CcelError::SeparatorMissing { register });
        }
        let loaders = self.machine.events(LOADERS);
        let from_grub = matches!(self.machine.grub.command_line(), Source::Line(_));
        // Files that may have added to a stub's command line have the form of GRUB files here.
        let changes = |event: &LoggedEvent| match event.kind {
            EventKind::Other => true,
            EventKind::GrubFile => !from_grub,
            _ => false,
        };
        let options_changed = loaders.iter().any(changes);
        let files = loaders.iter().filter(|event| !is_text_or_section(event.kind));
        let files = files.map(|event| event.digest).collect();
        Ok(self.machine.finish(options_changed, files)?)
    }
}

/// The PCR whose rules an event of register 1 or 2 follows; `None` if its type is not allowed there.
fn pcr_of(event: &Event<'_>, separated: bool) -> Option<u8> {
    let event_type = event.event_type;
    match (event.pcr, event_type) {
        // The only separator is that of PCR 7; events of PCR 1 may follow it.
        (PLATFORM, _) if rules::allowed(7, event_type, separated) => Some(7),
        // After the separator such a variable could contradict Secure Boot.
        (PLATFORM, T::EFI_VARIABLE_DRIVER_CONFIG) => None,
        // The firmware's configuration volume, which is not part of MRTD.
        (PLATFORM, T::EFI_PLATFORM_FIRMWARE_BLOB2) => (!separated).then_some(1),
        (PLATFORM, _) => rules::allowed(1, event_type, false).then_some(1),
        // Under any other type an image's digest would go unnoticed; the digests of actions and partition
        // tables cover data that is no image.
        (_, T::EFI_ACTION) if Actions::is_exit(event.data) => separated.then_some(5),
        (_, T::EFI_ACTION) => Some(4),
        (_, _) if rules::is_partition_table(event_type) => Some(5),
        (_, _) if rules::is_application(event_type) => Some(4),
        (_, _) if rules::is_driver(event_type) => Some(2),
        _ => None,
    }
}

const fn is_text_or_section(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::GrubCommand
            | EventKind::KernelCommandLine
            | EventKind::GrubModuleCommandLine
            | EventKind::StubSectionName
            | EventKind::StubSection
    )
}

/// RTMR0: PCR 1 and 7.
const PLATFORM: u8 = 1;
/// RTMR1: PCR 2 to 6.
const IMAGES: u8 = 2;
/// RTMR2: PCR 8 to 15.
const LOADERS: u8 = 3;
/// Prefix of shim's names.
const MOK: &[u8] = b"Mok";
