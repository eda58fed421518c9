//! Captured logs compared with their expected results and with the RTMRs of captured quotes. They are not in
//! the repository.

use serde_json::Value;
use vouchsafe_protocol::Digest48;

use super::*;
use crate::event_log::testing::authority_events;
use crate::event_log::testing::evidence;
use crate::event_log::testing::expected;
use crate::event_log::testing::read;

const COS_QUOTE: &str = "tdx/go-tdx-guest/cos-113-tdx-quote.dat";

/// RTMR0 to RTMR3 of a quote: header of 48 bytes, RTMR0 at 328 of the TD report's body.
fn quoted(folder: &std::path::Path, path: &str) -> [Digest48; 4] {
    let quote = read(folder, path);
    [0, 1, 2, 3].map(|rtmr| {
        let at = 48 + 328 + 48 * rtmr;
        Digest48(quote[at..at + 48].try_into().expect("48 bytes"))
    })
}

fn replays_as_expected(bytes: &[u8], entry: &Value) {
    let log = CcelLog::parse(bytes).expect("parses");
    assert_eq!(log.events().len(), entry["events"]);
    let replayed = log.replay();
    for (rtmr, name) in ["rtmr0", "rtmr1", "rtmr2"].into_iter().enumerate() {
        let value = replayed[rtmr].map(|digest| digest.to_string());
        assert_eq!(value.as_deref(), entry["replayed_rtmr"][name].as_str(), "{name}");
    }
    assert_eq!(replayed[3], None);
}

#[test]
fn captured_logs_of_cos_113_match_its_quote() {
    let Some(folder) = evidence() else { return };
    let expected = &expected(&folder)["ccel"];
    let rtmrs = quoted(&folder, COS_QUOTE);
    for (path, name) in [
        ("gce/tdx/ccel/cos-113-intel-tdx.bin", "cos-113-intel-tdx.bin"),
        ("gce/tdx/ccel/cos-113-intel-tdx-trimmed.bin", "cos-113-intel-tdx-trimmed.bin"),
        ("tdx/go-tdx-guest/cos-113-ccel_data.dat", "cos-113-intel-tdx.bin"),
    ] {
        println!("{path}");
        let bytes = read(&folder, path);
        let entry = &expected[name];
        replays_as_expected(&bytes, entry);
        let log = ReplayedCcel::from_bytes(&bytes).expect("accepted");
        assert_eq!(log.rtmrs(), rtmrs);
        assert_eq!(log.check_against(&rtmrs), Ok(()));
        let boot = &log.boot;
        assert_eq!(boot.technology, None);
        assert_eq!(boot.secure_boot.enabled, entry["secure_boot_var"] == "enabled");
        let line = entry["kernel_cmdline_events"][0].as_str();
        let line = line.and_then(|line| line.strip_prefix("kernel_cmdline: "));
        assert!(line.is_some());
        assert_eq!(boot.kernel_command_line.as_deref(), line);
        assert_eq!(boot.kernel_path.as_deref(), Some("/syslinux/vmlinuz.A"));
        let applications = serde_json::to_value(&boot.efi_applications).expect("digests");
        assert_eq!(applications, entry["efi_boot_services_apps"]);
        assert_eq!(authority_events(boot), entry["authority_events"]);
        assert_eq!(boot.events.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(boot.grub_files.len(), 5, "three lists of keys, grub.cfg, the kernel");
    }
}

#[test]
fn t24_captured_logs_with_a_duplicate_separator_replay_and_are_refused() {
    let Some(folder) = evidence() else { return };
    let expected = &expected(&folder)["ccel"];
    for name in [
        "cos-113-intel-tdx-dupe-separator.bin",
        "cos-113-intel-tdx-dupe-separator-unpadded.bin",
        "intel-ccel-unpadded.bin",
    ] {
        let bytes = read(&folder, &format!("gce/tdx/ccel/{name}"));
        replays_as_expected(&bytes, &expected[name]);
        let refusal = ReplayedCcel::from_bytes(&bytes).expect_err("refused");
        assert_eq!(refusal, CcelError::SecondSeparator { event: 16, register: 1 }, "{name}");
        assert!(refusal.to_string().contains("duplicate separator"));
    }
    let listed = expected.as_object().expect("a map").len();
    assert_eq!(listed, 5, "all logs are tested");
}

#[test]
fn the_live_log_does_not_explain_all_of_rtmr2() {
    let Some(folder) = evidence() else { return };
    let bytes = read(&folder, "tdx/attestation-rs/tdx_ccel_live.bin");
    let replayed = CcelLog::parse(&bytes).expect("parses").replay();
    let rtmrs = quoted(&folder, "tdx/attestation-rs/tdx_quote_live.dat");
    assert_eq!(replayed[..2], [Some(rtmrs[0]), Some(rtmrs[1])]);
    assert_ne!(replayed[2], Some(rtmrs[2]), "the guest extended it after the firmware");
    assert_eq!((replayed[3], rtmrs[3]), (None, Digest48([0; 48])));
    let log = ReplayedCcel::from_bytes(&bytes).expect("a valid log");
    // The variable SecureBoot is empty: the firmware has no Secure Boot.
    assert!(!log.boot.secure_boot.enabled);
    let refusal = log.check_against(&rtmrs);
    assert!(matches!(refusal, Err(CcelError::RtmrMismatch { rtmr: 2, .. })), "{refusal:?}");
}

#[test]
fn t26_log_without_the_events_of_a_quoted_rtmr_is_refused() {
    let Some(folder) = evidence() else { return };
    let bytes = read(&folder, "gce/negative-eventlogs/N21-ccel-mr3-events-dropped.bin");
    let log = ReplayedCcel::from_bytes(&bytes).expect("a valid log");
    let refusal = log.check_against(&quoted(&folder, COS_QUOTE));
    assert_eq!(refusal, Err(CcelError::RtmrWithoutEvents { rtmr: 2 }));
}

#[test]
fn captured_acpi_tables_are_refused_as_logs() {
    let Some(folder) = evidence() else { return };
    for name in ["cos-113-intel-tdx.table.bin", "intel-edk2-ccel.table.bin"] {
        let bytes = read(&folder, &format!("gce/tdx/ccel/{name}"));
        assert_eq!(ReplayedCcel::from_bytes(&bytes), Err(EventLogError::NotAnEventLog.into()), "{name}");
    }
}

#[test]
fn t25_logs_of_a_vtpm_and_of_ccel_are_not_taken_for_each_other() {
    let Some(folder) = evidence() else { return };
    let bytes = read(&folder, "gce/vtpm/eventlogs/dstack-uki-intel-tdx-gce.bin");
    assert_eq!(ReplayedCcel::from_bytes(&bytes), Err(CcelError::HeaderRegister { register: 0 }));
    let bytes = read(&folder, "gce/tdx/ccel/cos-113-intel-tdx-trimmed.bin");
    let refusal = crate::event_log::ReplayedLog::from_bytes(&bytes);
    assert_eq!(refusal, Err(EventLogError::CcelLog));
}
