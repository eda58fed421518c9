//! Firmware event logs, of a vTPM and of TDX (CCEL): strict parser, replay, and what the log proves about the
//! boot.
//!
//! Guarantees: only one bank is read, SHA-256 of a vTPM's log and SHA-384 of CCEL. Every size is bounded
//! before anything is allocated. A [`BootLog`] exists only for a log that the strict state machine of
//! [`ReplayedLog::from_bytes`] accepted as a whole, and every claim in it is recomputed from data that its
//! measured digest covers. [`Replayed::check_against`] compares the replay with quoted PCRs: until then the
//! log may be from any machine.
//!
//! [`ReplayedCcel`] documents what differs for CCEL.
//!
//! The grammar of what user space extends after the log is in `userspace_grammar`.
//!
//! Does not guarantee what no digest covers: event types, texts such as file names, and the order of events
//! of different PCRs are asserted by whoever wrote the log. Root can extend PCR 8 to 14 after boot and append
//! matching events, and this module cannot detect that. The latch in PCR 15, or a baseline with a closed set
//! of events, prevents it.
//!
//! PFP 1.06 is the TCG PC Client Platform Firmware Profile (for logs see PFP 1.06 §9 and §10). PTP 1.05 is the TCG PC
//! Client Platform TPM Profile.
//!
//! Left out, and why:
//! - EV_NO_ACTION (PFP 1.06 §10.4.5) extends nothing: only the header and the startup locality are read.
//!   References to integrity manifests are hints that anybody can write.
//! - Digests of other banks are skipped, not compared: no accepted quote covers them.
//! - PCR 10 belongs to IMA, which has a log of its own.
//! - PCR 16 to 23: no part of the boot (UAPI.7), and 16 and 23 can be reset.

mod actions;
mod boot;
mod ccel;
mod classified;
mod command_line;
mod devices;
mod digest;
mod error;
mod event;
mod event_type;
mod grub;
mod image_path;
mod images;
mod limits;
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
mod userspace_grammar;
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
pub use self::event::Event;
pub use self::event::EventLog;
pub use self::event_type::EventType;
pub use self::limits::MAX_ALGORITHMS;
pub use self::limits::MAX_EVENT_DATA;
pub use self::limits::MAX_EVENTS;
pub use self::phase::Phase;
pub use self::replay::PcrRule;
pub use self::replay::PcrState;
pub use self::replay::Replayed;
pub use self::userspace::UserspaceWords;
pub use self::userspace_log::MAX_USERSPACE_ENTRIES;
pub use self::userspace_log::UserspaceLog;
pub use self::userspace_log::UserspaceLogError;
pub use crate::technology::Technology;

impl<'a> EventLog<'a> {
    /// Reads a crypto-agile log as Linux exports it.
    ///
    /// # Errors
    /// Anything that is not exactly such a log with a SHA-256 bank, within the limits of this module.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EventLogError> {
        parse::parse(bytes)
    }

    /// The value of each PCR after its events.
    #[must_use]
    pub fn replay(&self) -> Replayed {
        replay::replay(self)
    }

    /// The boot claims, if every rule of the state machine holds.
    ///
    /// # Errors
    /// The first rule that the log breaks.
    pub fn boot_log(&self) -> Result<BootLog, EventLogError> {
        machine::boot_log(&self.events)
    }
}

/// A log that was parsed, replayed and checked. It depends only on the log's bytes, so it can be cached by
/// their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedLog {
    /// PCR values of the log.
    pub replayed: Replayed,
    /// The boot claims.
    pub boot: Arc<BootLog>,
}

impl ReplayedLog {
    /// Parses, replays and checks a log.
    ///
    /// # Errors
    /// As [`EventLog::parse`] and [`EventLog::boot_log`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EventLogError> {
        let log = EventLog::parse(bytes)?;
        let boot = Arc::new(log.boot_log()?);
        Ok(Self { replayed: log.replay(), boot })
    }
}
