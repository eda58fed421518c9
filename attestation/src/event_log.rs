//! Firmware event logs, of a vTPM and of TDX (CCEL): strict parser, replay, and what a boot can be said to have been.
//!
//! Guarantees: only the SHA-256 bank is read, of CCEL only SHA-384; every size is bounded before anything is allocated; a
//! [`BootLog`] exists only for a log that the strict state machine of [`ReplayedLog::from_bytes`] took
//! as a whole, and every claim in it is recomputed from data that its measured digest covers. Whether
//! the log belongs to a machine is the comparison of [`Replayed::check_against`] with quoted PCRs.
//!
//! What is special about CCEL stands in [`ReplayedCcel`].
//!
//! What user space extends after the log stands in one place, the grammar of `userspace`.
//!
//! Does not guarantee: a TPM measures digests, one sequence a PCR. Event types, texts that no digest
//! covers (file names, for one) and the order of events of different PCRs are the word of whoever wrote
//! the log. Whoever is root after boot can extend PCR 8 to 14 and append matching events; the latch in PCR 15 and
//! baselines that allow a closed set of events are what rules that out, not this module.
//!
//! PFP is the TCG PC Client Platform Firmware Profile, 1.06 (logs: PFP 1.06 §9 and §10); PTP the PC Client Platform TPM
//! Profile, 1.05.
//!
//! Left out, and why:
//! - EV_NO_ACTION (PFP 1.06 §10.4.5) extends nothing: of such events only the header and the startup locality are read.
//!   References to integrity manifests are hints that anybody can write.
//! - Digests of other banks are skipped, not compared: no quote that is taken covers them.
//! - PCR 10 is IMA's, whose log is not this one.
//! - PCR 16 to 23: no part of the boot (UAPI.7), and 16 and 23 can be reset.

mod actions;
mod boot;
mod ccel;
mod command_line;
mod devices;
mod digest;
mod error;
mod event_type;
mod grub;
mod image_path;
mod images;
mod machine;
mod options;
mod parse;
mod phase;
mod replay;
mod rules;
mod secure_boot;
mod shim;
mod smbios;
mod stub;
mod tagged;
mod texts;
mod userspace;
mod userspace_log;
mod variable;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::boot::Authority;
pub use self::boot::BootLog;
pub use self::boot::EventKind;
pub use self::boot::LoggedEvent;
pub use self::boot::SecureBoot;
pub use self::boot::StubSection;
pub use self::ccel::CcelError;
pub use self::ccel::CcelLog;
pub use self::ccel::RTMR_COUNT;
pub use self::ccel::ReplayedCcel;
pub use self::command_line::CommandLine;
pub use self::digest::EventDigest;
pub use self::error::EventLogError;
pub use self::event_type::EventType;
pub use self::phase::Phase;
pub use self::replay::PcrRule;
pub use self::replay::PcrState;
pub use self::replay::Replayed;
pub use self::userspace::UserspaceWords;
pub use self::userspace_log::MAX_USERSPACE_ENTRIES;
pub use self::userspace_log::UserspaceLog;
pub use self::userspace_log::UserspaceLogError;
pub use crate::technology::Technology;

/// Events of one log.
pub const MAX_EVENTS: usize = 4096;
/// Data of one event; the largest seen on a real machine is a dbx of 23 kB.
pub const MAX_EVENT_DATA: usize = 64 * 1024;
/// Algorithms that a log may declare.
pub const MAX_ALGORITHMS: usize = 8;

/// A parsed log, borrowed from its bytes. Its form is sound; what it says has not been judged yet.
#[derive(Clone, Debug)]
pub struct EventLog<'a> {
    startup_locality: u8,
    events: Vec<Event<'a>>,
}

/// One event: a digest that was extended into a PCR, and the log's word on what it was.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Position in the log; the header is number 0.
    pub number: usize,
    /// PCR that was extended; in CCEL, the measurement register.
    pub pcr: u8,
    /// What the log says the event is. Not measured.
    pub event_type: EventType,
    /// What was extended, in the bank that the log is read in.
    pub digest: EventDigest,
    /// What the log says about it. Measured only where the digest is that of the data.
    pub data: &'a [u8],
}

impl<'a> EventLog<'a> {
    /// Reads a crypto-agile log as Linux exports it.
    ///
    /// # Errors
    /// Anything that is not exactly such a log with a SHA-256 bank, within the limits of this module.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EventLogError> {
        parse::parse(bytes)
    }

    /// The events after the header, in the order of the log.
    #[must_use]
    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }

    /// The value each PCR has after its events.
    #[must_use]
    pub fn replay(&self) -> Replayed {
        replay::replay(self)
    }

    /// What the log says about the boot, if every rule of the state machine holds.
    ///
    /// # Errors
    /// The first rule that the log breaks.
    pub fn boot_log(&self) -> Result<BootLog, EventLogError> {
        machine::boot_log(&self.events)
    }
}

/// A log that was parsed, replayed and judged: a function of its bytes alone, so it can be remembered by
/// their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedLog {
    /// PCR values of the log.
    pub replayed: Replayed,
    /// What it says.
    pub boot: Arc<BootLog>,
}

impl ReplayedLog {
    /// Parses, replays and judges a log.
    ///
    /// # Errors
    /// As [`EventLog::parse`] and [`EventLog::boot_log`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EventLogError> {
        let log = EventLog::parse(bytes)?;
        let boot = Arc::new(log.boot_log()?);
        Ok(Self { replayed: log.replay(), boot })
    }
}
