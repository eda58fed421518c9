//! The event log of TDX (CCEL): strict parser, replay to RTMRs, and what a boot can be said to have been.

mod error;
mod machine;
mod parse;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use vouchsafe_protocol::Digest48;

pub use self::error::CcelError;
use super::BootLog;
use super::Event;
use super::EventType;

/// Registers that a TD can extend (DCAP API A.3.2).
pub const RTMR_COUNT: usize = 4;

/// A parsed CCEL log, borrowed from its bytes. Its form is sound; what it says has not been judged yet.
#[derive(Clone, Debug)]
pub struct CcelLog<'a> {
    events: Vec<Event<'a>>,
}

/// A CCEL log that was parsed, replayed and judged: a function of its bytes alone, so it can be remembered by their
/// digest.
///
/// Registers of the log are 0 for MRTD, which has no events, and 1 to 4 for RTMR0 to RTMR3; they stand for PCR 1 and 7,
/// PCR 2 to 6, PCR 8 to 15, and nothing (UEFI 2.10 §38.4.1).
///
/// Does not guarantee: within a register only the sequence of digests is measured. In register 1 an authority can be
/// given as a boot variable, in register 3 a text of GRUB's as a file, and a harmless text, extended later by whoever
/// is root, in its place. The kernel command line, the commands and the authorities are therefore the boot's only
/// together with a closed set of what else is in the register, which is what baselines hold; [`BootLog::grub_files`]
/// has all of register 3 that is no text and no section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedCcel {
    /// Of RTMRs without events, nothing.
    rtmrs: [Option<Digest48>; RTMR_COUNT],
    /// What it says. Events are by the log's number of their register.
    pub boot: Arc<BootLog>,
}

impl<'a> CcelLog<'a> {
    /// Reads a log as firmware leaves it: to its end, or with the area's padding of 0xFF.
    ///
    /// # Errors
    /// Anything that is not exactly a log of SHA-384 digests, within the limits of this module.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CcelError> {
        parse::parse(bytes)
    }

    /// The events after the header, in the order of the log.
    #[must_use]
    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }

    /// The value of each RTMR after its events; `None` where it has none.
    #[must_use]
    pub fn replay(&self) -> [Option<Digest48>; RTMR_COUNT] {
        let mut rtmrs = [None; RTMR_COUNT];
        for event in self.events.iter().filter(|event| event.event_type != EventType::NO_ACTION) {
            let rtmr = usize::from(event.pcr).checked_sub(1).and_then(|rtmr| rtmrs.get_mut(rtmr));
            if let Some(rtmr) = rtmr {
                let value = rtmr.unwrap_or(ZERO);
                *rtmr = Some(Digest48::of_parts(&[value.as_bytes(), event.digest.as_bytes()]));
            }
        }
        rtmrs
    }

    /// What the log says about the boot, if every rule of the state machine holds.
    ///
    /// # Errors
    /// The first rule that the log breaks.
    pub fn boot_log(&self) -> Result<BootLog, CcelError> {
        machine::boot_log(&self.events)
    }
}

impl ReplayedCcel {
    /// Parses, replays and judges a log.
    ///
    /// # Errors
    /// As [`CcelLog::parse`] and [`CcelLog::boot_log`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CcelError> {
        let log = CcelLog::parse(bytes)?;
        let boot = Arc::new(log.boot_log()?);
        Ok(Self { rtmrs: log.replay(), boot })
    }

    /// RTMR0 to RTMR3 after the events of the log.
    #[must_use]
    pub fn rtmrs(&self) -> [Digest48; RTMR_COUNT] {
        self.rtmrs.map(|rtmr| rtmr.unwrap_or(ZERO))
    }

    /// Holds the RTMRs of a quote against the replay: each equals it exactly, and has events if and only if it was
    /// extended.
    ///
    /// # Errors
    /// The first RTMR that does not fit.
    pub fn check_against(&self, given: &[Digest48; RTMR_COUNT]) -> Result<(), CcelError> {
        for ((rtmr, given), replayed) in (0..).zip(given).zip(&self.rtmrs) {
            match replayed {
                None if *given == ZERO => {}
                None => return Err(CcelError::RtmrWithoutEvents { rtmr }),
                Some(_) if *given == ZERO => return Err(CcelError::EventsForZeroRtmr { rtmr }),
                Some(replayed) if given == replayed => {}
                Some(replayed) => {
                    return Err(CcelError::RtmrMismatch { rtmr, given: *given, replayed: *replayed });
                }
            }
        }
        Ok(())
    }
}

/// What an RTMR starts with; TDG.MR.RTMR.EXTEND is SHA-384 over old value and digest (TDX module ABI).
const ZERO: Digest48 = Digest48([0; 48]);
