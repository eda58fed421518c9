//! What distributions get: scripts and units that the distributions' own tools accept.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::tree;

/// All files of a folder of the tree.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn is_unit(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "service" || extension == "socket")
}

/// Whether a program is on this system.
fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

#[test]
fn shellcheck_has_nothing_to_say() {
    if !is_there("shellcheck") {
        return;
    }
    let is_script = |path: &PathBuf| fs::read(path).expect("a file").starts_with(b"#!/");
    let scripts: Vec<_> = files(&tree::root().join("packaging")).into_iter().filter(is_script).collect();
    assert!(scripts.len() >= 7, "{scripts:?}");
    let checked =
        Command::new("shellcheck").arg("--severity=warning").args(&scripts).output().expect("it runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn systemd_knows_every_directive_of_the_units() {
    if !is_there("systemd-analyze") {
        return;
    }
    let units: Vec<_> =
        files(&tree::root().join("packaging")).into_iter().filter(|path| is_unit(path)).collect();
    assert!(units.len() >= 5, "{units:?}");
    let checked = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units).output();
    let said = String::from_utf8(checked.expect("it runs").stderr).expect("text");
    // The programs are not installed here.
    let other: Vec<_> = said.lines().filter(|line| !line.contains("is not executable")).collect();
    assert!(other.is_empty(), "{other:?}");
}

#[test]
fn t35_whatever_leaves_the_initrd_or_opens_a_shell_requires_the_latch() {
    let read = |name: &str| tree::read(&format!("packaging/dracut/90vouchsafe/{name}"));
    let setup = read("module-setup.sh");
    let exits = setup.lines().find_map(|line| line.strip_prefix("vouchsafe_exits=\"")).expect("the list");
    let exits: Vec<_> = exits.trim_end_matches('"').split(' ').collect();
    assert_eq!(exits, ["debug-shell", "dracut-emergency", "emergency", "rescue", "systemd-hibernate-resume"]);
    assert!(setup.contains("vouchsafe_drop_in leaving.conf initrd-switch-root\n"));
    for (drop_in, unit, option) in [
        ("leaving.conf", "vouchsafe-latch.service", "--root /sysroot"),
        ("failing.conf", "vouchsafe-latch-failed.service", "--recovery"),
    ] {
        let (drop_in, latch) = (read(drop_in), read(unit));
        for line in [format!("Requires={unit}"), format!("After={unit}")] {
            assert!(drop_in.lines().any(|found| found == line), "{line}");
        }
        let start = format!("ExecStart=/usr/bin/vouchsafe-guest latch --or-halt {option}");
        for line in ["FailureAction=poweroff-force", &start] {
            assert!(latch.lines().any(|found| found == line), "{line}");
        }
        // A condition that does not hold would let through what requires the unit.
        assert!(!latch.contains("Condition"));
    }
}

#[test]
fn t31_a_passphrase_is_noted_before_it_can_be_typed() {
    let drop_in = tree::read("packaging/dracut/90vouchsafe/asking.conf");
    let noted = format!("/run/vouchsafe/{}'", vouchsafe_guest_client::boot::RECOVERY_MARK);
    assert!(drop_in.lines().any(|line| line.starts_with("ExecStartPre=/bin/sh") && line.ends_with(&noted)));
    let setup = tree::read("packaging/dracut/90vouchsafe/module-setup.sh");
    assert!(
        setup.contains("vouchsafe_agents=\"systemd-ask-password-console systemd-ask-password-plymouth\"\n")
    );
    assert!(setup.contains("vouchsafe_drop_in asking.conf \"$unit\"\n"));
}

#[test]
fn the_resolver_gets_the_name_servers_of_networkd() {
    let folder = tempfile::tempdir().expect("a folder");
    let (state, file) = (folder.path().join("state"), folder.path().join("resolv.conf"));
    fs::write(&state, "# private data\nOPER_STATE=routable\nDNS=169.254.169.254 fd00::53\nNTP=\n").unwrap();
    let write = || {
        let script = tree::root().join("packaging/dracut/90vouchsafe/write-resolver.sh");
        let status = Command::new("sh").arg(script).args([&state, &file]).status().expect("it runs");
        assert!(status.success());
        fs::read_to_string(&file).unwrap()
    };
    assert_eq!(write(), "nameserver 169.254.169.254\nnameserver fd00::53\n");
    fs::write(&file, "nameserver 10.0.0.1\n").unwrap();
    assert_eq!(write(), "nameserver 10.0.0.1\n");
}

/// Runs `propose-update` with a guest that ends with this code, and returns what it printed.
fn propose(folder: &Path, guest: u8, arguments: &[&str]) -> String {
    let place = |path: &str| folder.join(path).display().to_string();
    let script = tree::read("packaging/updates/propose-update")
        .replace("/etc/vouchsafe/guest.toml", &place("guest.toml"))
        .replace("/sys/class/tpm/tpm0", &place("tpm0"))
        .replace("/run/vouchsafe", &place("run"))
        .replace("/boot /efi /usr/lib/shim /usr/lib/grub", &place("boot"));
    fs::write(folder.join("script"), script).unwrap();
    fs::create_dir_all(folder.join("bin")).unwrap();
    let program = folder.join("bin/vouchsafe-guest");
    fs::write(&program, format!("#!/bin/sh\necho \"$*\"\nexit {guest}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", place("bin"));
    let ran =
        Command::new("sh").arg(folder.join("script")).args(arguments).env("PATH", path).output().unwrap();
    assert!(ran.status.success(), "an upgrade goes on");
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn the_hooks_of_updates_propose_once_and_never_fail_an_upgrade() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let propose = |guest, arguments: &[&str]| propose(folder, guest, arguments);
    fs::write(folder.join("guest.toml"), "[volumes]\n").unwrap();
    fs::write(folder.join("tpm0"), "").unwrap();
    fs::create_dir(folder.join("boot")).unwrap();
    assert_eq!(propose(0, &[]), "", "no baseline is configured");
    fs::write(folder.join("guest.toml"), "[updates]\nbaseline = \"prod/a\"\n").unwrap();
    let asked = "update propose --quiet\n";
    let failed = "vouchsafe: the next boot was not proposed, and may be refused. Before the reboot: vouchsafe-guest update propose\n";
    assert_eq!(propose(11, &["changed"]), asked.to_owned() + failed);
    // That is not forgotten.
    assert_eq!(propose(20, &["changed"]), asked);
    assert_eq!(propose(20, &["changed"]), "", "nothing was changed since");
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(folder.join("boot/initrd"), "new").unwrap();
    assert_eq!(propose(0, &["changed"]), asked);
    assert_eq!(propose(0, &[]), asked, "always, by hand");
    fs::remove_file(folder.join("tpm0")).unwrap();
    assert_eq!(propose(0, &[]), "", "an image is being built");
    // The hooks of a package that was removed, but not purged.
    for hook in ["kernel-postinst", "initramfs-post-update", "99-vouchsafe.install"] {
        let ran = Command::new("sh")
            .arg(tree::root().join("packaging/updates").join(hook))
            .arg("add")
            .output()
            .unwrap();
        assert!(ran.status.success() && ran.stdout.is_empty(), "{hook}");
    }
}
