//! Volumes of the initrd, and a TPM that an SVSM makes.

use super::*;
use crate::config::{KeysConfig, UpdatesConfig};

/// What is found for these volumes in the initrd, this crypttab and this command line.
fn boot(volumes: &[&str], crypttab: &str, line: &str) -> Vec<(Status, String)> {
    let root = healthy();
    write(&root, "etc/crypttab", crypttab);
    write(&root, "proc/cmdline", line);
    let mut diagnosis = examine(root.path());
    let before = diagnosis.findings.len();
    diagnosis.check_boot(root.path(), &keys(volumes));
    assert!(diagnosis.findings.iter().all(|finding| finding.status == Status::Ok || finding.fix.is_some()));
    let found = diagnosis.findings.split_off(before);
    found.into_iter().map(|finding| (finding.status, finding.what)).collect()
}

fn keys(volumes: &[&str]) -> KeysConfig {
    let tables = volumes.iter().map(|name| format!("[volumes.{name}]\nsecret = \"prod/{name}/disk\"\n"));
    let file = tempfile::NamedTempFile::new().unwrap();
    let sample = include_str!("../../../guest.sample.toml");
    fs::write(file.path(), format!("{sample}\n{}", tables.collect::<String>())).unwrap();
    crate::GuestConfig::read(file.path()).unwrap().keys
}

#[test]
fn nothing_is_said_about_boot_without_volumes() {
    assert_eq!(boot(&[], "", ""), []);
}

#[test]
fn updates_have_to_be_proposed_where_the_initrd_unlocks_a_volume() {
    let found = |keys: &KeysConfig, updates: Option<&UpdatesConfig>| {
        let mut diagnosis = Diagnosis { provable: Vec::new(), findings: Vec::new(), token_claims: None };
        diagnosis.check_updates(keys, updates);
        diagnosis
            .findings
            .into_iter()
            .map(|finding| (finding.id, finding.status, finding.what))
            .collect::<Vec<_>>()
    };
    let updates = UpdatesConfig { baseline: "prod/debian-12".parse().unwrap(), lists: "/none".into() };
    assert_eq!(found(&KeysConfig::default(), None), []);
    let proposed = "proposed for the baseline prod/debian-12".to_owned();
    assert_eq!(found(&keys(&["root"]), Some(&updates)), [("updates", Status::Ok, proposed)]);
    let [(id, status, what)] = found(&keys(&["root"]), None).try_into().unwrap();
    assert_eq!((id, status), ("updates", Status::Warning));
    assert!(what.contains("is refused"), "{what}");
}

#[test]
fn volumes_of_both_kinds_of_initrd_are_ready() {
    let crypttab = "# root\nroot UUID=1 none luks,initramfs,keyscript=vouchsafe,header=/run/vouchsafe/root.header,tries=3\n";
    let found = boot(&["root"], crypttab, "root=/dev/mapper/root ro panic=-1");
    let ok = |what: &str| (Status::Ok, what.to_owned());
    assert_eq!(found, [ok("root, by initramfs-tools"), ok("rules out a shell in the initrd")]);
    for folder in ["/lib", "/usr/lib"] {
        let script = format!("keyscript={folder}/cryptsetup/scripts/vouchsafe");
        let crypttab = format!("root UUID=1 none initramfs,{script},header=/run/vouchsafe/root.header");
        let found = boot(&["root"], &crypttab, "root=/dev/mapper/root ro panic=-1");
        assert_eq!(found[0], ok("root, by initramfs-tools"));
    }
    let crypttab = "root UUID=1 /run/vouchsafe/keys.sock luks,header=/run/vouchsafe/root.header\n";
    let found = boot(&["root"], crypttab, "rd.shell=0 rd.emergency=reboot");
    assert_eq!(found, [ok("root, by systemd-cryptsetup"), ok("rules out a shell in the initrd")]);
}

#[test]
fn what_keeps_a_volume_locked_is_named() {
    for (crypttab, expected) in [
        ("", "crypttab has no volume root"),
        ("#root UUID=1 none keyscript=vouchsafe", "crypttab has no volume root"),
        ("root UUID=1", "the key of root comes from elsewhere in crypttab"),
        ("root UUID=1 /etc/key luks", "the key of root comes from elsewhere in crypttab"),
        (
            "root UUID=1 none luks,keyscript=vouchsafe,header=/run/vouchsafe/root.header",
            "root may not be opened in the initrd",
        ),
        (
            "root UUID=1 none luks,initramfs,keyscript=vouchsafe",
            "root would be opened with the header on its disk",
        ),
        ("root UUID=1 /run/vouchsafe/keys.sock luks", "root would be opened with the header on its disk"),
    ] {
        let found = boot(&["root"], crypttab, "panic=-1 rd.shell=0 rd.emergency=reboot");
        assert_eq!(found[0], (Status::Warning, expected.to_owned()), "{crypttab}");
    }
}

#[test]
fn t35_a_command_line_that_allows_a_shell_is_named() {
    let crypttab = "root UUID=1 none luks,initramfs,keyscript=vouchsafe,header=/run/vouchsafe/root.header";
    let found = boot(&["root"], crypttab, "ro quiet");
    assert_eq!(found[1].0, Status::Warning);
    assert!(found[1].1.contains("panic=-1"), "{}", found[1].1);
    let found = boot(&["root"], crypttab, "ro panic=-1 init=/bin/sh");
    assert!(found[1].1.contains("init=/bin/sh"), "{}", found[1].1);
    // The other kind of initrd needs other arguments.
    let found = boot(
        &["root"],
        "root UUID=1 /run/vouchsafe/keys.sock luks,header=/run/vouchsafe/root.header",
        "ro panic=-1",
    );
    assert!(found[1].1.contains("rd.shell=0"), "{}", found[1].1);
}

#[test]
fn the_tpm_of_an_svsm_is_not_supported_yet() {
    let root = healthy();
    // Every SNP guest of newer kernels has this device.
    write(&root, "sys/bus/platform/devices/tpm-svsm/modalias", "");
    assert_eq!(status(&root, "tpm"), Some(Status::Ok));
    write(&root, "sys/bus/platform/drivers/tpm-svsm/tpm-svsm/tpm/tpm0/dev", "");
    let diagnosis = examine(root.path());
    let finding = diagnosis.finding("tpm").unwrap();
    assert_eq!(finding.status, Status::Missing);
    assert_eq!(finding.what, "/dev/tpmrm0 is made by an SVSM inside the VM, which is not supported yet");
    assert_eq!(diagnosis.provable, [Provable::SevSnp]);
    // Another TPM beside it is not concerned.
    write(&root, "dev/tpmrm1", "");
    let mut config = CollectConfig::default();
    config.vtpm.device = Some("/dev/tpmrm1".parse().unwrap());
    let diagnosis = examine_with(root.path(), &config, |_| Ok(AkAlgorithm::Ecc));
    assert_eq!(diagnosis.finding("tpm").unwrap().status, Status::Ok);
}
