//! The event log of TDX (CCEL): strict parser, replay to RTMRs, and what the log proves about the boot.

mod error;
mod machine;
mod parse;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use vouchsafe_protocol::Digest48;

pub use self::error::CcelError;
use super::boot::BootLog;
use super::event::Event;
use super::event_type::EventType;

/// Registers that a TD can extend (DCAP API A.3.2).
pub const RTMR_COUNT: usize = 4;

/// A parsed CCEL log, borrowed from its bytes. Its form is valid; its content has not been checked yet.
#[derive(Clone, Debug)]
pub struct CcelLog<'a> {
    events: Vec<Event<'a>>,
}

/// A CCEL log that was parsed, replayed and checked. It depends only on the log's bytes, so it can be cached
/// by their digest.
///
/// Register numbers in the log: 0 is MRTD, which has no events, and 1 to 4 are RTMR0 to RTMR3. RTMR0
/// corresponds to PCR 1 and 7, RTMR1 to PCR 2 to 6, RTMR2 to PCR 8 to 15; RTMR3 to none (UEFI 2.10 §38.4.1).
///
/// Does not guarantee that labels are true: within a register only the sequence of digests is measured. In
/// register 1 a log can label an authority as a boot variable. In register 3 it can label a text of GRUB as a
/// file, and present a harmless text instead, which root extended after boot. So the kernel command line, the
/// commands and the authorities are proved only together with a closed set of everything else in the
/// register, as in a baseline; [`BootLog::grub_files`] lists all of register 3 except texts and sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedCcel {
    /// `None` for RTMRs without events.
    rtmrs: [Option<Digest48>; RTMR_COUNT],
    /// The boot claims. Events are keyed by the log's register numbers.
    pub boot: Arc<BootLog>,
}

impl<'a> CcelLog<'a> {
    /// Parses a log as firmware leaves it, with or without the area's padding of 0xFF.
    ///
    /// # Errors
    /// Anything that is not exactly a log of SHA-384 digests, within the limits of this module.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CcelError> {
        Ok(Self { events: parse::parse(bytes)? })
    }

    /// The events after the header, in the order of the log.
    #[must_use]
    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }

    /// The value of each RTMR after its events; `None` if it has no events.
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

    /// The boot claims, if every rule of the state machine holds.
    ///
    /// # Errors
    /// The first rule that the log breaks.
    pub fn boot_log(&self) -> Result<BootLog, CcelError> {
        machine::boot_log(&self.events)
    }
}

impl ReplayedCcel {
    /// Parses, replays and checks a log.
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

    /// Compares the RTMRs of a quote with the replay: each must be equal, and must have events if and only if
    /// it was extended.
    ///
    /// # Errors
    /// The first RTMR that does not match.
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

/// The initial value of an RTMR. TDG.MR.RTMR.EXTEND is SHA-384 over the old value and the digest (TDX module
/// ABI).
const ZERO: Digest48 = Digest48([0; 48]);
