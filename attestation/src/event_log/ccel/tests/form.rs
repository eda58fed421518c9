//! T25, T26 and T30: the form of the log.

use super::*;
use crate::event_log::MAX_EVENT_DATA;
use crate::event_log::MAX_EVENTS;
use crate::event_log::testing::without_numbers;
use crate::test_util::event_log::Bank;
use crate::test_util::event_log::ccel::CCEL_AREA;
use crate::test_util::event_log::spec_id;
use vouchsafe_protocol::limits::MAX_EVENT_LOG;

fn parse(bytes: &[u8]) -> CcelError {
    CcelLog::parse(bytes).map(|log| log.events().len()).expect_err("the bytes are refused")
}

fn with_banks(banks: Vec<Bank>) -> CcelError {
    refusal(&EventLogBuilder { banks, ..ubuntu() })
}

#[test]
fn t26_empty_log_is_refused() {
    let empty = CcelError::Log(EventLogError::Empty);
    assert_eq!(parse(&[]), empty);
    let header_only = EventLogBuilder { events: Vec::new(), ..ubuntu() };
    assert_eq!(parse(&header_only.bytes()), empty);
    assert_eq!(parse(&header_only.padded().bytes()), empty);
}

#[test]
fn padding_changes_nothing() {
    let padded = ubuntu().padded().bytes();
    assert_eq!(padded.len(), CCEL_AREA);
    assert_eq!(ReplayedCcel::from_bytes(&padded), ReplayedCcel::from_bytes(&ubuntu().bytes()));
    let little = EventLogBuilder { padding: 4, ..ubuntu() };
    assert_eq!(judge(&little), judge(&ubuntu()));
}

#[test]
fn t30_anything_in_the_padding_is_refused() {
    let log = ubuntu().padded();
    let event = log.events.len();
    let end = log.bytes().len() - log.padding;
    for position in [end + 4, end + 17, CCEL_AREA - 1] {
        let mut bytes = log.bytes();
        bytes[position] = 0xfe;
        assert_eq!(parse(&bytes), CcelError::Padding { event }, "{position}");
    }
    // An event after the end.
    let mut bytes = EventLogBuilder { padding: 4, ..ubuntu() }.bytes();
    bytes.extend(&ubuntu().bytes()[65..]);
    assert_eq!(parse(&bytes), CcelError::Padding { event });
}

#[test]
fn t30_trailing_bytes_are_refused() {
    for trailing in [vec![0xff; 3], vec![0; 1], vec![0; 17]] {
        let count = trailing.len();
        let bytes = [ubuntu().bytes(), trailing].concat();
        assert_eq!(parse(&bytes), EventLogError::TrailingBytes { count }.into());
    }
    // Padding of zeros is not accepted.
    let bytes = [ubuntu().bytes(), vec![0; 64]].concat();
    let event = ubuntu().events.len() + 1;
    assert_eq!(parse(&bytes), EventLogError::DigestCount { event, count: 0 }.into());
}

#[test]
fn t25_log_without_a_spec_id_header_is_refused() {
    let log = ubuntu();
    let headless = &log.bytes()[32 + spec_id(&log.banks).len()..];
    assert_eq!(parse(headless), EventLogError::NotAnEventLog.into());
    // An event in TPM 1.2 layout instead.
    let event = [&1_u32.to_le_bytes()[..], &8_u32.to_le_bytes(), &[7; 20], &1_u32.to_le_bytes(), b"x"];
    let bytes = [&event.concat(), headless].concat();
    assert_eq!(parse(&bytes), EventLogError::LegacyFormat.into());
    let other = EventLogBuilder { spec_id: Some(b"Spec ID Event02\0".to_vec()), ..ubuntu() };
    assert_eq!(refusal(&other), EventLogError::LegacyFormat.into());
}

#[test]
fn t25_header_of_another_register_is_refused() {
    for register in [0, 2, 3, 4] {
        let log = EventLogBuilder { header_index: register, ..ubuntu() };
        assert_eq!(refusal(&log), CcelError::HeaderRegister { register });
    }
    let log = EventLogBuilder { header_index: u32::MAX, ..ubuntu() };
    assert_eq!(refusal(&log), EventLogError::NotAnEventLog.into());
}

#[test]
fn t25_other_banks_than_sha384_are_refused() {
    for banks in [
        vec![Bank::Sha256],
        vec![Bank::Sha256, Bank::Sha384],
        vec![Bank::Sha384, Bank::Sha256],
        vec![Bank::Sha1, Bank::Sha256, Bank::Sha384],
    ] {
        assert_eq!(with_banks(banks), CcelError::Algorithms);
    }
    let twice = EventLogError::DuplicateAlgorithm { algorithm: 0x0c };
    assert_eq!(with_banks(vec![Bank::Sha384, Bank::Sha384]), twice.into());
}

#[test]
fn t25_second_header_is_refused() {
    let mut log = ubuntu();
    log.events.insert(4, BuiltEvent::no_action(1, spec_id(&[Bank::Sha384])));
    assert_eq!(refusal(&log), CcelError::SecondSpecId { event: 5 });
}

#[test]
fn t25_log_of_a_vtpm_is_refused() {
    let log = EventLogBuilder::gce_uki(crate::event_log::Technology::Tdx);
    assert_eq!(refusal(&log), CcelError::HeaderRegister { register: 0 });
}

#[test]
fn t25_register_that_does_not_exist_is_refused() {
    for register in [5, 8, 23, u32::MAX - 1] {
        let mut log = ubuntu();
        log.events[8].pcr = register;
        assert_eq!(refusal(&log), CcelError::RegisterIndex { event: 9, register });
    }
}

#[test]
fn t22_event_relabelled_as_one_that_extends_nothing_is_refused() {
    let mut log = ubuntu();
    log.variable_mut("SecureBoot").event_type = EventType::NO_ACTION;
    let event = number(log.position_of(1, EventType::NO_ACTION));
    assert_eq!(refusal(&log), EventLogError::NoActionDigest { event }.into());
}

#[test]
fn events_that_extend_nothing_are_accepted_in_every_register() {
    let mut log = ubuntu();
    for register in 0..5 {
        log.events.insert(2, BuiltEvent::no_action(register, b"SP800-155 Event3".to_vec()));
    }
    let read = |log: &EventLogBuilder| {
        let log = ReplayedCcel::from_bytes(&log.bytes()).expect("accepted");
        (log.rtmrs(), without_numbers(BootLog::clone(&log.boot)))
    };
    assert_eq!(read(&log), read(&ubuntu()));
}

#[test]
fn t30_log_above_the_limit_is_refused() {
    let log = EventLogBuilder { padding: MAX_EVENT_LOG, ..ubuntu() };
    let size = log.bytes().len();
    assert_eq!(refusal(&log), EventLogError::TooLarge { size }.into());
}

#[test]
fn t30_too_many_events_are_refused() {
    let mut log = ubuntu();
    let event = BuiltEvent::covered(3, IPL, "x");
    log.events.resize(MAX_EVENTS, event.clone());
    // Small enough to be read completely.
    for name in ["PK", "KEK", "db", "dbx"] {
        log.variable_mut(name).set("x");
    }
    assert_ne!(refusal(&log), EventLogError::TooManyEvents.into());
    log.events.push(event);
    assert_eq!(refusal(&log), EventLogError::TooManyEvents.into());
}

#[test]
fn t30_event_data_above_the_limit_is_refused() {
    let mut log = ubuntu();
    log.events[5].data = vec![0; MAX_EVENT_DATA + 1];
    assert_eq!(refusal(&log), EventLogError::EventDataSize { event: 6, size: 65537 }.into());
}

#[test]
fn t30_digest_count_is_bounded() {
    for count in [0, 2, u32::MAX] {
        let mut bytes = ubuntu().bytes();
        let at = 32 + spec_id(&ubuntu().banks).len() + 8;
        bytes[at..at + 4].copy_from_slice(&count.to_le_bytes());
        assert_eq!(parse(&bytes), EventLogError::DigestCount { event: 1, count }.into());
    }
}

#[test]
fn t30_truncated_log_is_refused() {
    let log = ubuntu();
    let bytes = log.bytes();
    let event = log.events.len();
    assert_eq!(parse(&bytes[..bytes.len() - 1]), EventLogError::Truncated { event }.into());
}

#[test]
fn t30_every_truncation_and_changed_byte_is_survived() {
    for log in [small(ubuntu()), small(uki())] {
        for length in 0..log.len() {
            let _ = ReplayedCcel::from_bytes(&log[..length]);
        }
        let mut log = log;
        for position in 0..log.len() {
            let byte = log[position];
            for changed in [0, 0xff, byte ^ 1, byte ^ 0x80] {
                log[position] = changed;
                if let Ok(judged) = ReplayedCcel::from_bytes(&log) {
                    assert_eq!(judged.check_against(&judged.rtmrs()), Ok(()));
                }
            }
            log[position] = byte;
        }
    }
}

/// A small log, so that every byte of it can be changed.
fn small(mut log: EventLogBuilder) -> Vec<u8> {
    for name in ["PK", "KEK", "db", "dbx"] {
        let event = log.variable_mut(name);
        let short = event.data[..60].to_vec();
        event.set(short);
    }
    log.events.retain(|event| event.data.len() < 200);
    log.bytes()
}
