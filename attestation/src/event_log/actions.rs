//! The texts of EV_EFI_ACTION events (PFP 1.06 §10.4.4), all covered by their digests.
//!
//! Boot options: `Calling (Returning Calling)*`. Nothing is hidden by an option that returned, since its images are
//! events like all others.
//!
//! Leaving the firmware: `(Invocation Failure)* Invocation [Success]`. Firmware logs an invocation for each attempt (PFP
//! 1.06 §8.2.4 i); edk2 before 2024 left out those that failed: `Failure* Invocation [Success]`. No other event
//! comes between these.

use super::Event;
use super::boot::EventKind;
use super::error::EventLogError;
use super::event_type::EventType;
use super::rules::require_covered;

/// State over the actions of PCR 4, 5 and 7.
#[derive(Default)]
pub(super) struct Actions {
    option: BootOption,
    exit: Exit,
    failed_exits: usize,
    /// A boot option returned.
    pub(super) returned: bool,
    /// The firmware does not protect itself from DMA.
    pub(super) dma_protection_disabled: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum BootOption {
    /// No boot option was started.
    #[default]
    None,
    /// The last one was started.
    Called,
    /// The last one returned.
    Returned,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Exit {
    /// No attempt was logged.
    #[default]
    None,
    /// ExitBootServices was called.
    Invoked,
    /// The last attempt failed.
    Failed,
    /// The last attempt succeeded.
    Left,
}

impl Actions {
    /// Takes the next action.
    pub(super) fn step(
        &mut self,
        event: &Event<'_>,
        after_separator: bool,
    ) -> Result<EventKind, EventLogError> {
        require_covered(event)?;
        let number = event.number;
        match (event.pcr, event.data) {
            (4, CALLING | RETURNING) => self.boot_option(event, after_separator),
            (5, EXIT | EXIT_FAILURE | EXIT_SUCCESS) if after_separator => self.exit(event),
            (7, DMA_DISABLED) => {
                self.dma_protection_disabled = true;
                Ok(EventKind::DmaProtectionDisabled)
            }
            (7, DEBUG_MODE) => Err(EventLogError::UefiDebugMode { event: number }),
            (pcr, _) => Err(EventLogError::UnknownAction { event: number, pcr }),
        }
    }

    /// The first option is started before the separators, which firmware measures because of it (PFP 1.06 §3.3.4.5); others
    /// after them.
    fn boot_option(&mut self, event: &Event<'_>, after_separator: bool) -> Result<EventKind, EventLogError> {
        self.option = match (self.option, event.data == CALLING) {
            (BootOption::None, true) if !after_separator => BootOption::Called,
            (BootOption::Called, false) if after_separator => BootOption::Returned,
            (BootOption::Returned, true) => BootOption::Called,
            _ => return Err(EventLogError::SecondBootAttempt { event: event.number }),
        };
        self.returned |= self.has_returned();
        Ok(EventKind::BootAttempt)
    }

    fn exit(&mut self, event: &Event<'_>) -> Result<EventKind, EventLogError> {
        let number = event.number;
        self.exit = match (self.exit, event.data) {
            (Exit::None | Exit::Failed, EXIT) => Exit::Invoked,
            (_, EXIT) => return Err(EventLogError::SecondExitBootServices { event: number }),
            (Exit::None | Exit::Invoked | Exit::Failed, EXIT_FAILURE) => Exit::Failed,
            (Exit::Invoked, EXIT_SUCCESS) => Exit::Left,
            _ => return Err(EventLogError::ExitBootServicesOrder { event: number }),
        };
        self.failed_exits += usize::from(self.exit == Exit::Failed);
        if self.failed_exits > MAX_FAILED_EXITS {
            return Err(EventLogError::ExitBootServicesAttempts { event: number });
        }
        Ok(EventKind::ExitBootServices)
    }

    /// Whether a boot option was started that did not return.
    pub(super) fn booted(&self) -> bool {
        self.option == BootOption::Called
    }

    /// Whether the last boot option has returned.
    pub(super) fn has_returned(&self) -> bool {
        self.option == BootOption::Returned
    }

    /// Whether an attempt to leave the firmware was logged: only the texts about that may follow.
    pub(super) fn leaving(&self) -> bool {
        self.exit != Exit::None
    }

    /// Whether the firmware was left, as far as the log tells.
    pub(super) fn left(&self) -> bool {
        matches!(self.exit, Exit::Invoked | Exit::Left)
    }

    /// Whether the text is one of PCR 5: that the firmware is left, or could not be.
    pub(super) fn is_exit(text: &[u8]) -> bool {
        [EXIT, EXIT_FAILURE, EXIT_SUCCESS].contains(&text)
    }

    /// A boot without this event tells nothing about what ran: it is looked for before anything else, in the register
    /// that has it.
    pub(super) fn require_exit(events: &[Event<'_>], register: u8) -> Result<(), EventLogError> {
        let exit = |event: &&Event<'_>| {
            event.pcr == register && event.event_type == EventType::EFI_ACTION && event.data == EXIT
        };
        match events.iter().find(exit) {
            Some(event) if event.digest.covers(&[event.data]) => Ok(()),
            _ => Err(EventLogError::ExitBootServicesMissing),
        }
    }
}

/// ExitBootServices fails when the memory map has changed (UEFI 2.10 §7.4.6): Linux then calls it a second time, boot loaders
/// until it succeeds.
const MAX_FAILED_EXITS: usize = 8;

const CALLING: &[u8] = b"Calling EFI Application from Boot Option";
const RETURNING: &[u8] = b"Returning from EFI Application from Boot Option";
const EXIT: &[u8] = b"Exit Boot Services Invocation";
const EXIT_FAILURE: &[u8] = b"Exit Boot Services Returned with Failure";
const EXIT_SUCCESS: &[u8] = b"Exit Boot Services Returned with Success";
const DEBUG_MODE: &[u8] = b"UEFI Debug Mode";
const DMA_DISABLED: &[u8] = b"DMA Protection Disabled";
