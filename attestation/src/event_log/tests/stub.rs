//! T22: sections that the stub of a unified kernel image measures.

use super::*;
use crate::event_log::testing::before_exit;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::utf16;

#[test]
fn t22_stub_section_under_another_name_is_refused() {
    let mut log = uki();
    let position = log.position(|event| event.pcr == 11);
    log.events[position].data = utf16(".initrd");
    assert_eq!(refusal(&log), EventLogError::StubSectionName { event: number(position) });
}

#[test]
fn t22_second_stub_section_is_refused() {
    let mut log = uki();
    let [name, content] = BuiltEvent::stub_section(".initrd", b"another");
    let event = before_exit(&mut log, name);
    before_exit(&mut log, content);
    assert_eq!(refusal(&log), EventLogError::SecondStubSection { event });
}

#[test]
fn stub_section_without_content_is_refused() {
    let mut log = uki();
    let [name, _] = BuiltEvent::stub_section(".dtb", b"");
    before_exit(&mut log, name);
    assert_eq!(refusal(&log), EventLogError::StubSectionWithoutContent);
}
