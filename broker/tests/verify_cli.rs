//! `vouchsafe verify` over captured evidence: exit codes and JSON, through the binary.

#[path = "verify_cli/google.rs"]
mod google;
#[path = "verify_cli/tdx.rs"]
mod tdx;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use vouchsafe_attestation::test_util::ca::encode;
use vouchsafe_captured::folder as evidence;

fn vouchsafe(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vouchsafe")).arg("verify").args(arguments).output().expect("runs")
}

/// Claims of accepted evidence.
fn accepted(arguments: &[&str]) -> Value {
    let output = vouchsafe(arguments);
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON on standard output");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {json}");
    assert!(json.get("refused").is_none());
    json
}

/// The code of a refusal.
fn refused(arguments: &[&str]) -> String {
    let output = vouchsafe(arguments);
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON on standard output");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {json}");
    let text = |name| json.get(name).and_then(Value::as_str).map(str::to_owned);
    assert!(text("detail").is_some(), "{json}");
    text("refused").expect("a code")
}

fn unusable(arguments: &[&str]) {
    let output = vouchsafe(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert!(!output.stderr.is_empty(), "{arguments:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn pcrs_file(folder: &Path, pcrs: &Value) -> PathBuf {
    let path = folder.join("pcrs.json");
    fs::write(&path, pcrs.to_string()).expect("written");
    path
}

#[test]
fn captured_snp_reports_give_their_verdicts() {
    let Some(evidence) = evidence() else { return };
    let reports = evidence.join("snp/reports");
    for (name, vek, product, at) in [
        ("milan_v2_gosevguest", "vcek", "milan", "1771500000"),
        ("milan_v2_virtee", "vcek", "milan", "1771500000"),
        ("milan_v2_trustee", "vcek", "milan", "1771500000"),
        ("milan_v2_azure", "vcek", "milan", "1771500000"),
        ("milan_v3_vlek_trustee", "vlek", "milan", "1740000000"),
        ("turin_ms", "vcek", "turin", "1771500000"),
        ("genoa_v5_attestationrs", "vcek", "genoa", "1771500000"),
    ] {
        let report = reports.join(format!("{name}.report.bin"));
        let vek = reports.join(format!("{name}.{vek}.der"));
        let given = ["sev-snp", "--report", text(&report), "--vek", text(&vek), "--at", at];
        let claims = accepted(&[&given[..], &["--inspect"]].concat());
        assert_eq!(claims["sev_snp"]["product"], product, "{name}");
        // Absent revocation data is a claim.
        assert_eq!(claims["sev_snp"]["revocation"], "absent", "{name}");
        let root = if product == "milan" { Value::Null } else { "amd".into() };
        assert_eq!(claims["sev_snp"].get("root").cloned().unwrap_or_default(), root, "{name}: T11");
        let data = hex::encode(&fs::read(&report).expect("read")[0x50..0x90]);
        accepted(&[&given[..], &["--report-data", &data]].concat());
        assert_eq!(
            refused(&[&given[..], &["--report-data", &"ff".repeat(64)]].concat()),
            "snp-report-data-mismatch"
        );
    }
}

#[test]
fn the_leaf_is_read_from_a_file_with_its_issuers() {
    let Some(evidence) = evidence() else { return };
    let reports = evidence.join("snp/reports");
    let issuers = fs::read_to_string(evidence.join("gce/snp/ask_ark_genoa.pem")).expect("read");
    let vek = fs::read(reports.join("genoa_v5_attestationrs.vcek.der")).expect("read");
    let (report, vek) = (reports.join("genoa_v5_attestationrs.report.bin"), encode::pem(&vek));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("chain.pem");
    for chain in [format!("{vek}{issuers}"), format!("{issuers}\n{vek}"), vek] {
        fs::write(&file, chain).expect("written");
        let claims = accepted(&[
            "sev-snp",
            "--report",
            text(&report),
            "--vek",
            text(&file),
            "--at",
            "1771500000",
            "--inspect",
        ]);
        assert_eq!(claims["sev_snp"]["root"], "amd");
    }
    // Two leaves are ambiguous.
    let milan = fs::read(reports.join("milan_v2_azure.vcek.der")).expect("read");
    let genoa = fs::read(reports.join("genoa_v5_attestationrs.vcek.der")).expect("read");
    fs::write(&file, encode::pem(&genoa) + &encode::pem(&milan)).expect("written");
    let given =
        ["sev-snp", "--report", text(&report), "--vek", text(&file), "--at", "1771500000", "--inspect"];
    assert_eq!(refused(&given), "vek-chain-malformed");
}

#[test]
fn snp_reports_with_what_does_not_belong_to_them_are_refused() {
    let Some(evidence) = evidence() else { return };
    let file = |name: &str| evidence.join("snp/reports").join(name);
    let folder = tempfile::tempdir().expect("a folder");
    let verify = |report: &Path, vek: &str, at: &str| {
        let vek = file(vek);
        refused(&["sev-snp", "--report", text(report), "--vek", text(&vek), "--at", at, "--inspect"])
    };
    let genoa = file("genoa_v5_attestationrs.report.bin");
    let at = "1771500000";
    let turin_for_genoa = verify(&genoa, "turin_ms.vcek.der", at);
    assert!(turin_for_genoa.starts_with("snp-"), "{turin_for_genoa}");
    assert_eq!(verify(&file("milan_v2_virtee.report.bin"), "milan_v2_azure.vcek.der", at), "snp-other-vek");
    for vcek in ["milan_v2_trustee.vcek-invalid-legacy.der", "milan_v2_trustee.vcek-invalid-new.der"] {
        let code = verify(&file("milan_v2_trustee.report.bin"), vcek, at);
        assert!(code.starts_with("vek-chain-"), "{code}");
    }
    let vlek = file("milan_v3_vlek_trustee.report.bin");
    assert_eq!(verify(&vlek, "milan_v3_vlek_trustee.vlek.der", at), "vek-chain-expired");
    let mut bytes = fs::read(&genoa).expect("read");
    bytes[0x90] ^= 1;
    let changed = folder.path().join("changed.bin");
    fs::write(&changed, &bytes).expect("written");
    assert_eq!(verify(&changed, "genoa_v5_attestationrs.vcek.der", at), "snp-signature-invalid");
    bytes.push(0);
    fs::write(&changed, &bytes).expect("written");
    assert_eq!(verify(&changed, "genoa_v5_attestationrs.vcek.der", at), "snp-report-length");
}

#[test]
fn the_captured_go_tpm_tools_attestation_is_accepted_for_its_nonce() {
    let Some(evidence) = evidence() else { return };
    let attestation = evidence.join("gce/vtpm/attestations/gce-cos-85-nonce9009.pb");
    let given = ["vtpm", "--attestation", text(&attestation), "--at", "1650000000"];
    let claims = accepted(&[&given[..], &["--nonce", "9009"]].concat());
    assert_eq!(claims["technology"], "sev");
    assert_eq!(claims["vtpm"]["root"], "google");
    assert_eq!(claims["vtpm"]["instance"]["zone"], "us-central1-a");
    assert_eq!(claims["vtpm"]["instance"]["instance_name"], "cos-test");
    accepted(&[&given[..], &["--inspect"]].concat());
    assert_eq!(refused(&[&given[..], &["--nonce", "9010"]].concat()), "vtpm-nonce-mismatch");
    let garbage = tempfile::NamedTempFile::new().expect("a file");
    fs::write(garbage.path(), b"\xff\xff garbage").expect("written");
    let code = refused(&["vtpm", "--attestation", text(garbage.path()), "--inspect"]);
    assert!(code.starts_with("go-tpm-tools-"), "{code}");
}

#[test]
fn captured_event_logs_give_their_verdicts() {
    let Some(evidence) = evidence() else { return };
    let expected: Value =
        serde_json::from_slice(&fs::read(evidence.join("gce/expected.json")).expect("read")).expect("JSON");
    let folder = tempfile::tempdir().expect("a folder");
    let refusals = BTreeMap::from([
        ("debian-10.bin", "event-log-"),
        ("glinux-alex.bin", "event-log-"),
        ("arch-linux-workstation.bin", "event-log-"),
        ("gdc-host.bin", "event-log-"),
    ]);
    let logs = expected["eventlogs"].as_object().expect("an object");
    assert_eq!(logs.len(), 12);
    for (name, log) in logs {
        let none = Value::Object(serde_json::Map::new());
        let pcrs = pcrs_file(folder.path(), log["pcrs"].get("sha256").unwrap_or(&none));
        let file = evidence.join("gce/vtpm/eventlogs").join(name);
        let given = ["event-log", "--log", text(&file), "--pcrs", text(&pcrs)];
        match refusals.get(name.as_str()) {
            Some(prefix) => assert!(refused(&given).starts_with(prefix), "{name}"),
            None => {
                let claims = accepted(&given);
                let secure_boot = log["secure_boot_var"] == "enabled";
                assert_eq!(claims["boot"]["secure_boot"]["enabled"], secure_boot, "{name}");
            }
        }
    }
}

#[test]
fn t59_boots_with_systemd_are_explained_at_every_moment() {
    let Some(evidence) = evidence() else { return };
    let folder = evidence.join("lab/sid262-uki-signed-pcrs-nvpcr");
    let log = folder.join("eventlog.bin");
    for (moment, phase) in [("-initrd-early", "initrd"), ("-initrd", "initrd"), ("", "booted")] {
        let pcrs = folder.join(format!("pcrs{moment}.json"));
        let userspace = folder.join(format!("tpm2-measure{moment}.log"));
        let given = ["event-log", "--log", text(&log), "--pcrs", text(&pcrs)];
        assert_eq!(refused(&given), "event-log-userspace-log-needed");
        let claims = accepted(&[&given[..], &["--userspace-log", text(&userspace)]].concat());
        assert_eq!(claims["pcrs"]["phase"], phase);
        assert_eq!(claims["pcrs"]["userspace"]["0"], serde_json::json!(["os-separator"]));
        assert_eq!(claims["pcrs"]["userspace"]["9"].as_array().map(Vec::len), Some(6));
        assert_eq!(claims["boot"]["secure_boot"]["enabled"], false);
        // An unusable log is ignored, and reported although it is not needed.
        assert_eq!(
            refused(&[&given[..], &["--userspace-log", text(&log)]].concat()),
            "event-log-userspace-log-needed"
        );
    }
    let folder = evidence.join("lab/sid262-uki");
    let (log, pcrs) = (folder.join("eventlog.bin"), folder.join("pcrs-initrd.json"));
    let given = ["event-log", "--log", text(&log), "--pcrs", text(&pcrs), "--userspace-log", text(&log)];
    let claims = accepted(&given);
    assert_eq!(claims["withheld"][0]["claim"], "vtpm.userspace");
}

#[test]
fn registers_are_read_as_tpm2_pcrread_prints_them() {
    let Some(evidence) = evidence() else { return };
    for (boot, secure_boot) in [("secure-boot", true), ("direct", false)] {
        let folder = evidence.join("lab-boot").join(boot);
        let (log, pcrs) = (folder.join("eventlog.bin"), folder.join("pcrs.txt"));
        // PCR 10 belongs to IMA.
        let claims = accepted(&["event-log", "--log", text(&log), "--pcrs", text(&pcrs)]);
        assert_eq!(claims["boot"]["secure_boot"]["enabled"], secure_boot, "{boot}");
        assert_eq!(claims["pcrs"]["phase"], "initrd");
    }
}

#[test]
fn a_ccel_log_is_held_against_rtmrs_without_a_quote() {
    let Some(evidence) = evidence() else { return };
    let log = evidence.join("gce/tdx/ccel/cos-113-intel-tdx.bin");
    let quote = fs::read(evidence.join("gce/tdx/quotes/gce-cos113-tdx-quote-v4.dat")).expect("read");
    // DCAP Quote v4: TD report body at 48, RTMR0 at 328 of it.
    let mut rtmrs: Vec<String> = quote[376..568].chunks(48).map(hex::encode).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rtmrs.json");
    let write = |rtmrs: &[String]| {
        let object: serde_json::Map<String, Value> =
            rtmrs.iter().enumerate().map(|(at, rtmr)| (at.to_string(), rtmr.clone().into())).collect();
        fs::write(&file, Value::Object(object).to_string()).expect("written");
    };
    write(&rtmrs);
    let claims = accepted(&["ccel", "--log", text(&log), "--rtmrs", text(&file)]);
    assert_eq!(claims["boot"]["secure_boot"]["enabled"], false);
    assert!(claims["boot"]["kernel_command_line"].is_string());
    // For each kind of log the error says which kind the other one is.
    assert_eq!(
        refused(&[
            "event-log",
            "--log",
            text(&log),
            "--pcrs",
            text(&pcrs_file(folder.path(), &serde_json::json!({})))
        ]),
        "event-log-ccel-log"
    );
    let tpm = evidence.join("lab/sid262-uki/eventlog.bin");
    assert_eq!(refused(&["ccel", "--log", text(&tpm), "--rtmrs", text(&file)]), "ccel-header-register");
    rtmrs[2] = "00".repeat(48);
    write(&rtmrs);
    assert_eq!(refused(&["ccel", "--log", text(&log), "--rtmrs", text(&file)]), "ccel-events-for-zero-rtmr");
    write(&rtmrs[..3]);
    unusable(&["ccel", "--log", text(&log), "--rtmrs", text(&file)]);
}

#[test]
fn t22_forged_event_logs_are_refused() {
    let Some(evidence) = evidence() else { return };
    let expected: Value =
        serde_json::from_slice(&fs::read(evidence.join("gce/expected.json")).expect("read")).expect("JSON");
    let folder = tempfile::tempdir().expect("a folder");
    let mut seen = 0;
    for (name, log) in expected["negative"].as_object().expect("an object") {
        // N21 is a CCEL log, which has registers and no PCRs.
        if name.starts_with("N21-") {
            continue;
        }
        let pcrs = &log["sha256_pcrs"];
        seen += 1;
        let pcrs = pcrs_file(folder.path(), pcrs);
        let file = evidence.join("gce/negative-eventlogs").join(name);
        let given = ["event-log", "--log", text(&file), "--pcrs", text(&pcrs)];
        let must = log["must"].as_str().expect("a verdict");
        let code = refused(&given);
        assert!(code.starts_with("event-log-") || code.starts_with("vtpm-"), "{name}: {code} ({must})");
    }
    assert_eq!(seen, 15);
}

#[test]
fn usage_and_unreadable_files_are_exit_2() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = text(file.path());
    unusable(&[]);
    unusable(&["sev-snp", "--report", path, "--vek", path]);
    unusable(&["sev-snp", "--report", path, "--vek", path, "--inspect", "--report-data", &"00".repeat(64)]);
    unusable(&["sev-snp", "--report", path, "--vek", path, "--report-data", "00"]);
    unusable(&["sev-snp", "--report", "/nowhere", "--vek", path, "--inspect"]);
    unusable(&["vtpm", "--attestation", path]);
    unusable(&["vtpm", "--attestation", path, "--nonce", "xyz"]);
    unusable(&["vtpm", "--attestation", "/nowhere", "--inspect"]);
    unusable(&["vtpm", "--attestation", path, "--inspect", "--collateral", path]);
    unusable(&["vtpm", "--attestation", path, "--inspect", "--anchor", path]);
    unusable(&["event-log", "--log", path, "--pcrs", path]);
    fs::write(file.path(), "{\"0\":\"00\"}").expect("written");
    unusable(&["event-log", "--log", path, "--pcrs", path]);
    fs::write(file.path(), "{}").expect("written");
    unusable(&["event-log", "--log", "/nowhere", "--pcrs", path]);
    // An empty object is well-formed, so the log is refused.
    assert_eq!(vouchsafe(&["event-log", "--log", path, "--pcrs", path]).status.code(), Some(1));
}

#[test]
fn binary_evidence_that_was_saved_as_text_is_read() {
    let Some(evidence) = evidence() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let quote = fs::read(evidence.join("gce/tdx/quotes/gce-tdx-2025-12-18-quote-v4.dat")).expect("read");
    let report = fs::read(evidence.join("snp/reports/genoa_v5_attestationrs.report.bin")).expect("read");
    let vek = evidence.join("snp/reports/genoa_v5_attestationrs.vcek.der");
    let file = folder.path().join("text");
    for text_of in
        [|bytes: &[u8]| hex::encode(bytes), |bytes: &[u8]| format!("0x{}\n", hex::encode_upper(bytes))]
    {
        fs::write(&file, text_of(&quote)).expect("written");
        let output = vouchsafe(&["tdx", "--quote", text(&file), "--inspect", "--at", "1770801952"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("read as hex"));
        fs::write(&file, text_of(&report)).expect("written");
        let given =
            ["sev-snp", "--report", text(&file), "--vek", text(&vek), "--inspect", "--at", "1771500000"];
        assert_eq!(accepted(&given)["sev_snp"]["product"], "genoa");
    }
    // A decoded text is checked as strictly.
    fs::write(&file, hex::encode(&quote[..quote.len() / 2])).expect("written");
    assert_eq!(refused(&["tdx", "--quote", text(&file), "--inspect"]), "tdx-quote-truncated");
}

#[test]
fn the_text_form_of_go_tpm_tools_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("attestation.txtpb");
    fs::write(&file, "ak_pub: \"abc\"\nquotes: {\n quote: \"x\"\n}\n").expect("written");
    let output = vouchsafe(&["vtpm", "--attestation", text(&file), "--inspect"]);
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(
        said.contains("go-tpm-tools-text-form") && said.contains("gotpm attest --format binarypb"),
        "{said}"
    );
}
