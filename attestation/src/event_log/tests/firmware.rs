//! T22: the technology and version that the firmware states, each once.

use super::*;
use crate::event_log::testing::after_separator;
use crate::event_log::testing::before_separator;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::presets;
use crate::test_util::event_log::utf16;

#[test]
fn t22_nonhostinfo_relabelled_is_refused() {
    let mut log = ubuntu();
    log.event_mut(0, EventType::NONHOST_INFO).event_type = EventType::POST_CODE;
    let event_type = EventType::POST_CODE;
    assert_eq!(refusal(&log), EventLogError::NonHostInfoRelabelled { event: 2, event_type });
}

#[test]
fn t22_second_nonhostinfo_is_refused() {
    let mut log = ubuntu();
    let event = BuiltEvent::covered(0, EventType::NONHOST_INFO, presets::non_host_info(3));
    let event = before_separator(&mut log, event);
    assert_eq!(refusal(&log), EventLogError::SecondNonHostInfo { event });
}

#[test]
fn t22_nonhostinfo_after_the_separator_is_refused() {
    let mut log = ubuntu();
    let event = BuiltEvent::covered(0, EventType::NONHOST_INFO, presets::non_host_info(4));
    let event = after_separator(&mut log, event);
    let event_type = EventType::NONHOST_INFO;
    assert_eq!(refusal(&log), EventLogError::EventAfterSeparator { event, pcr: 0, event_type });
}

#[test]
fn malformed_nonhostinfo_is_refused() {
    let mut reserved = presets::non_host_info(4);
    reserved[31] = 1;
    let long = [presets::non_host_info(4), vec![0]].concat();
    for data in [reserved, long, b"GCE NonHostInfo\0".to_vec(), b"other".to_vec()] {
        let mut log = ubuntu();
        log.event_mut(0, EventType::NONHOST_INFO).set(data);
        assert_eq!(refusal(&log), EventLogError::MalformedNonHostInfo { event: 2 });
    }
}

#[test]
fn unknown_technology_is_refused() {
    let mut log = ubuntu();
    log.event_mut(0, EventType::NONHOST_INFO).set(presets::non_host_info(5));
    assert_eq!(refusal(&log), EventLogError::UnknownTechnology { value: 5 });
}

#[test]
fn t22_second_firmware_version_is_refused() {
    let mut log = ubuntu();
    let event = before_separator(&mut log, BuiltEvent::covered(0, EventType::S_CRTM_VERSION, utf16("v3")));
    assert_eq!(refusal(&log), EventLogError::SecondCrtmVersion { event });
}
