//! A parsed log and its events.

use super::digest::EventDigest;
use super::event_type::EventType;

/// A parsed log, borrowed from its bytes. Its form is valid; its content has not been checked yet.
#[derive(Clone, Debug)]
pub struct EventLog<'a> {
    pub(super) startup_locality: u8,
    pub(super) events: Vec<Event<'a>>,
}

/// One event: a digest that was extended into a PCR, and the log's description of it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Position in the log; the header is number 0.
    pub number: usize,
    /// PCR that was extended; in CCEL, the measurement register.
    pub pcr: u8,
    /// The event's type according to the log. Not measured.
    pub event_type: EventType,
    /// The extended digest, in the bank that the log is read in.
    pub digest: EventDigest,
    /// The event's data. Measured only if the digest is that of the data.
    pub data: &'a [u8],
}

impl<'a> EventLog<'a> {
    /// The events after the header, in the order of the log.
    #[must_use]
    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }
}
