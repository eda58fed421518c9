//! Why a CCEL log is refused, by itself or because it does not match the RTMRs.

use vouchsafe_protocol::Digest48;

use crate::event_log::error::EventLogError;
use crate::event_log::event_type::EventType;

/// One variant per reason. `event` is the position in the log, counted from the header, which is 0;
/// `register` is the register number in the log: 0 is MRTD, 1 to 4 are RTMR0 to RTMR3.
#[expect(missing_docs, reason = "fields of one name mean the same in every variant")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CcelError {
    /// An error that logs of a vTPM can have too. Its `pcr` is the PCR that the event's register corresponds to.
    #[error("CCEL: {0}")]
    Log(#[from] EventLogError),

    // Form.
    /// The header belongs to another kind of log, such as that of a vTPM.
    #[error("CCEL: the header names register {register}")]
    HeaderRegister { register: u32 },
    /// The header declares something other than SHA-384 alone.
    #[error("CCEL: the header does not declare SHA-384 alone")]
    Algorithms,
    /// The register does not exist.
    #[error("CCEL: event {event} names register {register}")]
    RegisterIndex { event: usize, register: u32 },
    /// A second header: it would be ambiguous which one counts.
    #[error("CCEL: event {event} is a second spec-id header")]
    SecondSpecId { event: usize },
    /// The padding after the log is not all 0xFF.
    #[error("CCEL: the padding after event {event} is not all 0xFF")]
    Padding {
        /// The last event.
        event: usize,
    },

    // Order and types.
    /// MRTD is measured by the TDX module: no event extends it.
    #[error("CCEL: event {event} ({event_type}) is for MRTD")]
    EventForMrtd { event: usize, event_type: EventType },
    /// This event type is not allowed in this register.
    #[error("CCEL: event {event}: {event_type} is not allowed in register {register}")]
    UnexpectedEvent { event: usize, register: u8, event_type: EventType },
    /// This event type is not allowed after the register's separator.
    #[error("CCEL: event {event}: {event_type} after the separator of register {register}")]
    EventAfterSeparator { event: usize, register: u8, event_type: EventType },
    /// A register has a second separator.
    #[error("CCEL: event {event}: duplicate separator of register {register}")]
    SecondSeparator { event: usize, register: u8 },
    /// Registers 1 and 2 must have a separator each.
    #[error("CCEL: register {register} has no separator")]
    SeparatorMissing { register: u8 },
    /// The digest is that of a separator, but the type is another one.
    #[error("CCEL: event {event}: a separator of register {register} is labelled {event_type}")]
    SeparatorRelabelled {
        event: usize,
        register: u8,
        /// The label.
        event_type: EventType,
    },
    /// The digest is that of the variable `SecureBoot`, but the type is not.
    #[error("CCEL: event {event}: the variable SecureBoot is labelled {event_type}")]
    SecureBootRelabelled {
        event: usize,
        /// The label.
        event_type: EventType,
    },

    // RTMRs.
    /// The log does not lead to the quoted value.
    #[error("CCEL: RTMR{rtmr} is {given}, the log gives {replayed}")]
    RtmrMismatch {
        /// The RTMR's index.
        rtmr: u8,
        /// The quoted value.
        given: Digest48,
        /// The replayed value.
        replayed: Digest48,
    },
    /// The RTMR was extended, but the log has no event for it.
    #[error("CCEL: RTMR{rtmr} was extended, and the log has no event for it")]
    RtmrWithoutEvents {
        /// The RTMR's index.
        rtmr: u8,
    },
    /// The log has events, but the RTMR was never extended.
    #[error("CCEL: RTMR{rtmr} was never extended, and the log has events for it")]
    EventsForZeroRtmr {
        /// The RTMR's index.
        rtmr: u8,
    },
}
