//! The texts of EV_EFI_ACTION events (PFP 1.06 §10.4.4), all covered by their digests.
//!
//! Boot options: `Calling (Returning Calling)*`. An option that returned cannot hide what it ran: its images
//! are logged like all others.
//!
//! Leaving the firmware: `(Invocation Failure)* Invocation [Success]`. Firmware logs an invocation for each
//! attempt (PFP 1.06 §8.2.4 i); edk2 before 2024 omitted those that failed: `Failure* Invocation [Success]`.
//! No other event may come between these.

use super::boot::EventKind;
use super::error::EventLogError;
use super::event::Event;
use super::event_type::EventType;
use super::rules::require_covered;

/// State machine of the actions in PCR 4, 5 and 7.
#[derive(Default)]
pub(super) struct Actions {
    option: BootOption,
    exit: Exit,
    failed_exits: usize,
    /// A boot option returned.
    pub(super) returned: bool,
    /// The firmware's DMA protection is disabled.
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

    /// The first boot option is started before the separators: firmware measures them when it starts the
    /// option (PFP 1.06 §3.3.4.5). Further options come after them.
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

    /// Whether a boot option was started and has not returned.
    pub(super) fn booted(&self) -> bool {
        self.option == BootOption::Called
    }

    /// Whether the last boot option has returned.
    pub(super) fn has_returned(&self) -> bool {
        self.option == BootOption::Returned
    }

    /// Whether a call of ExitBootServices was logged; after that only further ExitBootServices events may
    /// follow.
    pub(super) fn leaving(&self) -> bool {
        self.exit != Exit::None
    }

    /// Whether ExitBootServices succeeded, according to the log.
    pub(super) fn left(&self) -> bool {
        matches!(self.exit, Exit::Invoked | Exit::Left)
    }

    /// Whether the text is one of the ExitBootServices actions of PCR 5.
    pub(super) fn is_exit(text: &[u8]) -> bool {
        [EXIT, EXIT_FAILURE, EXIT_SUCCESS].contains(&text)
    }

    /// Requires an ExitBootServices event in `register`. Without it a log proves nothing about what ran, so
    /// this is checked first.
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

/// ExitBootServices fails when the memory map has changed (UEFI 2.10 §7.4.6). Linux then calls it once more,
/// boot loaders repeat it until it succeeds.
const MAX_FAILED_EXITS: usize = 8;

const CALLING: &[u8] = b"Calling EFI Application from Boot Option";
const RETURNING: &[u8] = b"Returning from EFI Application from Boot Option";
const EXIT: &[u8] = b"Exit Boot Services Invocation";
const EXIT_FAILURE: &[u8] = b"Exit Boot Services Returned with Failure";
const EXIT_SUCCESS: &[u8] = b"Exit Boot Services Returned with Success";
const DEBUG_MODE: &[u8] = b"UEFI Debug Mode";
const DMA_DISABLED: &[u8] = b"DMA Protection Disabled";
