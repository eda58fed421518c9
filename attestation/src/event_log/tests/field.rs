//! Logs of machines in the field, with their PCRs. They are outside the tree.

use std::collections::BTreeMap;

use serde_json::Value;
use vouchsafe_protocol::Digest32;

use crate::event_log::EventLogError;
use crate::event_log::PcrRule;
use crate::event_log::PcrState;
use crate::event_log::ReplayedLog;
use crate::event_log::testing::evidence;
use crate::event_log::testing::read;
use crate::technology::Technology;

fn check(name: &str) -> Option<Result<(ReplayedLog, PcrState), EventLogError>> {
    let folder = evidence()?.join("field");
    let pcrs: BTreeMap<String, Value> =
        serde_json::from_slice(&read(&folder, &format!("{name}.pcrs.json"))).expect("JSON");
    let pcrs: BTreeMap<u8, Digest32> = pcrs
        .iter()
        .map(|(pcr, value)| (pcr.parse().expect("an index"), value.as_str().unwrap().parse().unwrap()))
        .collect();
    let judged = ReplayedLog::from_bytes(&read(&folder, &format!("{name}.log.bin"))).and_then(|log| {
        let state = log.replayed.check_against(&pcrs, PcrRule::Given, None)?;
        Ok((log, state))
    });
    Some(judged)
}

#[test]
fn a_stale_boot_entry_is_an_attempt_that_returned() {
    let Some(judged) = check("stale-boot-entry-cos") else { return };
    let (log, _) = judged.expect("accepted");
    assert_eq!(log.boot.technology, Some(Technology::Sev));
    assert!(log.boot.kernel_command_line.is_some(), "nothing ran in the first attempt");
}

#[test]
fn an_empty_variable_is_secure_boot_off() {
    let Some(judged) = check("sdboot-fedora37-empty-secureboot") else { return };
    assert!(!judged.expect("accepted").0.boot.secure_boot.enabled);
}

#[test]
fn os_separator_of_systemd_261_is_explained() {
    let Some(judged) = check("systemd261-os-separator") else { return };
    let (_, state) = judged.expect("accepted");
    assert_eq!(state.userspace.get(&0).map(Vec::len), Some(1));
}

#[test]
fn a_vendors_own_type_in_pcr_2_is_refused() {
    let Some(judged) = check("bare-metal-bootguard") else { return };
    assert!(matches!(judged, Err(EventLogError::EventAfterSeparator { pcr: 2, .. })));
}
