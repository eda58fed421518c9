//! Why a CCEL log, or the RTMRs it is held against, is refused.

use vouchsafe_protocol::Digest48;

use crate::event_log::EventLogError;
use crate::event_log::EventType;

/// One refusal, one variant. `event` is the position in the log, counted from the header, which is 0; `register` is the
/// log's number of a measurement register: 0 is MRTD, 1 to 4 are RTMR0 to RTMR3.
#[expect(missing_docs, reason = "fields of one name mean the same in every variant")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CcelError {
    /// A rule of form or content that the log of a vTPM has as well. `pcr` in it is the PCR that the event's register
    /// stands for.
    #[error("CCEL: {0}")]
    Log(#[from] EventLogError),

    // Form.
    /// Not the header of a CCEL log, but that of a vTPM's for one.
    #[error("CCEL: the header names register {register}")]
    HeaderRegister { register: u32 },
    /// The header declares something else than SHA-384 alone.
    #[error("CCEL: the header does not declare SHA-384 alone")]
    Algorithms,
    /// There is no such register.
    #[error("CCEL: event {event} names register {register}")]
    RegisterIndex { event: usize, register: u32 },
    /// A second header: which one counts would be open.
    #[error("CCEL: event {event} is a second spec-id header")]
    SecondSpecId { event: usize },
    /// Something after the end of the log.
    #[error("CCEL: the padding after event {event} is not all 0xFF")]
    Padding {
        /// The last event.
        event: usize,
    },

    // Order and types.
    /// MRTD is what the TDX module measured of the firmware: no event extends it.
    #[error("CCEL: event {event} ({event_type}) is for MRTD")]
    EventForMrtd { event: usize, event_type: EventType },
    /// The type has no place in this register.
    #[error("CCEL: event {event}: {event_type} has no place in register {register}")]
    UnexpectedEvent { event: usize, register: u8, event_type: EventType },
    /// The type has no place in this register once its separator is there.
    #[error("CCEL: event {event}: {event_type} after the separator of register {register}")]
    EventAfterSeparator { event: usize, register: u8, event_type: EventType },
    /// Twice.
    #[error("CCEL: event {event}: duplicate separator of register {register}")]
    SecondSeparator { event: usize, register: u8 },
    /// Registers 1 and 2 have one each.
    #[error("CCEL: register {register} has no separator")]
    SeparatorMissing { register: u8 },
    /// The digest is a separator's, the type is not.
    #[error("CCEL: event {event}: a separator of register {register} is labelled {event_type}")]
    SeparatorRelabelled {
        event: usize,
        register: u8,
        /// The label.
        event_type: EventType,
    },
    /// The digest is that of the variable `SecureBoot`, the type is not.
    #[error("CCEL: event {event}: the variable SecureBoot is labelled {event_type}")]
    SecureBootRelabelled {
        event: usize,
        /// The label.
        event_type: EventType,
    },

    // RTMRs.
    /// The log does not lead to the value.
    #[error("CCEL: RTMR{rtmr} is {given}, the log gives {replayed}")]
    RtmrMismatch {
        /// Which one.
        rtmr: u8,
        /// The value of the quote.
        given: Digest48,
        /// The value of the log.
        replayed: Digest48,
    },
    /// Something was measured that the log does not tell.
    #[error("CCEL: RTMR{rtmr} was extended, and the log has no event for it")]
    RtmrWithoutEvents {
        /// Which one.
        rtmr: u8,
    },
    /// The log tells what was never measured.
    #[error("CCEL: RTMR{rtmr} was never extended, and the log has events for it")]
    EventsForZeroRtmr {
        /// Which one.
        rtmr: u8,
    },
}
