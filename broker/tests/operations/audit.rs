//! `vouchsafe audit verify`: the decision log beside checkpoints from the broker's own log.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{free_port, made, text, vouchsafe};
use crate::support::serve;

/// A broker that does not run.
struct Stopped {
    folder: TempDir,
    config: String,
    identity: String,
}

impl Stopped {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let operators = format!("127.0.0.1:{}", free_port("127.0.0.1"));
        made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", &operators]);
        let config = fs::read_to_string(folder.path().join("data/broker.toml")).expect("read");
        Self { folder, config, identity: String::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Serves while operators are added, stops, and leaves the log in a file.
    fn served(&mut self, operators: &[&str], log: &str) {
        fs::write(self.path("data/broker.toml"), &self.config).expect("written");
        let (mut process, listening, lines) = serve(&self.path("data"));
        listening["identity"].as_str().expect("an identity").clone_into(&mut self.identity);
        for name in operators {
            let mut command = vouchsafe();
            command.args(["operator", "add", name, "--role", "administrator", "--operator"]);
            let output = command.arg(self.path("data/operator.toml")).output().expect("runs");
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
        let id = rustix::process::Pid::from_child(&process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it runs");
        process.wait().expect("it ends");
        let lines: Vec<String> = lines.iter().collect();
        fs::write(self.path(log), lines.join("\n")).expect("written");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = vouchsafe();
        command.args(arguments).arg("--config").arg(self.path("data/broker.toml")).output().expect("runs")
    }

    fn audit(&self, arguments: &[&str], log: &str) -> (Option<i32>, String) {
        let file = self.path(log).display().to_string();
        let output = self.run(
            &[&["audit", "verify", "--broker", &self.identity, "--checkpoint", &file], arguments].concat(),
        );
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }
}

#[test]
fn t58_a_log_that_was_cut_off_or_rewritten_contradicts_its_checkpoints() {
    let mut broker = Stopped::new();
    let copy = broker.path("copy.db").display().to_string();
    assert!(broker.run(&["backup", "--out", &copy]).status.success());
    broker.served(&["bob", "carol"], "log.json");

    let (code, said) = broker.audit(&[], "log.json");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("every record of the decision log is there and verifies"), "{said}");
    assert!(said.contains("It is the log of "), "{said}");

    let (code, said) = broker.audit(&["--database", &copy], "log.json");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("the newest records were cut off: the log has 1, the checkpoint 3 records, root"),
        "{said}"
    );

    assert!(broker.run(&["restore", &copy, "--accept-loss"]).status.success());
    broker.served(&["dave", "erin"], "later.json");
    let (code, said) = broker.audit(&[], "log.json");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the log was rewritten: its first 3 records are others"), "{said}");
    assert!(said.contains("If the log has a record `keystore.restore` (`vouchsafe decisions list"), "{said}");
    assert_eq!(broker.audit(&[], "later.json").0, Some(0));
}

#[test]
fn checkpoints_that_cannot_be_used_are_named() {
    let mut broker = Stopped::new();
    broker.served(&[], "log.json");
    let log = fs::read_to_string(broker.path("log.json")).expect("read");
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines: Vec<_> = lines.filter(|line| line["event"] == "log.checkpoint").collect();
    let last = lines.last().expect("a checkpoint at the end");
    assert_eq!((last["size"].as_u64(), last["root"].as_str().map(str::len)), (Some(1), Some(64)), "{last}");

    fs::write(broker.path("empty.json"), "{}").expect("written");
    let (code, said) = broker.audit(&[], "empty.json");
    assert!(code == Some(2) && said.contains("empty.json: no line of it is a log.checkpoint"), "{said}");
    let note = last["checkpoint"].as_str().expect("a text");
    fs::write(broker.path("edited"), note.replace("\n1\n", "\n2\n")).expect("written");
    let (code, said) = broker.audit(&[], "edited");
    assert!(code == Some(2) && said.contains("edited: the checkpoint has no valid signature of"), "{said}");
    broker.identity = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let (code, said) = broker.audit(&[], "log.json");
    assert!(
        code == Some(2)
            && said.contains(": a checkpoint of another broker: its origin is vouchsafe/")
            && said.contains(&format!(", and not that of {}.", broker.identity)),
        "{said}"
    );
    let without = broker.run(&["audit", "verify", "--checkpoint", "x"]);
    assert!(text(&without.stderr).contains("--broker"));
}
