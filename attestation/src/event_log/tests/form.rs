//! The form of a log: header, limits, digests. Each test breaks one thing.

use super::*;
use crate::event_log::EventLog;
use crate::event_log::MAX_EVENT_DATA;
use crate::event_log::MAX_EVENTS;
use crate::test_util::event_log::Bank;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::spec_id;
use vouchsafe_protocol::limits::MAX_EVENT_LOG;

fn parse(bytes: &[u8]) -> EventLogError {
    EventLog::parse(bytes).map(|log| log.events().len()).expect_err("the bytes are refused")
}

/// The Ubuntu log with another header.
fn with_spec_id(change: impl FnOnce(&mut Vec<u8>)) -> EventLogError {
    let mut data = spec_id(&[Bank::Sha1, Bank::Sha256, Bank::Sha384]);
    change(&mut data);
    parse(&EventLogBuilder { spec_id: Some(data), ..ubuntu() }.bytes())
}

#[test]
fn t26_empty_log_is_refused() {
    assert_eq!(parse(&[]), EventLogError::Empty);
    let header_only = EventLogBuilder { events: Vec::new(), ..ubuntu() };
    assert_eq!(parse(&header_only.bytes()), EventLogError::Empty);
}

#[test]
fn t26_log_without_sha256_bank_is_refused() {
    let log = EventLogBuilder { banks: vec![Bank::Sha1, Bank::Sha384], ..ubuntu() };
    assert_eq!(refusal(&log), EventLogError::NoSha256Bank);
}

#[test]
fn t26_sha1_log_is_refused() {
    let log = ubuntu();
    let legacy = &log.bytes()[32 + spec_id(&log.banks).len()..];
    // A log that begins with an ordinary event of TPM 1.2's layout.
    let mut bytes =
        [&0_u32.to_le_bytes()[..], &8_u32.to_le_bytes(), &[7; 20], &1_u32.to_le_bytes(), b"x"].concat();
    bytes.extend(legacy);
    assert_eq!(parse(&bytes), EventLogError::LegacyFormat);
    assert_eq!(with_spec_id(|data| data[14] = b'2'), EventLogError::LegacyFormat);
}

#[test]
fn t26_event_without_sha256_digest_is_refused() {
    let mut log = ubuntu();
    let position = log.position_of(4, EventType::EFI_BOOT_SERVICES_APPLICATION);
    log.events[position].banks = Some(vec![Bank::Sha1, Bank::Sha384]);
    assert_eq!(refusal(&log), EventLogError::NoSha256Digest { event: number(position), pcr: 4 });
}

#[test]
fn sha256_alone_is_enough() {
    let log = EventLogBuilder { banks: vec![Bank::Sha256], ..ubuntu() };
    assert_eq!(judge(&log), judge(&ubuntu()));
}

#[test]
fn t30_log_above_the_limit_is_refused() {
    let mut log = ubuntu();
    log.variable_mut("dbx").data = vec![0; MAX_EVENT_LOG];
    assert!(matches!(refusal(&log), EventLogError::TooLarge { size } if size > MAX_EVENT_LOG));
}

#[test]
fn t30_too_many_events_are_refused() {
    let mut log = EventLogBuilder { banks: vec![Bank::Sha256], ..ubuntu() };
    let event = BuiltEvent::covered(14, EventType::IPL, "x");
    log.events.resize(MAX_EVENTS, event.clone());
    assert_ne!(refusal(&log), EventLogError::TooManyEvents);
    log.events.push(event);
    assert_eq!(refusal(&log), EventLogError::TooManyEvents);
}

#[test]
fn t30_event_data_above_the_limit_is_refused() {
    let mut log = ubuntu();
    log.events[5].data = vec![0; MAX_EVENT_DATA + 1];
    assert_eq!(refusal(&log), EventLogError::EventDataSize { event: 6, size: 65537 });
}

#[test]
fn t30_digest_count_is_bounded() {
    for count in [0, 4, u32::MAX] {
        let mut bytes = ubuntu().bytes();
        let at = 32 + spec_id(&ubuntu().banks).len() + 8;
        bytes[at..at + 4].copy_from_slice(&count.to_le_bytes());
        assert_eq!(parse(&bytes), EventLogError::DigestCount { event: 1, count });
    }
}

#[test]
fn t30_algorithm_count_is_bounded() {
    for count in [9, u32::MAX] {
        let refusal = with_spec_id(|data| data[24..28].copy_from_slice(&count.to_le_bytes()));
        assert_eq!(refusal, EventLogError::AlgorithmCount { count });
    }
}

#[test]
fn t30_truncated_log_is_refused() {
    let log = ubuntu();
    let bytes = log.bytes();
    assert_eq!(parse(&bytes[..bytes.len() - 1]), EventLogError::Truncated { event: log.events.len() });
}

#[test]
fn t30_trailing_bytes_are_refused() {
    let bytes = [ubuntu().bytes(), vec![0xff; 5]].concat();
    assert_eq!(parse(&bytes), EventLogError::TrailingBytes { count: 5 });
}

#[test]
fn a_malformed_log_is_refused() {
    assert_eq!(parse(b"{\"Static\":{\"TPMVersion\":2,\"EKPem\":null}}"), EventLogError::NotAnEventLog);
    assert_eq!(parse(&[0; 31]), EventLogError::NotAnEventLog);
}

#[test]
fn malformed_header_is_refused() {
    assert_eq!(with_spec_id(|data| data.push(0)), EventLogError::MalformedSpecId);
    assert_eq!(with_spec_id(|data| data.truncate(30)), EventLogError::MalformedSpecId);
    assert_eq!(with_spec_id(|data| data[23] = 3), EventLogError::MalformedSpecId);
    let mut bytes = ubuntu().bytes();
    bytes[8] = 1;
    assert_eq!(parse(&bytes), EventLogError::MalformedSpecId);
}

#[test]
fn other_version_of_the_format_is_refused() {
    assert_eq!(with_spec_id(|data| data[21] = 3), EventLogError::SpecIdVersion { major: 3, minor: 0 });
    assert_eq!(with_spec_id(|data| data[20] = 1), EventLogError::SpecIdVersion { major: 2, minor: 1 });
}

#[test]
fn unknown_algorithm_is_refused() {
    assert_eq!(with_spec_id(|data| data[28] = 0x99), EventLogError::UnknownAlgorithm { algorithm: 0x99 });
}

#[test]
fn wrong_size_of_an_algorithm_is_refused() {
    let refusal = with_spec_id(|data| data[34] = 20);
    assert_eq!(refusal, EventLogError::AlgorithmSize { algorithm: 0x0b, size: 20 });
}

#[test]
fn duplicate_algorithm_is_refused() {
    let log = EventLogBuilder { banks: vec![Bank::Sha256, Bank::Sha256], ..ubuntu() };
    assert_eq!(refusal(&log), EventLogError::DuplicateAlgorithm { algorithm: 0x0b });
}

#[test]
fn pcr_that_does_not_exist_is_refused() {
    for pcr in [24, u32::MAX] {
        let mut log = ubuntu();
        log.events[8].pcr = pcr;
        assert_eq!(refusal(&log), EventLogError::PcrIndex { event: 9, pcr });
    }
}

#[test]
fn digest_of_an_undeclared_algorithm_is_refused() {
    let mut log = EventLogBuilder { banks: vec![Bank::Sha1, Bank::Sha256], ..ubuntu() };
    log.events[3].banks = Some(vec![Bank::Sha256, Bank::Sha384]);
    assert_eq!(refusal(&log), EventLogError::UndeclaredAlgorithm { event: 4, algorithm: 0x0c });
}

#[test]
fn two_digests_of_one_algorithm_are_refused() {
    let mut log = ubuntu();
    log.events[3].banks = Some(vec![Bank::Sha256, Bank::Sha256]);
    assert_eq!(refusal(&log), EventLogError::DuplicateDigest { event: 4, algorithm: 0x0b });
}

#[test]
fn t22_event_relabelled_as_one_that_extends_nothing_is_refused() {
    let mut log = ubuntu();
    log.event_mut(0, EventType::NONHOST_INFO).event_type = EventType::NO_ACTION;
    assert_eq!(refusal(&log), EventLogError::NoActionDigest { event: 2 });
}

#[test]
fn startup_locality_starts_pcr_0() {
    let mut log = ubuntu();
    log.startup_locality = 3;
    log.events.insert(0, BuiltEvent::no_action(0, b"StartupLocality\0\x03"));
    let judged = ReplayedLog::from_bytes(&log.bytes()).expect("accepted");
    assert_eq!(judged.replayed.values()[&0], log.pcrs()[&0]);
    assert_ne!(judged.replayed.values()[&0], ubuntu().pcrs()[&0]);
}

#[test]
fn startup_locality_out_of_place_is_refused() {
    let event = |value: u8| BuiltEvent::no_action(0, [&b"StartupLocality\0"[..], &[value]].concat());
    let with = |events: &[(usize, u8)]| {
        let mut log = ubuntu();
        for (position, value) in events {
            log.events.insert(*position, event(*value));
        }
        refusal(&log)
    };
    assert_eq!(with(&[(0, 3), (1, 3)]), EventLogError::StartupLocality { event: 2 });
    assert_eq!(with(&[(1, 3)]), EventLogError::StartupLocality { event: 2 });
    assert_eq!(with(&[(0, 1)]), EventLogError::StartupLocality { event: 1 });
}
