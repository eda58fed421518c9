//! Why a log is refused, by itself or because it does not match the PCRs.

use vouchsafe_protocol::Digest32;

use super::event_type::EventType;
use super::userspace_grammar::next_word;
use crate::pcr_set::PcrSet;

/// One variant per reason. `event` is the position in the log, counted from the header, which is 0; `pcr` and
/// `event_type` are those of that event.
#[expect(missing_docs, reason = "fields of one name mean the same in every variant")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventLogError {
    // Form.
    /// Empty, or no event after the header.
    #[error("the log is empty")]
    Empty,
    /// A number is above its limit.
    #[error("log of {size} bytes is above the limit")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// The first event is not a header.
    #[error("not a TCG event log")]
    NotAnEventLog,
    /// A log of a TD's registers (CCEL), not a TPM's.
    #[error(
        "this is a CCEL log, of the RTMRs of a TDX guest, not the log of a TPM: `vouchsafe verify ccel` reads it"
    )]
    CcelLog,
    /// A log of SHA-1 digests only.
    #[error("legacy log without a spec-id header: SHA-1 only")]
    LegacyFormat,
    /// The header is malformed.
    #[error("malformed spec-id header")]
    MalformedSpecId,
    /// The format version is unknown.
    #[error("spec-id version {major}.{minor} is not known")]
    SpecIdVersion {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// More than the limit.
    #[error("spec-id header declares {count} algorithms")]
    AlgorithmCount { count: u32 },
    /// An algorithm with unknown digest size.
    #[error("algorithm 0x{algorithm:04x} is not known")]
    UnknownAlgorithm { algorithm: u16 },
    /// The declared size differs from the algorithm's.
    #[error("algorithm 0x{algorithm:04x} is declared with digests of {size} bytes")]
    AlgorithmSize {
        algorithm: u16,
        /// Declared size.
        size: u16,
    },
    /// An algorithm is declared twice.
    #[error("algorithm 0x{algorithm:04x} is declared twice")]
    DuplicateAlgorithm { algorithm: u16 },
    /// The log has no SHA-256 digests.
    #[error("the log has no SHA-256 bank")]
    NoSha256Bank,
    /// More than the limit.
    #[error("the log has too many events")]
    TooManyEvents,
    /// The log ends inside an event.
    #[error("event {event} is cut short")]
    Truncated { event: usize },
    /// Fewer bytes after the last event than an event has.
    #[error("{count} bytes after the last event")]
    TrailingBytes { count: usize },
    /// The PCR does not exist.
    #[error("event {event} names PCR {pcr}")]
    PcrIndex { event: usize, pcr: u32 },
    /// No digest, or more digests than algorithms.
    #[error("event {event} claims {count} digests")]
    DigestCount { event: usize, count: u32 },
    /// A digest of an algorithm that the header does not declare.
    #[error("event {event} has a digest of undeclared algorithm 0x{algorithm:04x}")]
    UndeclaredAlgorithm { event: usize, algorithm: u16 },
    /// Two digests of one algorithm.
    #[error("event {event} has two digests of algorithm 0x{algorithm:04x}")]
    DuplicateDigest { event: usize, algorithm: u16 },
    /// The SHA-256 bank was extended with a digest that the log omits.
    #[error("event {event} (PCR {pcr}) has no SHA-256 digest")]
    NoSha256Digest { event: usize, pcr: u8 },
    /// The data of an event is above its limit.
    #[error("event {event} claims {size} bytes of data")]
    EventDataSize {
        event: usize,
        /// Claimed size.
        size: u32,
    },
    /// An event that extends nothing has a digest.
    #[error("event {event} is EV_NO_ACTION with a digest")]
    NoActionDigest { event: usize },
    /// Repeated, too late, or with a locality that cannot start a TPM.
    #[error("event {event}: StartupLocality is malformed or out of place")]
    StartupLocality { event: usize },

    // Order and types.
    /// According to the log, ExitBootServices was never called.
    #[error("the log has no ExitBootServices event")]
    ExitBootServicesMissing,
    /// ExitBootServices was called again although the previous call did not fail.
    #[error("event {event}: second ExitBootServices")]
    SecondExitBootServices { event: usize },
    /// A result of ExitBootServices without a call.
    #[error("event {event}: result of ExitBootServices without an attempt")]
    ExitBootServicesOrder { event: usize },
    /// More failed calls than any boot loader or kernel makes.
    #[error("event {event}: too many failed attempts of ExitBootServices")]
    ExitBootServicesAttempts { event: usize },
    /// The digest is that of a word that user space extends after the log, and that no firmware or boot
    /// loader measures.
    #[error(
        "event {event} (PCR {pcr}) is \"{word}\", which user space extends, not firmware or a boot loader"
    )]
    UserspaceWord {
        event: usize,
        pcr: u8,
        /// Which type.
        word: &'static str,
    },
    /// It comes after ExitBootServices, when firmware and boot loaders have ended.
    #[error("event {event} (PCR {pcr}, {event_type}) comes after ExitBootServices")]
    EventAfterExitBootServices { event: usize, pcr: u8, event_type: EventType },
    /// This event type is not allowed in this PCR.
    #[error("event {event}: {event_type} is not allowed in PCR {pcr}")]
    UnexpectedEvent { event: usize, pcr: u8, event_type: EventType },
    /// This event type is not allowed after the PCR's separator.
    #[error("event {event}: {event_type} after the separator of PCR {pcr}")]
    EventAfterSeparator { event: usize, pcr: u8, event_type: EventType },
    /// The data of a separator is not one of those that firmware writes.
    #[error("event {event}: malformed separator of PCR {pcr}")]
    MalformedSeparator { event: usize, pcr: u8 },
    /// The firmware reported an error instead of a separator.
    #[error("event {event}: the firmware reported an error in PCR {pcr}")]
    FirmwareError { event: usize, pcr: u8 },
    /// A PCR has a second separator.
    #[error("event {event}: second separator of PCR {pcr}")]
    SecondSeparator { event: usize, pcr: u8 },
    /// PCR 0 to 7 must have a separator each.
    #[error("PCR {pcr} has no separator")]
    SeparatorMissing { pcr: u8 },
    /// The digest is that of a separator, but the type is another one.
    #[error("event {event}: a separator of PCR {pcr} is labelled {event_type}")]
    SeparatorRelabelled {
        event: usize,
        pcr: u8,
        /// The label.
        event_type: EventType,
    },
    /// The digest is not that of the data, for an event type that requires it.
    #[error("event {event} (PCR {pcr}, {event_type}): the data does not hash to the digest")]
    DigestMismatch { event: usize, pcr: u8, event_type: EventType },

    // PCR 0.
    /// Not the 32 bytes that Google's firmware writes.
    #[error("event {event}: malformed GCE NonHostInfo")]
    MalformedNonHostInfo { event: usize },
    /// A second one.
    #[error("event {event}: second GCE NonHostInfo")]
    SecondNonHostInfo { event: usize },
    /// The digest is that of a GCE NonHostInfo, but the type is another one.
    #[error("event {event}: GCE NonHostInfo is labelled {event_type}")]
    NonHostInfoRelabelled {
        event: usize,
        /// The label.
        event_type: EventType,
    },
    /// A technology that is not known.
    #[error("technology byte {value} is not known")]
    UnknownTechnology {
        /// The byte.
        value: u8,
    },
    /// A second one.
    #[error("event {event}: second firmware version")]
    SecondCrtmVersion { event: usize },

    // PCR 4 and 5.
    /// A text that firmware does not measure there.
    #[error("event {event}: unknown action in PCR {pcr}")]
    UnknownAction { event: usize, pcr: u8 },
    /// No boot option was started, or the last one returned.
    #[error("the log does not say that a boot option was started and did not return")]
    BootAttemptMissing,
    /// A boot option was started while another one ran, or returned without having been started.
    #[error("event {event}: boot options started and returned out of order")]
    SecondBootAttempt { event: usize },
    /// SMBIOS type 1 or 2 a second time.
    #[error("event {event}: second SMBIOS table of its type")]
    SecondSmbiosTable { event: usize },
    /// Not the form that SPDM specifies.
    #[error("event {event}: malformed event of a device (SPDM)")]
    MalformedDeviceEvent { event: usize },

    /// The data is not a partition table.
    #[error("event {event}: malformed partition table")]
    MalformedPartitionTable { event: usize },

    // PCR 7.
    /// The data is not a `UEFI_VARIABLE_DATA`.
    #[error("event {event}: malformed UEFI variable")]
    MalformedVariable { event: usize },
    /// Not a variable that configures Secure Boot.
    #[error("event {event}: not a Secure Boot variable")]
    UnknownSecureBootVariable { event: usize },
    /// A second one.
    #[error("event {event}: second variable {variable}")]
    SecondSecureBootVariable {
        event: usize,
        /// Its name.
        variable: &'static str,
    },
    /// The log has no such event.
    #[error("the log has no variable SecureBoot")]
    SecureBootMissing,
    /// Neither empty nor one byte, 0 or 1.
    #[error("event {event}: variable SecureBoot is neither 0 nor 1")]
    SecureBootValue { event: usize },
    /// Secure Boot is on, but a key variable is empty.
    #[error("Secure Boot is on without content in {variable}")]
    SecureBootWithoutKeys {
        /// Which variable.
        variable: &'static str,
    },
    /// Secure Boot is on, but no authority for the boot loader is logged.
    #[error("Secure Boot is on and no authority is logged")]
    SecureBootWithoutAuthority,
    /// The firmware can be debugged.
    #[error("event {event}: UEFI debug mode")]
    UefiDebugMode { event: usize },

    // Boot loaders, stub, kernel.
    /// Tag and length do not fit the data.
    #[error("event {event}: malformed tagged event")]
    MalformedTaggedEvent { event: usize },
    /// Not the name of a PE section.
    #[error("event {event}: not a section name of systemd-stub's")]
    StubSectionName { event: usize },
    /// It was measured twice.
    #[error("event {event}: second section of this name")]
    SecondStubSection { event: usize },
    /// The last name in PCR 11 has no content after it.
    #[error("the last section name in PCR 11 has no content")]
    StubSectionWithoutContent,

    // Against PCRs.
    /// The PCR does not exist.
    #[error("PCR {pcr} does not exist")]
    GivenPcrIndex { pcr: u8 },
    /// The rule needs it.
    #[error("PCR {pcr} is not given")]
    PcrNotGiven { pcr: u8 },
    /// The log has events for a PCR whose value is not given.
    #[error("the log has events for PCR {pcr}, which is not given")]
    EventsForPcrNotGiven { pcr: u8 },
    /// The PCR was extended, but the log has no event for it.
    #[error(
        "PCR {pcr} is not at its reset value, the log has no event for it, and known words of user space do not explain it (next would be: {})",
        next_word(*pcr)
    )]
    PcrWithoutEvents { pcr: u8 },
    /// The replay of the log does not give the quoted PCR.
    #[error(
        "PCR {pcr} is {given}, the log gives {replayed}, and known words of user space do not explain the difference (next would be: {})",
        next_word(*pcr)
    )]
    PcrMismatch { pcr: u8, given: Digest32, replayed: Digest32 },
    /// PCR 11 is not the log followed by systemd's words.
    #[error(
        "PCR 11 is {given}: not the log followed by boot phases of systemd (next would be: {})",
        next_word(11)
    )]
    BootPhase { given: Digest32 },
    /// Replaying the userspace log gives the value of the register, but with a word that is unknown or out of
    /// order.
    #[error("PCR {pcr}: entry {entry} of the userspace log for this register is not what comes next: {next}")]
    UserspaceEntry {
        pcr: u8,
        /// Position among the entries of this register, counted from 1.
        entry: usize,
        /// The expected word.
        next: &'static str,
    },
    /// Known constants do not explain the register; values specific to the machine may.
    #[error(
        "PCR {pcr} is neither the firmware's log nor that and constants of user space; values of this machine or its image may explain it (next would be: {}), which only systemd's measurement log has, /run/log/systemd/tpm2-measure.log: the evidence has no entry of it for PCR {pcr}",
        next_word(*pcr)
    )]
    UserspaceLogNeeded { pcr: u8 },
    /// systemd was extending `os-separator` when the PCRs were quoted.
    #[error(
        "PCR {with} are followed by os-separator and PCR {without} are not: quoted while systemd-pcrosseparator ran; quote again"
    )]
    OsSeparatorIncomplete {
        /// Registers with it.
        with: PcrSet,
        /// Registers without it.
        without: PcrSet,
    },
}
