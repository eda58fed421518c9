//! No boot that differs in one digest or text is a member: for every captured log and every simulated chain.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vouchsafe_attestation::event_log::{EventType, ReplayedCcel};

use super::*;

/// Every captured log that is accepted, with its name.
fn captured_logs() -> Vec<(String, BaselineLog, Arc<BootLog>)> {
    let Some(folder) = vouchsafe_captured::folder() else { return Vec::new() };
    let mut files = Vec::new();
    for part in
        ["gce/vtpm/eventlogs", "gce/vtpm/eventlogs-legacy", "gce/tdx/ccel", "lab", "lab-boot", "field"]
    {
        add_files(&folder.join(part), &mut files);
    }
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("a file");
        let name = path.strip_prefix(&folder).expect("below it").display().to_string();
        let vtpm = ReplayedLog::from_bytes(&bytes).map(|log| (BaselineLog::Vtpm, log.boot));
        let found =
            vtpm.ok().or_else(|| Some((BaselineLog::Ccel, ReplayedCcel::from_bytes(&bytes).ok()?.boot)));
        found.map(|(log, boot)| (name, log, boot))
    };
    files.into_iter().filter_map(read).collect()
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            add_files(&path, files);
        } else {
            files.push(path);
        }
    }
    files.sort();
}

/// The paths and values of all digests and texts in a document.
fn leaves(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}/{number}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if !["technology", "log", "description", "composed_initrd"].contains(&name.as_str()) {
                    leaves(member, &format!("{path}/{name}"), found);
                }
            }
        }
        _ => {}
    }
}

fn is_digest(text: &str) -> bool {
    matches!(text.len(), 64 | 96) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The same document with one leaf changed.
fn changed(document: &Value, path: &str, text: &str) -> Baseline {
    let mut document = document.clone();
    let flipped = if text.starts_with('0') { "1" } else { "0" };
    let other = if is_digest(text) { format!("{flipped}{}", &text[1..]) } else { format!("{text} more") };
    *document.pointer_mut(path).expect("there") = Value::String(other);
    serde_json::from_value(document).expect("a baseline")
}

/// Asserts that it contains the boot, and that with one digest or text changed it does not, with a reason
/// that names the event.
fn check(name: &str, baseline: &Baseline, claims: &Claims) -> usize {
    assert_eq!(Baseline::parse(&baseline.to_json()).as_ref(), Ok(baseline), "{name}");
    assert_eq!(baseline.is_member(claims, NOW), Ok(()), "{name}");
    let document = serde_json::to_value(baseline).expect("JSON");
    let mut found = Vec::new();
    leaves(&document, "", &mut found);
    for (path, text) in &found {
        let mismatch = changed(&document, path, text).is_member(claims, NOW);
        let reason = mismatch.expect_err(&format!("{name}: {path}: {text}")).to_string();
        let start: String = format!("{text:?}").trim_matches('"').chars().take(60).collect();
        let component = path.split('/').nth(1).unwrap_or_default().replace('_', " ");
        assert!(
            reason.contains(&start) || reason == format!("{component} is missing"),
            "{name}: {path}: {text}: {reason}"
        );
    }
    found.len()
}

#[test]
fn t49_a_baseline_learned_from_a_captured_boot_contains_only_that() {
    // Firmware that measures no image at all; a kernel whose command line was not measured. The error says
    // what is missing.
    let refused = [
        ("field/sdboot-fedora37-empty-secureboot.log.bin", CaptureError::NoKernel, "which kernel ran"),
        ("field/ccel-gcp.bin", CaptureError::NoCommandLine, "the kernel's command line"),
    ];
    let logs = captured_logs();
    let (found, mut by_sections) = (!logs.is_empty(), BTreeSet::new());
    for (name, log, boot) in logs {
        let claims = with_boot(boot, log);
        match Baseline::capture_log(&claims, log, 1, END) {
            Ok(baseline) => {
                println!("{name}: {} digests and texts", check(&name, &baseline, &claims));
                if baseline.composed_initrd == ComposedInitrd::BySections {
                    by_sections.insert(name);
                }
            }
            Err(error) => {
                let expected = refused.iter().find(|(file, ..)| *file == name);
                let (_, expected, missing) = expected.unwrap_or_else(|| panic!("{name}: {error}"));
                assert_eq!(error, *expected, "{name}");
                assert!(
                    error.to_string().starts_with(&format!("the log does not show {missing}")),
                    "{error}"
                );
            }
        }
    }
    for folder in ["lab/trixie257-uki/", "lab/sid262-uki/", "lab/sid262-uki-secboot-capable/"] {
        assert!(
            !found || by_sections.iter().any(|name| name.starts_with(folder)),
            "{folder}: {by_sections:?}"
        );
    }
}

#[test]
fn t49_a_baseline_learned_from_a_simulated_boot_contains_only_that() {
    for (name, log) in EventLogBuilder::all_chains(Technology::SevSnp) {
        let boot =
            ReplayedLog::from_bytes(&log.bytes()).unwrap_or_else(|error| panic!("{name}: {error}")).boot;
        let claims = with_boot(boot, BaselineLog::Vtpm);
        let baseline = Baseline::capture_log(&claims, BaselineLog::Vtpm, 1, END);
        check(name, &baseline.unwrap_or_else(|error| panic!("{name}: {error}")), &claims);
    }
    for (name, mut log) in EventLogBuilder::all_chains(Technology::Tdx) {
        // systemd-boot measures loader.conf only into a TPM.
        log.events.retain(|event| event.pcr != 5 || event.event_type != EventType::EVENT_TAG);
        let log = log.into_ccel();
        let boot =
            ReplayedCcel::from_bytes(&log.bytes()).unwrap_or_else(|error| panic!("{name}: {error}")).boot;
        let claims = with_boot(boot, BaselineLog::Ccel);
        let baseline = Baseline::capture_log(&claims, BaselineLog::Ccel, 1, END);
        check(name, &baseline.unwrap_or_else(|error| panic!("{name}: {error}")), &claims);
    }
}

/// Changes one event of a boot: the measured data, and its text with it.
fn with_other_content(log: &EventLogBuilder, at: usize) -> Option<(EventLogBuilder, String)> {
    let mut log = log.clone();
    let event = log.events.get_mut(at)?;
    let measured = event.measured.clone()?;
    if event.pcr == 8 {
        let text = String::from_utf8(measured).ok()?;
        let text = text.trim_end_matches('\0');
        *event = BuiltEvent::grub("grub_cmd: ", &format!("{text} evil"));
        return Some((log, format!("{text:?}").trim_matches('"').chars().take(60).collect()));
    }
    if event.data == measured {
        return None;
    }
    event.measured = Some([&measured[..], b"evil"].concat());
    let digest = Digest32::of(event.measured.as_deref()?);
    Some((log, digest.to_string()))
}

#[test]
fn t49_one_other_event_is_named_in_the_refusal() {
    for (name, log) in EventLogBuilder::all_chains(Technology::SevSnp) {
        let boot = |log: &EventLogBuilder| ReplayedLog::from_bytes(&log.bytes()).map(|log| log.boot);
        let claims = with_boot(boot(&log).expect("accepted"), BaselineLog::Vtpm);
        let baseline = Baseline::capture_log(&claims, BaselineLog::Vtpm, 1, END).expect("learned");
        let mut refused = BTreeSet::new();
        for at in 0..log.events.len() {
            if ![2, 4, 8, 9, 11, 12, 13].contains(&log.events[at].pcr) {
                continue;
            }
            let Some((other, named)) = with_other_content(&log, at) else { continue };
            // The changed section name is not valid any more.
            let Ok(boot) = boot(&other) else { continue };
            let other = with_boot(boot, BaselineLog::Vtpm);
            let is_initrd = log.events[at].measured.as_deref() == Some(&content("composed"));
            if is_initrd && baseline.composed_initrd == ComposedInitrd::BySections {
                assert_eq!(baseline.is_member(&other, NOW), Ok(()), "{name}");
                continue;
            }
            let reason = baseline.is_member(&other, NOW).expect_err(name).to_string();
            assert!(reason.contains(&named), "{name}: {reason}");
            refused.insert(log.events[at].pcr);
        }
        assert!(refused.contains(&4) || refused.contains(&2), "{name}");
        assert!(refused.contains(&8) || refused.contains(&11) || refused.contains(&9), "{name}");
        let mut other = claims.clone();
        let measurement = &mut other.sev_snp.as_mut().expect("a report").measurement;
        measurement.0[0] ^= 1;
        let named = measurement.to_string();
        assert!(baseline.is_member(&other, NOW).expect_err(name).to_string().contains(&named));
    }
}
