//! Files that other users can read or change.

use std::fs::{Permissions, metadata, set_permissions, write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;
use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::test_util::snp::FakeAmd;

use crate::process::{free_port, made, text, vouchsafe};
use crate::support::{logged, serve};

fn chmod(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

#[test]
fn t42_a_data_folder_or_database_of_others_or_for_others_is_refused() {
    let folder = TempDir::new().expect("a folder");
    made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", "127.0.0.1:0"]);
    let data = folder.path().join("data");
    for (path, mode) in [(data.clone(), 0o700), (data.join("keystore.db"), 0o600)] {
        let refused = |expected: &str| {
            let output =
                vouchsafe().args(["serve", "--config"]).arg(data.join("broker.toml")).output().expect("runs");
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(&format!("{}: {expected}", path.display())), "{said}");
        };
        for loose in [mode | 0o040, mode | 0o001, mode | 0o022] {
            chmod(&path, loose);
            let advice = format!("chmod {mode:03o} {}", path.display());
            refused(&format!("has mode {loose:03o}, so other users may read or change it: {advice}"));
        }
        chmod(&path, mode);
        // Only root can give it away.
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
            refused("belongs to user id 65534");
            std::os::unix::fs::chown(&path, Some(0), None).expect("taken back");
        }
    }
}

/// Such as files that root has put back. Only root can give them away.
#[test]
fn files_out_of_the_reach_of_the_brokers_user_are_named_with_the_next_step() {
    let folder = TempDir::new().expect("a folder");
    made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", "127.0.0.1:0"]);
    let data = folder.path().join("data");
    if std::os::unix::fs::chown(&data, Some(65_534), None).is_err() {
        return;
    }
    chmod(folder.path(), 0o755);
    // Where that user can run it.
    let program = folder.path().join("vouchsafe");
    std::fs::copy(env!("CARGO_BIN_EXE_vouchsafe"), &program).expect("copied");
    chmod(&program, 0o755);
    let give = |path: &Path, user| std::os::unix::fs::chown(path, Some(user), None).expect("by root");
    let names =
        ["broker.toml", "keyring.json", "keystore.db", "keystore.head", "keystore.db.lock", "tls/key.pem"];
    names
        .iter()
        .chain(&["tls", "tls/certificate.pem", "tls/ca.pem"])
        .for_each(|name| give(&data.join(name), 65_534));
    for name in names {
        let file = data.join(name);
        give(&file, 0);
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--clear-groups"]).arg(&program).args(["serve", "--config"]);
        command.arg(data.join("broker.toml"));
        let output = command.output().expect("runs");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        let file_name = file.display().to_string();
        let advice = if name.starts_with("keystore.") {
            format!(
                "{file_name}: belongs to user id 0, and not to the owner of its folder: `chown --reference={}",
                data.display()
            )
        } else {
            "Permission denied (os error 13); it belongs to another user: if root has put it back, give it to"
                .to_owned()
        };
        assert!(said.contains(&file_name) && said.contains(&advice), "{name}: {said}");
        give(&file, 65_534);
    }
}

#[test]
fn t34_a_key_of_tls_that_others_can_read_is_named_at_start_and_at_a_reload() {
    let folder = TempDir::new().expect("a folder");
    made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", "127.0.0.1:0"]);
    let data = folder.path().join("data");
    let key = data.join("tls/key.pem");
    chmod(&key, 0o644);
    let mut command = vouchsafe();
    command.args(["serve", "--config"]).arg(data.join("broker.toml"));
    let (mut process, log) = logged(command);
    let expected =
        format!("{0}: has mode 644, so other users may read or change it: chmod 600 {0}", key.display());
    let line = log.iter().find(|line| line.contains("broker.tls_key_exposed")).expect("a warning");
    assert!(line.contains(&expected), "{line}");
    let before =
        log.iter().find(|line| line.contains("broker.listening") || line.contains("tls_key_exposed"));
    assert!(before.is_some_and(|line| line.contains("broker.listening")), "one key, one warning");
    chmod(&key, 0o660);
    let pid = rustix::process::Pid::from_child(&process);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("it runs");
    let line = log.iter().find(|line| line.contains("broker.tls_key_exposed")).expect("a warning");
    assert!(line.contains("has mode 660"), "{line}");
    process.kill().expect("it runs");
    process.wait().expect("ended");
}

#[test]
fn t34_folders_are_the_brokers_alone() {
    let folder = TempDir::new().expect("a folder");
    let operators = format!("127.0.0.1:{}", free_port("127.0.0.1"));
    made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", &operators]);
    let data = folder.path().join("data");
    let (mut process, ..) = serve(&data);
    let item = folder.path().join("item.der");
    write(&item, FakeAmd::shared(Product::Genoa).ask_der()).expect("written");
    let mut import = vouchsafe();
    import.args(["collateral", "import"]).arg(&item).arg("--operator").arg(data.join("operator.toml"));
    let output = import.output().expect("runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    process.kill().expect("it runs");
    process.wait().expect("ended");
    for name in ["", "tls", "guest", "collateral"] {
        let path = data.join(name);
        assert_eq!(metadata(&path).expect("there").permissions().mode() & 0o777, 0o700, "{path:?}");
    }
    for name in ["keystore.db", "keystore.db.lock", "tls/key.pem"] {
        let path = data.join(name);
        assert_eq!(metadata(&path).expect("there").permissions().mode() & 0o777, 0o600, "{path:?}");
    }
}
