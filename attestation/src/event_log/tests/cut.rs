//! Truncated logs whose last events are presented as user space's: what firmware and boot loaders measured is
//! not accepted as a word of user space, in any register or sequence.

use super::*;
use crate::event_log::PcrRule;
use crate::event_log::UserspaceLog;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::userspace::UserspaceBuilder;

/// The log without the last `count` events of a register, and a systemd log with these events; `None` if the
/// register has fewer.
fn cut(boot: &EventLogBuilder, register: u32, count: usize) -> Option<(EventLogBuilder, UserspaceBuilder)> {
    let is_there = |event: &BuiltEvent| event.pcr == register && event.measured.is_some();
    let from = boot.events.iter().rev().filter(|event| is_there(event)).nth(count - 1)?;
    let from = boot.events.iter().rposition(|event| std::ptr::eq(event, from))?;
    let (mut short, mut moved) = (boot.clone(), UserspaceBuilder::new());
    short.events.truncate(from);
    for event in boot.events.iter().skip(from) {
        if !is_there(event) {
            short.events.push(event.clone());
        } else if let Some(measured) = &event.measured {
            let text = String::from_utf8_lossy(measured).into_owned();
            moved = moved.secret(u8::try_from(register).ok()?, &text, measured);
        }
    }
    Some((short, moved))
}

#[test]
fn t59_no_event_of_a_boot_passes_for_one_of_user_space() {
    let mut tried = 0;
    for (name, boot) in EventLogBuilder::all_chains(Technology::SevSnp) {
        for register in 0..16 {
            for count in 1..=3 {
                let Some((short, moved)) = cut(&boot, register, count) else { continue };
                let log = UserspaceLog::parse(&moved.log()).expect("well-formed");
                let judged = ReplayedLog::from_bytes(&short.bytes());
                let fits = |log: ReplayedLog, userspace| {
                    log.replayed.check_against(&boot.pcrs(), PcrRule::Release, userspace).is_ok()
                };
                for userspace in [None, Some(&log)] {
                    let taken = judged.clone().is_ok_and(|judged| fits(judged, userspace));
                    assert!(!taken, "{name}: {count} of PCR {register}");
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried}");
}
