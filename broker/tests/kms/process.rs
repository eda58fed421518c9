//! `init`, `keyring wrap` and `unwrap`, `serve` and the offline commands, as processes.

mod changes;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::fake::{FakeKms, FakeMetadata, Fault, KEY};
use crate::support::{logged, text, vouchsafe};

/// A broker with Cloud KMS beside it.
struct Broker {
    folder: TempDir,
    kms: FakeKms,
    metadata: FakeMetadata,
}

impl Broker {
    /// A broker whose keyring is not wrapped.
    fn new() -> Self {
        let (folder, kms, metadata) =
            (TempDir::new().expect("a folder"), FakeKms::start(), FakeMetadata::start());
        let broker = Self { folder, kms, metadata };
        let port =
            TcpListener::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address").port();
        let mut init = vouchsafe();
        init.args(["init", "--guests", "127.0.0.1:0", "--operators", &format!("127.0.0.1:{port}"), "--data"]);
        let output = init.arg(broker.path("data")).output().expect("runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        let settings = format!(
            "\n[collateral]\nfetch = false\n[kms]\nendpoint = {:?}\nca = {:?}\nmetadata = {:?}\ntimeout = 1\n",
            broker.kms.endpoint(),
            broker.kms.ca(broker.folder.path()),
            broker.metadata.url(),
        );
        let config = fs::read_to_string(broker.config()).expect("read") + &settings;
        fs::write(broker.config(), config).expect("written");
        broker
    }

    /// A broker whose keyring is wrapped.
    fn wrapped() -> Self {
        let broker = Self::new();
        broker.ok(&["keyring", "wrap", "--kms", KEY]);
        broker
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn config(&self) -> PathBuf {
        self.path("data/broker.toml")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = vouchsafe();
        command.args(arguments).arg("--config").arg(self.config());
        command
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("runs");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let output = self.command(arguments).output().expect("runs");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }

    fn serve(&self) -> Served {
        started(self.command(&["serve"]))
    }

    fn operators(&self) -> Output {
        let mut command = vouchsafe();
        command.args(["operator", "list", "--operator"]).arg(self.path("data/operator.toml"));
        command.output().expect("runs")
    }
}

struct Served {
    process: Child,
    log: Receiver<String>,
}

impl Served {
    /// Has it read its files again; returns its log's first line with this event after that.
    fn reloaded(&self, event: &str) -> Value {
        let process = Pid::from_child(&self.process);
        kill_process(process, Signal::HUP).expect("sent");
        let line = std::iter::from_fn(|| self.log.recv_timeout(Duration::from_secs(30)).ok())
            .find(|line| line.contains(event))
            .unwrap_or_else(|| panic!("no {event}"));
        serde_json::from_str(&line).expect("JSON")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _waited = self.process.wait();
    }
}

fn started(command: Command) -> Served {
    let (process, log) = logged(command);
    let served = Served { process, log };
    let mut seen = String::new();
    let listens = served.log.iter().any(|line| {
        seen.push_str(&line);
        line.contains("broker.listening")
    });
    assert!(listens, "{seen}");
    served
}

#[test]
fn a_broker_with_a_wrapped_keyring_needs_the_service_only_to_start() {
    let broker = Broker::new();
    let plain = fs::read(broker.path("data/keyring.json")).expect("read");
    let said = broker.ok(&["keyring", "wrap", "--kms", KEY]);
    assert!(said.contains(&format!("keyring.json: wrapped by {KEY}.")), "{said}");
    assert!(said.contains("data/keyring.json.unwrapped\n\nMove it to a safe place"), "{said}");
    let kept = broker.path("data/keyring.json.unwrapped");
    assert_eq!(fs::read(&kept).expect("read"), plain);
    assert_eq!(fs::metadata(&kept).expect("there").permissions().mode() & 0o777, 0o600);
    fs::remove_file(&kept).expect("removed");
    let wrapped = fs::read_to_string(broker.path("data/keyring.json")).expect("read");
    assert!(wrapped.contains("\"version\": 2") && !wrapped.contains("\"key\""), "{wrapped}");

    let served = broker.serve();
    broker.kms.serving(false);
    assert!(broker.operators().status.success(), "it serves without the service");
    drop(served);
    // Exit code 3: systemd starts it again (RestartPreventExitStatus=2).
    let said = broker.refused(&["serve"], 3);
    assert!(
        said.contains(&format!("Cloud KMS, {KEY}: no answer: "))
            && said.contains("`endpoint` and `ca` of [kms]"),
        "{said}"
    );
    broker.kms.serving(true);
    drop(broker.serve());
    assert_eq!(broker.kms.state().complaints, [""; 0]);
}

/// "The service is away" in docs/operations.md.
#[test]
fn a_night_without_the_service() {
    let broker = Broker::wrapped();
    let served = broker.serve();
    broker.kms.serving(false);
    // A reload, such as for a certificate, does not need it.
    let calls = broker.kms.state().calls.len();
    assert_eq!(served.reloaded("broker.reloaded")["level"], "INFO");
    // One with a keyring that was changed does: it changes nothing, and says why and what to do.
    broker.kms.serving(true);
    assert_eq!(broker.kms.state().calls.len(), calls);
    broker.kms.state().versions.insert(2, Some([2; 32]));
    let file = broker.path("data/keyring.json");
    fs::copy(&file, broker.path("again.json")).expect("copied");
    broker.ok(&["keyring", "wrap", "--kms", KEY, "--keyring", &broker.text("again.json")]);
    fs::rename(broker.path("again.json"), &file).expect("put in place");
    broker.kms.serving(false);
    let line = served.reloaded("keyring.not_taken");
    assert_eq!(line["message"], "the keyring stays as it was");
    let error = line["error"].as_str().expect("an error");
    assert!(
        error.starts_with(&format!("Cloud KMS, {KEY}: no answer: ")) && error.contains(". Check "),
        "{error}"
    );
    assert!(broker.operators().status.success(), "it serves on");
    // A change of the keyring is refused before the operators' tool gives up, and nothing is changed.
    let before = fs::read(broker.path("data/keyring.json")).expect("read");
    let output = online(&broker, &["keyring", "add"]);
    let said = text(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("no answer: "), "{said}");
    assert_eq!(fs::read(broker.path("data/keyring.json")).expect("read"), before);
    drop(served);
    // A start tries again for a while, and says so.
    let (mut process, log) = logged(broker.command(&["serve"]));
    let lines: Vec<String> = log.iter().collect();
    assert_eq!(process.wait().expect("ended").code(), Some(3), "{lines:?}");
    let retry = lines.iter().find(|line| line.contains("kms.retry")).expect("a retry");
    let retry: Value = serde_json::from_str(retry).expect("JSON");
    assert_eq!((&retry["level"], &retry["key"]), (&"WARN".into(), &KEY.into()), "{retry}");
    assert!(retry["problem"].as_str().expect("a problem").contains("no answer: "), "{retry}");
    // In an emergency: the copy that is not wrapped.
    let kept = broker.path("data/keyring.json.unwrapped");
    let config = fs::read_to_string(broker.config()).expect("read");
    fs::write(broker.config(), format!("keyring = {kept:?}\n{config}")).expect("written");
    let served = broker.serve();
    assert!(broker.operators().status.success(), "it serves with the copy");
    drop(served);
    // Back to the wrapped one, once the service is there again.
    fs::write(broker.config(), config).expect("written");
    broker.kms.serving(true);
    let served = broker.serve();
    assert_eq!(served.reloaded("broker.reloaded")["level"], "INFO");
    assert!(broker.operators().status.success(), "it serves as before");
}

#[test]
fn a_key_that_cannot_be_used_is_named_with_the_next_step() {
    let broker = Broker::wrapped();
    broker.kms.set(Fault::Error(403, "PERMISSION_DENIED", "denied"));
    let said = broker.refused(&["serve"], 2);
    assert!(said.contains("permission denied: denied. Give the broker's service account the role"), "{said}");
    broker.kms.set(Fault::None);
    broker.kms.state().versions.insert(1, None);
    let said = broker.refused(&["serve"], 2);
    assert!(
        said.contains("DESTROYED") && said.contains("put back a copy of the keyring that it did not wrap"),
        "{said}"
    );
    // The way back.
    let (kept, keyring) = (broker.path("data/keyring.json.unwrapped"), broker.path("data/keyring.json"));
    fs::rename(kept, &keyring).expect("put back");
    drop(broker.serve());
}

#[test]
fn the_offline_commands_take_a_wrapped_keyring() {
    let broker = Broker::wrapped();
    let copy = broker.text("copy.db");
    broker.ok(&["backup", "--out", &copy]);
    broker.ok(&["restore", &copy, "--accept-loss"]);
    broker.ok(&["recover-admin", "rescue", "--out", &broker.text("rescue.toml")]);
    broker.kms.serving(false);
    let said = broker.refused(&["backup", "--out", &broker.text("second.db")], 3);
    assert!(said.contains("no answer"), "{said}");
    // Without the service: the copy that was kept.
    let kept = broker.text("data/keyring.json.unwrapped");
    broker.ok(&["backup", "--out", &broker.text("second.db"), "--keyring", &kept]);
}

#[test]
fn a_keyring_is_unwrapped_to_a_copy_or_in_place() {
    let broker = Broker::wrapped();
    let plain = fs::read(broker.path("data/keyring.json.unwrapped")).expect("read");
    let copy = broker.path("copy.json");
    let served = broker.serve();
    broker.ok(&["keyring", "unwrap", "--out", &broker.text("copy.json")]);
    assert_eq!(fs::read(&copy).expect("read"), plain);
    assert_eq!(fs::metadata(&copy).expect("there").permissions().mode() & 0o777, 0o600);
    let said = broker.refused(&["keyring", "unwrap", "--out", &broker.text("copy.json")], 2);
    assert!(said.contains("copy.json exists already"), "{said}");
    // A running broker may write the file itself.
    for arguments in [&["keyring", "unwrap"][..], &["keyring", "wrap", "--kms", KEY]] {
        let said = broker.refused(arguments, 2);
        assert!(said.contains("is in use by process "), "{said}");
    }
    drop(served);
    // Again, by a newer version of the key.
    broker.kms.state().versions.insert(2, Some([2; 32]));
    let said = broker.ok(&["keyring", "wrap", "--kms", KEY]);
    assert!(!said.contains(".unwrapped"), "{said}");
    broker.kms.state().versions.insert(1, None);
    broker.ok(&["keyring", "unwrap"]);
    assert_eq!(fs::read(broker.path("data/keyring.json")).expect("read"), plain);
    let said = broker.refused(&["keyring", "unwrap"], 2);
    assert!(said.contains("is not wrapped"), "{said}");
    let said = broker.refused(&["keyring", "wrap", "--kms", KEY], 2);
    assert!(
        said.contains("keyring.json.unwrapped: exists, and is a keyring that was not wrapped once"),
        "{said}"
    );
    let said = broker.refused(&["keyring", "wrap", "--kms", "root"], 2);
    assert!(said.contains("root is not the name of a key in Cloud KMS"), "{said}");
}

/// A command that talks to the broker.
fn online(broker: &Broker, arguments: &[&str]) -> Output {
    let mut command = vouchsafe();
    command.args(arguments).arg("--operator").arg(broker.path("data/operator.toml")).output().expect("runs")
}

#[test]
fn a_start_says_what_wraps_the_keyring_and_names_root_keys_beside_it() {
    let broker = Broker::wrapped();
    let (process, log) = logged(broker.command(&["serve"]));
    let served = Served { process, log };
    let lines: Vec<Value> =
        served.log.iter().map(|line| serde_json::from_str(&line).expect("JSON")).take(3).collect();
    let of =
        |event: &str| lines.iter().find(|line| line["event"] == event).unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!(of("keyring.loaded")["wrapped_by"], KEY);
    let beside = of("keyring.not_wrapped_beside");
    assert_eq!(
        (&beside["level"], &beside["path"]),
        (&"WARN".into(), &broker.text("data/keyring.json.unwrapped").into())
    );
}

#[test]
fn wrapping_that_fails_changes_nothing() {
    let broker = Broker::new();
    let plain = fs::read(broker.path("data/keyring.json")).expect("read");
    broker.kms.set(Fault::Member("verifiedPlaintextCrc32c", Value::Bool(false)));
    let said = broker.refused(&["keyring", "wrap", "--kms", KEY], 3);
    assert!(said.contains("a value was damaged on its way"), "{said}");
    assert_eq!(fs::read(broker.path("data/keyring.json")).expect("read"), plain);
    assert!(!broker.path("data/keyring.json.unwrapped").exists());
}

#[test]
fn t37_no_environment_variable_leads_to_another_service() {
    let broker = Broker::wrapped();
    let nowhere = "http://127.0.0.1:1";
    let variables = [
        ("HTTPS_PROXY", nowhere),
        ("https_proxy", nowhere),
        ("HTTP_PROXY", nowhere),
        ("http_proxy", nowhere),
        ("ALL_PROXY", nowhere),
        ("GCE_METADATA_HOST", "127.0.0.1:1"),
        ("GCE_METADATA_IP", "127.0.0.1:1"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json"),
        ("SSL_CERT_FILE", "/dev/null"),
        ("SSL_CERT_DIR", "/nowhere"),
    ];
    let mut command = broker.command(&["serve"]);
    command.envs(variables);
    drop(started(command));
    // Nor do they bring a CA in.
    let ca = broker.kms.ca(broker.folder.path());
    let config = fs::read_to_string(broker.config()).expect("read");
    let without: String =
        config.lines().filter(|line| !line.starts_with("ca = ")).map(|line| format!("{line}\n")).collect();
    fs::write(broker.config(), without).expect("written");
    let output = broker.command(&["serve"]).env("SSL_CERT_FILE", ca).output().expect("runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("its certificate is not accepted"), "{said}");
}

#[test]
fn init_wraps_the_keyring_from_the_start() {
    let broker = Broker::new();
    let (ca, data) = (broker.kms.ca(broker.folder.path()), broker.path("second"));
    let account = broker.path("account.json");
    fs::write(&account, "{}").expect("written");
    let init = || {
        let mut init = vouchsafe();
        init.args([
            "init",
            "--guests",
            "127.0.0.1:0",
            "--kms",
            KEY,
            "--kms-endpoint",
            &broker.kms.endpoint(),
            "--kms-ca",
        ]);
        init.arg(&ca).arg("--data").arg(&data).arg("--kms-credentials").arg(&account);
        init.output().expect("runs")
    };
    let output = init();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(!data.exists(), "completely or not at all");
    crate::client::write_account(&account);
    broker.kms.state().is_token = Some(crate::client::is_signed);
    let output = init();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        said.contains(&format!("The keyring is wrapped by {KEY}."))
            && said.contains("keyring unwrap --out FILE"),
        "{said}"
    );
    let wrapped = fs::read_to_string(data.join("keyring.json")).expect("read");
    assert!(wrapped.contains(KEY) && wrapped.contains("\"wrapped\""), "{wrapped}");
    let config = data.join("broker.toml");
    let text = fs::read_to_string(&config).expect("read") + "[collateral]\nfetch = false\n";
    fs::write(&config, text.replace("127.0.0.1:8444", "127.0.0.1:0")).expect("written");
    let mut serve = vouchsafe();
    serve.arg("serve").arg("--config").arg(config);
    drop(started(serve));
    assert_eq!(broker.kms.state().complaints, [""; 0]);
}
