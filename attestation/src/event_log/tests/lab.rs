//! Real boots of current distributions, in the initrd and after it. They are outside the tree.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use vouchsafe_protocol::Digest32;

use crate::event_log::EventLogError;
use crate::event_log::PcrRule;
use crate::event_log::PcrState;
use crate::event_log::Phase;
use crate::event_log::ReplayedLog;
use crate::event_log::UserspaceLog;
use crate::event_log::testing::evidence;
use crate::event_log::testing::read;

/// The times at which PCRs and measurement log were captured.
const MOMENTS: [&str; 3] = ["-initrd-early", "-initrd", ""];

fn pcrs(folder: &Path, moment: &str) -> BTreeMap<u8, Digest32> {
    let pcrs: Value = serde_json::from_slice(&read(folder, &format!("pcrs{moment}.json"))).expect("JSON");
    let pcrs = pcrs.as_object().expect("an object").iter();
    pcrs.map(|(pcr, value)| (pcr.parse().expect("an index"), value.as_str().unwrap().parse().unwrap()))
        .collect()
}

fn userspace_log(folder: &Path, moment: &str) -> Option<UserspaceLog> {
    let log = std::fs::read(folder.join(format!("tpm2-measure{moment}.log"))).ok()?;
    Some(UserspaceLog::parse(&log).expect("systemd's log is well-formed"))
}

/// The expected words in the registers at one of these times.
fn expected_words(moment: &str, systemd: u32, nv_pcrs: usize) -> BTreeMap<u8, usize> {
    let mut words = BTreeMap::new();
    if systemd >= 257 {
        words.insert(11, if moment.is_empty() { 4 } else { 1 });
    }
    if systemd >= 261 {
        words.extend((0..=7).chain(12..=14).map(|pcr| (pcr, 1)));
        words.insert(9, 2 + nv_pcrs);
    }
    words
}

#[test]
fn boots_of_the_laboratory_are_accepted_at_every_moment() {
    let Some(evidence) = evidence() else { return };
    let boots: [(&str, bool, u32, usize); 6] = [
        // Name, Secure Boot, systemd (0 if it measures nothing), NvPCRs.
        ("bookworm-shim-grub-second-entry", true, 0, 0),
        ("trixie257-shim-grub-dracut", true, 0, 0),
        ("trixie257-uki", false, 257, 0),
        ("sid262-uki", false, 262, 0),
        ("sid262-uki-secboot-capable", false, 262, 0),
        ("sid262-uki-signed-pcrs-nvpcr", false, 262, 4),
    ];
    let listed = std::fs::read_dir(evidence.join("lab")).expect("a folder");
    let listed = listed.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_dir())).count();
    assert_eq!(listed, boots.len(), "all boots are tested");
    for (name, secure_boot, systemd, nv_pcrs) in boots {
        let folder = evidence.join("lab").join(name);
        let log = ReplayedLog::from_bytes(&read(&folder, "eventlog.bin")).expect(name);
        assert_eq!(log.boot.secure_boot.enabled, secure_boot, "{name}");
        for moment in MOMENTS {
            let (pcrs, userspace) = (pcrs(&folder, moment), userspace_log(&folder, moment));
            assert_eq!(userspace.is_some(), systemd > 0, "{name}{moment}");
            let check = |log: Option<&UserspaceLog>, rule| -> Result<PcrState, EventLogError> {
                judge(&folder, &pcrs, log, rule)
            };
            let state = check(userspace.as_ref(), PcrRule::Release).expect("accepted with its log");
            assert_eq!(check(userspace.as_ref(), PcrRule::Given), Ok(state.clone()));
            let after = moment.is_empty() && systemd > 0;
            let phase = if after { Phase::Booted } else { Phase::Initrd };
            assert_eq!(state.phase, Some(phase), "{name}{moment}");
            let mut words: BTreeMap<u8, usize> =
                state.userspace.iter().map(|(pcr, words)| (*pcr, words.len())).collect();
            let identity = words.remove(&15);
            assert_eq!(identity, after.then_some(if systemd > 257 { 2 } else { 1 }), "{name}{moment}");
            assert_eq!(words, expected_words(moment, systemd, nv_pcrs), "{name}{moment}");
            // Without the measurement log, constants explain everything except the NvPCRs.
            match (check(None, PcrRule::Release), nv_pcrs) {
                (Ok(alone), 0) => {
                    let mut userspace = state.userspace.clone();
                    userspace.remove(&15);
                    assert_eq!((alone.phase, alone.userspace), (state.phase, userspace), "{name}{moment}");
                }
                (refused, _) => assert_eq!(refused, Err(EventLogError::UserspaceLogNeeded { pcr: 9 })),
            }
        }
    }
}

fn judge(
    folder: &Path,
    pcrs: &BTreeMap<u8, Digest32>,
    log: Option<&UserspaceLog>,
    rule: PcrRule,
) -> Result<PcrState, EventLogError> {
    ReplayedLog::from_bytes(&read(folder, "eventlog.bin"))?.replayed.check_against(pcrs, rule, log)
}

#[test]
fn t59_claims_of_a_boot_are_the_same_at_every_moment() {
    let Some(evidence) = evidence() else { return };
    for entry in std::fs::read_dir(evidence.join("lab")).expect("a folder") {
        let folder = entry.expect("an entry").path();
        if !folder.is_dir() {
            continue;
        }
        let log = ReplayedLog::from_bytes(&read(&folder, "eventlog.bin")).expect("accepted");
        // The firmware's values: those in the initrd, without what user space extended.
        let before: Vec<Digest32> = (0..=14).map(|pcr| log.replayed.value(pcr)).collect();
        let quoted = pcrs(&folder, "");
        let extended =
            (0..=14).filter(|pcr| quoted.get(pcr).is_some_and(|value| *value != before[usize::from(*pcr)]));
        let words = judge(&folder, &quoted, userspace_log(&folder, "").as_ref(), PcrRule::Release);
        let words = words.expect("accepted").userspace;
        assert!(extended.eq(words.into_keys().filter(|pcr| *pcr != 15)), "{}", folder.display());
    }
}

#[test]
fn t26_a_changed_register_of_a_laboratory_boot_is_refused() {
    let Some(evidence) = evidence() else { return };
    for name in ["trixie257-shim-grub-dracut", "sid262-uki-signed-pcrs-nvpcr"] {
        let folder = evidence.join("lab").join(name);
        for moment in MOMENTS {
            let userspace = userspace_log(&folder, moment);
            for pcr in (0..=9).chain(11..=14) {
                let mut pcrs = pcrs(&folder, moment);
                pcrs.get_mut(&pcr).expect("given").0[31] ^= 1;
                let refused =
                    judge(&folder, &pcrs, userspace.as_ref(), PcrRule::Release).expect_err("refused");
                assert!(refused.to_string().contains(&format!("PCR {pcr} ")), "{name}{moment}: {refused}");
            }
        }
    }
}
