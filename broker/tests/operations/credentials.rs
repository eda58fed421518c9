//! The root keyring as a credential of the service manager, in a folder laid out as systemd does.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::{free_port, made, text, vouchsafe};
use crate::support::logged;

/// A broker whose configuration takes the keyring from credential `keyring`.
struct Broker {
    folder: TempDir,
}

impl Broker {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let operators = format!("127.0.0.1:{}", free_port("127.0.0.1"));
        made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", &operators]);
        let broker = Self { folder };
        let config = fs::read_to_string(broker.config()).expect("read");
        fs::write(
            broker.config(),
            format!("keyring = \"credential:keyring\"\n{config}\n[collateral]\nfetch = false\n"),
        )
        .expect("written");
        fs::create_dir(broker.credentials()).expect("a folder");
        fs::rename(broker.path("data/keyring.json"), broker.credential()).expect("moved");
        broker.chmod(0o400);
        broker
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("data/broker.toml")
    }

    fn credentials(&self) -> PathBuf {
        self.path("credentials")
    }

    fn credential(&self) -> PathBuf {
        self.credentials().join("keyring")
    }

    fn chmod(&self, mode: u32) {
        fs::set_permissions(self.credential(), Permissions::from_mode(mode)).expect("it is ours");
    }

    fn command(&self, arguments: &[&str], credentials: Option<&Path>) -> Command {
        let mut command = vouchsafe();
        command.args(arguments).arg("--config").arg(self.config()).env_remove(FOLDER);
        command.envs(credentials.map(|folder| (FOLDER, folder)));
        command
    }

    fn ok(&self, arguments: &[&str], credentials: Option<&Path>) -> String {
        let output = self.command(arguments, credentials).output().expect("runs");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn refused(&self, arguments: &[&str], credentials: Option<&Path>) -> String {
        let output = self.command(arguments, credentials).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    /// Whether `serve` listens with these credentials.
    fn serves(&self, credentials: Option<&Path>) -> bool {
        let (mut process, log) = logged(self.command(&["serve"], credentials));
        let listens = log.iter().any(|line| line.contains("broker.listening"));
        let _ended = process.kill();
        process.wait().expect("ended");
        listens
    }
}

#[test]
fn a_broker_and_the_offline_commands_take_the_keyring_from_a_credential() {
    let broker = Broker::new();
    let folder = broker.credentials();
    let with = Some(folder.as_path());
    assert!(broker.serves(with));
    let copy = broker.path("copy.db").display().to_string();
    let copied = broker.ok(&["backup", "--out", &copy], with);
    assert!(copied.contains("credential:keyring, the keyring"), "{copied}");
    let rescue = broker.path("rescue.toml").display().to_string();
    broker.ok(&["recover-admin", "rescue", "--out", &rescue], with);
    broker.ok(&["restore", &copy, "--accept-loss"], with);
    assert!(broker.serves(with));
    // On another machine the keyring is a file, from its backup.
    let keyring = broker.path("keyring.json");
    fs::copy(broker.credential(), &keyring).expect("copied");
    fs::set_permissions(&keyring, Permissions::from_mode(0o600)).expect("it is ours");
    broker.ok(&["restore", &copy, "--accept-loss", "--keyring", &keyring.display().to_string()], None);
}

#[test]
fn t34_a_credential_that_is_missing_or_not_the_service_managers_is_refused() {
    let broker = Broker::new();
    let folder = broker.credentials();
    let said = broker.refused(&["serve"], None);
    assert!(
        said.contains(
            "the root keyring is a credential: credential keyring: this process was started without"
        ),
        "{said}"
    );
    assert!(said.contains("LoadCredentialEncrypted=keyring:FILE"), "{said}");
    for mode in [0o600, 0o440, 0o444] {
        broker.chmod(mode);
        let said = broker.refused(&["serve"], Some(&folder));
        assert!(said.contains(&format!("has mode {mode:03o}, which is not what systemd gives")), "{said}");
    }
    fs::remove_file(broker.credential()).expect("removed");
    let said = broker.refused(&["serve"], Some(&folder));
    assert!(said.contains("credential keyring is not in "), "{said}");
}

#[test]
fn t38_credentials_of_the_environment_replace_no_configured_keyring() {
    let broker = Broker::new();
    let config =
        fs::read_to_string(broker.config()).expect("read").replace("keyring = \"credential:keyring\"\n", "");
    fs::write(broker.config(), config).expect("written");
    let folder = broker.credentials();
    let said = broker.refused(&["serve"], Some(&folder));
    assert!(said.contains("data/keyring.json: No such file"), "{said}");
}

const FOLDER: &str = "CREDENTIALS_DIRECTORY";
