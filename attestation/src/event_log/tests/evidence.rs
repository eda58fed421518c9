//! Captured logs compared with their expected results. They are outside the tree.

use std::collections::BTreeMap;

use serde_json::Value;
use vouchsafe_protocol::Digest32;

use crate::event_log::BootLog;
use crate::event_log::EventLogError;
use crate::event_log::EventType;
use crate::event_log::PcrRule;
use crate::event_log::Phase;
use crate::event_log::ReplayedLog;
use crate::event_log::testing::authority_events;
use crate::event_log::testing::evidence;
use crate::event_log::testing::expected;
use crate::event_log::testing::read;
use crate::evidence::sha256_pcrs;
use crate::technology::Technology;

fn pcrs(value: &Value) -> BTreeMap<u8, Digest32> {
    let pcrs = value.as_object().expect("a map of PCRs");
    pcrs.iter()
        .map(|(pcr, value)| {
            let digest = value.as_str().and_then(|text| text.parse().ok()).expect("a digest");
            (pcr.parse().expect("an index"), digest)
        })
        .collect()
}

/// Every PCR that the release rule checks: those of the map, the others at reset.
fn release_pcrs(given: &BTreeMap<u8, Digest32>) -> BTreeMap<u8, Digest32> {
    (0..16).map(|pcr| (pcr, given.get(&pcr).copied().unwrap_or(Digest32([0; 32])))).collect()
}

fn accept(bytes: &[u8], given: &BTreeMap<u8, Digest32>) -> BootLog {
    let log = ReplayedLog::from_bytes(bytes).expect("the log is accepted");
    assert_eq!(log.replayed.values(), given);
    let state = log.replayed.check_against(given, PcrRule::Given, None).expect("given PCRs fit");
    assert_eq!(state.phase, None);
    let state = log.replayed.check_against(&release_pcrs(given), PcrRule::Release, None);
    let state = state.expect("quoted PCRs fit");
    assert_eq!((state.phase, state.userspace.len()), (Some(Phase::Initrd), 0));
    BootLog::clone(&log.boot)
}

#[test]
fn captured_logs_give_their_expected_claims() {
    let Some(folder) = evidence() else { return };
    let expected = expected(&folder);
    let accepted = [
        "ubuntu-1804-amd-sev.bin",
        "ubuntu-2104-no-dbx.bin",
        "ubuntu-2104-no-secure-boot.bin",
        "ubuntu-2404-amd-sevsnp.bin",
        "cos-85-amd-sev.bin",
        "cos-93-amd-sev.bin",
        "eventlogwithsp800155.bin",
        "dstack-uki-intel-tdx-gce.bin",
    ];
    for name in accepted {
        println!("{name}");
        let entry = &expected["eventlogs"][name];
        let bytes = read(&folder, &format!("gce/vtpm/eventlogs/{name}"));
        let boot = accept(&bytes, &pcrs(&entry["pcrs"]["sha256"]));
        assert_eq!(boot.technology.map(google_name), entry["gce_technology"].as_str());
        assert_eq!(boot.firmware_version.as_deref(), entry["scrtm_version"].as_str());
        assert_eq!(boot.secure_boot.enabled, entry["secure_boot_var"] == "enabled");
        let line = entry["kernel_cmdline_events"][0].as_str();
        let line = line.and_then(|line| line.strip_prefix("kernel_cmdline: "));
        assert_eq!(boot.kernel_command_line.as_deref(), line);
        assert_eq!(authority_events(&boot), entry["authority_events"]);
        let applications = serde_json::to_value(&boot.efi_applications).expect("digests");
        if name.starts_with("dstack") {
            // The source of the expectation looks for applications in PCR 4 only; this firmware measures them
            // into PCR 2.
            assert_eq!(entry["efi_boot_services_apps"], serde_json::json!([]));
            assert_eq!(boot.efi_applications.len(), 2);
        } else {
            assert_eq!(applications, entry["efi_boot_services_apps"]);
        }
    }
}

fn google_name(technology: Technology) -> &'static str {
    match technology {
        Technology::None => "NONE",
        Technology::Sev => "AMD_SEV",
        Technology::SevEs => "AMD_SEV_ES",
        Technology::Tdx => "INTEL_TDX",
        Technology::SevSnp => "AMD_SEV_SNP",
    }
}

#[test]
fn the_uki_of_the_tdx_vm_is_found_in_pcr_2_and_11() {
    let Some(folder) = evidence() else { return };
    let bytes = read(&folder, "gce/vtpm/eventlogs/dstack-uki-intel-tdx-gce.bin");
    let boot = ReplayedLog::from_bytes(&bytes).expect("accepted").boot;
    let names: Vec<&str> = boot.stub_sections.iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, [".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat"]);
    assert!(boot.efi_applications[0].to_string().starts_with("9ab14a46"));
    assert!(boot.efi_applications[1].to_string().starts_with("ade943a0"));
    assert_eq!(boot.kernel_command_line, None, "the log has only its digest");
}

#[test]
fn captured_logs_that_are_refused() {
    let Some(folder) = evidence() else { return };
    let cases = [
        ("eventlogs/debian-10.bin", EventLogError::LegacyFormat),
        ("eventlogs/glinux-alex.bin", EventLogError::ExitBootServicesMissing),
        ("eventlogs/arch-linux-workstation.bin", EventLogError::ExitBootServicesMissing),
        (
            "eventlogs/gdc-host.bin",
            EventLogError::DigestMismatch { event: 3, pcr: 0, event_type: EventType::S_CRTM_VERSION },
        ),
        ("eventlogs-legacy/ebs_event_missing_eventlog", EventLogError::LegacyFormat),
        ("eventlogs-legacy/option_rom_eventlog", EventLogError::LegacyFormat),
        ("eventlogs-legacy/short_no_action_eventlog", EventLogError::LegacyFormat),
        ("eventlogs-legacy/crypto_agile_eventlog", EventLogError::ExitBootServicesMissing),
        ("eventlogs-legacy/sb_cert_eventlog", EventLogError::ExitBootServicesMissing),
        ("eventlogs-legacy/windows_gcp_shielded_vm.json", EventLogError::NotAnEventLog),
        ("eventlogs-legacy/linux_tpm12.json", EventLogError::NotAnEventLog),
    ];
    for (name, refusal) in cases {
        let bytes = read(&folder, &format!("gce/vtpm/{name}"));
        assert_eq!(ReplayedLog::from_bytes(&bytes), Err(refusal), "{name}");
    }
}

#[test]
fn captured_logs_of_the_older_set_are_accepted() {
    let Some(folder) = evidence() else { return };
    for (name, technology) in [
        ("coreos_36_shielded_vm_no_secure_boot_eventlog", Technology::Sev),
        ("ubuntu_2104_shielded_vm_no_secure_boot_eventlog", Technology::None),
    ] {
        let bytes = read(&folder, &format!("gce/vtpm/eventlogs-legacy/{name}"));
        let boot = ReplayedLog::from_bytes(&bytes).expect("accepted").boot;
        assert_eq!(boot.technology, Some(technology), "{name}");
        assert!(!boot.secure_boot.enabled, "{name}");
        assert!(boot.kernel_command_line.is_some(), "{name}");
    }
}

#[test]
fn t22_forged_logs_are_refused() {
    let Some(folder) = evidence() else { return };
    let mismatch = |event, pcr, event_type| EventLogError::DigestMismatch { event, pcr, event_type };
    let cases = [
        ("N01-empty.bin", EventLogError::Empty),
        ("N02-pcr7-events-dropped.bin", EventLogError::SeparatorMissing { pcr: 7 }),
        ("N03-pcr0-events-dropped.bin", EventLogError::SeparatorMissing { pcr: 0 }),
        ("N04-nonhostinfo-data-forged-to-snp.bin", mismatch(2, 0, EventType::NONHOST_INFO)),
        (
            "N06-nonhostinfo-after-separator.bin",
            EventLogError::EventAfterSeparator { event: 54, pcr: 0, event_type: EventType::NONHOST_INFO },
        ),
        (
            "N07-pcr0-separator-retyped-plus-inject.bin",
            EventLogError::SeparatorRelabelled { event: 18, pcr: 0, event_type: EventType::EFI_ACTION },
        ),
        ("N08-secureboot-var-data-forged.bin", mismatch(3, 7, EventType::EFI_VARIABLE_DRIVER_CONFIG)),
        ("N09-kernel-cmdline-data-forged.bin", mismatch(46, 8, EventType::IPL)),
        (
            "N11-efi-app-after-exitbootservices.bin",
            EventLogError::EventAfterExitBootServices {
                event: 49,
                pcr: 4,
                event_type: EventType::EFI_BOOT_SERVICES_APPLICATION,
            },
        ),
        ("N12-specid-sha256-size-20.bin", EventLogError::AlgorithmSize { algorithm: 0x0b, size: 20 }),
        ("N13-pcr7-without-sha256-digests.bin", EventLogError::NoSha256Digest { event: 3, pcr: 7 }),
        ("N15-truncated-last-event.bin", EventLogError::Truncated { event: 48 }),
        ("N16-trailing-garbage.bin", EventLogError::TrailingBytes { count: 5 }),
        ("N17-digest-count-4g.bin", EventLogError::DigestCount { event: 1, count: u32::MAX }),
        ("N18-specid-algs-4g.bin", EventLogError::AlgorithmCount { count: u32::MAX }),
    ];
    let listed = expected(&folder)["negative"].as_object().expect("a map").len();
    assert_eq!(cases.len() + 1, listed, "all but the one for CCEL");
    for (name, refusal) in cases {
        let bytes = read(&folder, &format!("gce/negative-eventlogs/{name}"));
        assert_eq!(ReplayedLog::from_bytes(&bytes), Err(refusal), "{name}");
    }
}

#[test]
fn logs_of_laboratory_boots_replay_to_the_pcrs_read_in_the_guest() {
    let Some(folder) = evidence() else { return };
    for (boot, secure_boot, line) in [
        ("secure-boot", true, Some("/vmlinuz console=ttyS0 panic=-1 lab.broker=http://10.0.2.2:18091")),
        ("direct", false, None),
    ] {
        let log = ReplayedLog::from_bytes(&read(&folder, &format!("lab-boot/{boot}/eventlog.bin")))
            .expect("accepted");
        let text = read(&folder, &format!("lab-boot/{boot}/pcrs.txt"));
        let pcrs = sha256_pcrs(std::str::from_utf8(&text).expect("text"));
        assert_eq!(pcrs.len(), 24);
        let state = log.replayed.check_against(&pcrs, PcrRule::Release, None).expect("PCRs fit");
        assert_eq!(state.phase, Some(Phase::Initrd));
        assert_eq!(log.boot.technology, None, "not Google's firmware");
        assert_eq!(
            (&log.boot.firmware_version, log.boot.firmware_version_hex.as_deref()),
            (&None, Some("0000"))
        );
        assert_eq!(log.boot.secure_boot.enabled, secure_boot);
        assert_eq!(log.boot.kernel_command_line.as_deref(), line);
        assert!(!log.boot.efi_applications.is_empty());
    }
}
