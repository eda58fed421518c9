//! T30: for any bytes, the parser returns a result and never panics.

use super::*;
use crate::event_log::EventLog;
use crate::test_util::event_log::Bank;

/// A small log, so that every byte of it can be changed.
fn small(log: EventLogBuilder) -> Vec<u8> {
    let mut log = EventLogBuilder { banks: vec![Bank::Sha256], ..log };
    for name in ["PK", "KEK", "db", "dbx"] {
        let event = log.variable_mut(name);
        let short = event.data[..60].to_vec();
        event.set(short);
    }
    log.bytes()
}

#[test]
fn t30_every_truncation_is_refused() {
    for log in [small(ubuntu()), small(uki())] {
        let whole = EventLog::parse(&log).expect("parses").events().len();
        for length in 0..log.len() {
            match EventLog::parse(&log[..length]) {
                // Cut between two events it is a shorter log, without ExitBootServices or its result.
                Ok(cut) => assert!(cut.events().len() < whole),
                Err(_) => continue,
            }
            let _ = ReplayedLog::from_bytes(&log[..length]);
        }
    }
}

#[test]
fn t30_every_changed_byte_is_survived() {
    for mut log in [small(ubuntu()), small(uki())] {
        for position in 0..log.len() {
            let byte = log[position];
            for changed in [0, 0xff, byte ^ 1, byte ^ 0x80, byte.wrapping_add(1)] {
                log[position] = changed;
                if let Ok(judged) = ReplayedLog::from_bytes(&log) {
                    assert!(judged.replayed.values().len() >= 8);
                }
            }
            log[position] = byte;
        }
    }
}

#[test]
fn t30_random_bytes_are_refused() {
    // xorshift: the same bytes on every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let header = EventLogBuilder { events: Vec::new(), ..ubuntu() }.bytes();
    for _ in 0..2000 {
        let length = usize::try_from(random() % 200).expect("small");
        let tail: Vec<u8> = (0..length).map(|_| random().to_le_bytes()[0]).collect();
        assert!(ReplayedLog::from_bytes(&tail).is_err());
        assert!(ReplayedLog::from_bytes(&[&header[..], &tail].concat()).is_err());
    }
}
