//! Two brokers with one data folder.

use std::process::Command;

use tempfile::TempDir;

use crate::process::{made, text, vouchsafe};
use crate::support::{logged, serve};

#[test]
fn t05_a_second_broker_on_one_database_does_not_start() {
    let folder = TempDir::new().expect("a folder");
    made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", "127.0.0.1:0"]);
    let data = folder.path().join("data");
    let (mut process, ..) = serve(&data);
    let again = || -> Command {
        let mut command = vouchsafe();
        command.args(["serve", "--config"]).arg(data.join("broker.toml"));
        command
    };
    let output = again().output().expect("runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let database = data.join("keystore.db");
    let expected = format!(
        "the keystore at {} is in use by process {}: stop it first",
        database.display(),
        process.id()
    );
    assert!(said.contains(&expected), "{said}");
    // The kernel gives up the lock of a process that was killed.
    process.kill().expect("it runs");
    process.wait().expect("ended");
    let (mut process, log) = logged(again());
    assert!(log.iter().any(|line| line.contains("broker.listening")));
    process.kill().expect("it runs");
    process.wait().expect("ended");
}
