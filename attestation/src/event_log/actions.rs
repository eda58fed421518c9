//! The texts of EV_EFI_ACTION events (PFP 1.06 section 10.4.4), all covered by their digests.

use super::Event;
use super::boot::EventKind;
use super::error::EventLogError;
use super::event_type::EventType;
use super::rules::require_covered;

/// State over the actions of PCR 4, 5 and 7.
#[derive(Default)]
pub(super) struct Actions {
    /// A boot option was started.
    pub(super) booted: bool,
    /// The firmware was left.
    pub(super) exited: bool,
    /// The firmware does not protect itself from DMA.
    pub(super) dma_protection_disabled: bool,
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
            (4, CALLING) if !self.booted && !after_separator => {
                self.booted = true;
                Ok(EventKind::BootAttempt)
            }
            (4, CALLING | RETURNING) => Err(EventLogError::SecondBootAttempt { event: number }),
            (5, EXIT) if self.exited => Err(EventLogError::SecondExitBootServices { event: number }),
            (5, EXIT) if after_separator => {
                self.exited = true;
                Ok(EventKind::ExitBootServices)
            }
            (5, EXIT_FAILURE | EXIT_SUCCESS) if after_separator => Ok(EventKind::ExitBootServices),
            (7, DMA_DISABLED) => {
                self.dma_protection_disabled = true;
                Ok(EventKind::DmaProtectionDisabled)
            }
            (7, DEBUG_MODE) => Err(EventLogError::UefiDebugMode { event: number }),
            (pcr, _) => Err(EventLogError::UnknownAction { event: number, pcr }),
        }
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

const CALLING: &[u8] = b"Calling EFI Application from Boot Option";
const RETURNING: &[u8] = b"Returning from EFI Application from Boot Option";
const EXIT: &[u8] = b"Exit Boot Services Invocation";
const EXIT_FAILURE: &[u8] = b"Exit Boot Services Returned with Failure";
const EXIT_SUCCESS: &[u8] = b"Exit Boot Services Returned with Success";
const DEBUG_MODE: &[u8] = b"UEFI Debug Mode";
const DMA_DISABLED: &[u8] = b"DMA Protection Disabled";
