//! `vouchsafe recover-admin`: access for whoever has the keyring and the database.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use crate::process::{Served, free_port, made, text, vouchsafe};

/// A broker that is stopped, and whose only token is lost.
struct Locked {
    folder: TempDir,
}

impl Locked {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let operators = format!("127.0.0.1:{}", free_port("127.0.0.1"));
        made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", &operators]);
        for file in ["token", "data/operator.toml"] {
            fs::remove_file(folder.path().join(file)).expect("removed");
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn recover(&self, name: &str, out: &Path, more: &[&str]) -> Output {
        let mut command = vouchsafe();
        command.args(["recover-admin", name, "--config"]).arg(self.path("data/broker.toml"));
        command.arg("--out").arg(out).args(more).output().expect("runs")
    }

    /// A command of the new administrator.
    fn run(&self, arguments: &[&str]) -> String {
        let mut command = vouchsafe();
        let output = command.args(arguments).arg("--operator").arg(self.path("rescue.toml")).output();
        let output = output.expect("runs");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

#[test]
fn a_recovered_administrator_takes_over() {
    let broker = Locked::new();
    let out = broker.path("rescue.toml");
    let recovered = broker.recover("rescue", &out, &[]);
    let (printed, logged) = (text(&recovered.stdout), text(&recovered.stderr));
    assert!(recovered.status.success(), "{logged}");
    assert!(printed.contains("vouchsafe operator remove NAME --operator "), "{printed}");
    assert!(printed.contains("token, which ends at 20"), "{printed}");
    for line in [
        format!("  install -m 600 {0} rescue.toml && rm {0}\n", out.display()),
        "  install -D -m 600 rescue.toml ~/.config/vouchsafe/operator.toml && rm rescue.toml\n".to_owned(),
    ] {
        assert!(printed.contains(&line), "{printed}");
    }
    assert!(logged.contains("keystore.administrator_recovered") && logged.contains("WARN"), "{logged}");
    assert_eq!(fs::metadata(&out).expect("written").permissions().mode() & 0o777, 0o600);

    let served = Served::start(&broker.path("data"));
    let running = broker.recover("late", &broker.path("late.toml"), &[]);
    assert_eq!(running.status.code(), Some(2));
    let said = text(&running.stderr);
    assert!(said.contains("keystore.db is in use by process "), "{said}");
    assert!(broker.run(&["operator", "list"]).contains("admin"));
    broker.run(&["operator", "remove", "admin"]);
    let decisions = broker.run(&["decisions", "list"]);
    assert!(decisions.contains("operator.recover") && decisions.contains("recover-admin"), "{decisions}");
    drop(served);
}

#[test]
fn a_taken_name_or_file_is_refused_and_nothing_is_written() {
    let broker = Locked::new();
    let refused = |name: &str, out: &Path, more: &[&str], expected: &str| {
        let output = broker.recover(name, out, more);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    let new = broker.path("new.toml");
    refused("admin", &new, &[], "operator admin already exists: choose another name");
    refused("Not A Name", &new, &[], "is not a valid name");
    refused("rescue", &new, &["--ca", "/nonexistent/ca.pem"], "/nonexistent/ca.pem");
    assert!(!new.exists());
    let theirs = broker.path("theirs.toml");
    fs::write(&theirs, "theirs").expect("written");
    refused(
        "rescue",
        &theirs,
        &[],
        "theirs.toml: exists already, and is not overwritten: name a new file, or move that one away first",
    );
    assert_eq!(fs::read_to_string(&theirs).expect("read"), "theirs");
    let config = broker.path("data/broker.toml");
    let written = fs::read_to_string(&config).expect("read");
    fs::write(&config, written.replace("listen = \"127.0.0.1:", "listen = \"0.0.0.0:")).expect("written");
    refused("rescue", &new, &[], "give its URL with --server");
    // None of them has added the account.
    fs::write(&config, written).expect("written");
    let output = broker.recover("rescue", &broker.path("rescue.toml"), &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}
