//! A broker that is started with a keyring from before a promotion.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Served, free_port, made, text, vouchsafe};
use crate::support::logged;

/// A stopped broker whose second generation was promoted, with the keyring of before in its place.
struct Stopped {
    folder: TempDir,
}

impl Stopped {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let operators = format!("127.0.0.1:{}", free_port("127.0.0.1"));
        made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", &operators]);
        let stopped = Self { folder };
        let served = Served::start(&stopped.path("data"));
        stopped.operate(&["keyring", "add"]);
        fs::copy(stopped.path("data/keyring.json"), stopped.path("before.json")).expect("copied");
        stopped.operate(&["keyring", "promote"]);
        stopped.operate(&["operator", "add", "kim", "--role", "auditor", "--namespace", "prod"]);
        drop(served);
        fs::copy(stopped.path("before.json"), stopped.path("data/keyring.json")).expect("put back");
        stopped
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn operate(&self, arguments: &[&str]) -> String {
        let mut command = vouchsafe();
        command.args(arguments).arg("--operator").arg(self.path("data/operator.toml"));
        let output = command.output().expect("runs");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn serve(&self) -> Command {
        let mut command = vouchsafe();
        command.arg("serve").arg("--config").arg(self.path("data/broker.toml"));
        command
    }

    fn states(&self) -> Vec<Value> {
        let keyring = fs::read(self.path("data/keyring.json")).expect("read");
        let keyring: Value = serde_json::from_slice(&keyring).expect("JSON");
        keyring["generations"].as_array().expect("a list").iter().map(|one| one["state"].clone()).collect()
    }
}

#[test]
fn the_promotion_is_completed() {
    let broker = Stopped::new();
    assert_eq!(broker.states(), ["primary", "pending"]);
    let (mut process, log) = logged(broker.serve());
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("broker.listening")) {
        lines.push(log.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| panic!("{lines:?}")));
    }
    let completed = lines.iter().find(|line| line.contains("keyring.promotion_completed"));
    let completed: Value = serde_json::from_str(completed.expect("the event")).expect("JSON");
    assert_eq!((&completed["level"], &completed["generation"]), (&"WARN".into(), &2.into()), "{completed}");
    assert_eq!(broker.states(), ["retired", "primary"]);
    let log = broker.operate(&["decisions", "list", "--json"]);
    assert!(log.contains("keyring.promote") && log.contains("\"start\""), "{log}");
    broker.operate(&["keyring", "reseal"]);
    process.kill().expect("it runs");
    process.wait().expect("ended");
}

#[test]
fn where_the_keyring_cannot_be_written_the_command_is_named() {
    let broker = Stopped::new();
    let credentials = broker.path("credentials");
    fs::create_dir(&credentials).expect("a folder");
    fs::rename(broker.path("data/keyring.json"), credentials.join("keyring")).expect("moved");
    fs::set_permissions(credentials.join("keyring"), Permissions::from_mode(0o400)).expect("it is ours");
    let config = fs::read_to_string(broker.path("data/broker.toml")).expect("read");
    let config = format!("keyring = \"credential:keyring\"\n{config}");
    fs::write(broker.path("data/broker.toml"), config).expect("written");
    let output = broker.serve().env("CREDENTIALS_DIRECTORY", &credentials).output().expect("runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("generation 2 of the keyring was promoted, and is only pending")
            && said.contains("`vouchsafe keyring promote --file FILE`"),
        "{said}"
    );
    // The command that it names.
    let file = broker.path("before.json");
    let mut promote = vouchsafe();
    let output = promote.args(["keyring", "promote", "--file"]).arg(&file).output().expect("runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    fs::rename(file, credentials.join("keyring")).expect("put in place");
    fs::set_permissions(credentials.join("keyring"), Permissions::from_mode(0o400)).expect("it is ours");
    let mut serve = broker.serve();
    serve.env("CREDENTIALS_DIRECTORY", &credentials);
    let (mut process, log) = logged(serve);
    let listens = log.iter().any(|line| line.contains("broker.listening"));
    process.kill().expect("it runs");
    process.wait().expect("ended");
    assert!(listens);
}
