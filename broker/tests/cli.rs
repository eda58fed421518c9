//! The operator's tool against a broker of its own: from `init` to SIGTERM, through the binary.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A broker process, and the files of its operator.
struct Broker {
    folder: TempDir,
    process: Child,
}

fn vouchsafe() -> Command {
    Command::new(env!("CARGO_BIN_EXE_vouchsafe"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Broker {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let (data, token) = (folder.path().join("data"), folder.path().join("token"));
        let made = vouchsafe()
            .args(["--json", "init", "--guests", "127.0.0.1:0", "--operators", "127.0.0.1:0", "--data"])
            .arg(&data)
            .arg("--token-file")
            .arg(&token)
            .output()
            .expect("runs");
        assert!(made.status.success(), "{}", text(&made.stderr));
        let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
        assert!(made.get("identity").and_then(Value::as_str).is_some_and(|id| id.starts_with("ed25519:")));
        let config = data.join("broker.toml");
        let written = fs::read_to_string(&config).expect("read");
        assert!(written.contains("urls = [\"https://localhost:0\", \"https://127.0.0.1:0\"]"), "{written}");
        // Tests reach nobody.
        fs::write(&config, written + "\n[collateral]\nfetch = false\n").expect("written");
        let mut process = vouchsafe()
            .arg("serve")
            .arg("--config")
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        let mut log = BufReader::new(process.stderr.take().expect("piped")).lines();
        let listening = log.find_map(|line| {
            let event: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            (event.get("event")? == "broker.listening").then_some(event)
        });
        let operators =
            listening.expect("listening").get("operators").and_then(Value::as_str).map(str::to_owned);
        // What else is logged must not fill the pipe.
        std::thread::spawn(move || log.for_each(drop));
        let profile = format!(
            "server = \"https://{}\"\nca = \"data/tls/ca.pem\"\ntoken_file = \"token\"\n",
            operators.expect("an address")
        );
        fs::write(folder.path().join("vouchsafe-operator.toml"), profile).expect("written");
        Self { folder, process }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in the folder of the operator's file.
    fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = vouchsafe();
        command.args(arguments).current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("runs");
        child.stdin.take().expect("piped").write_all(input).expect("taken");
        child.wait_with_output().expect("ends")
    }

    fn ok(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.run(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments, b"");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It has ended already where a test says so.
        let _ended = self.process.kill();
        let _waited = self.process.wait();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").mode() & 0o777
}

#[test]
fn an_operator_works_with_a_broker_from_init_to_stop() {
    let mut broker = Broker::start();
    for file in ["data/keyring.json", "data/tls/key.pem", "data/operator.toml", "token"] {
        assert_eq!(mode(&broker.path(file)), 0o600, "{file}");
    }
    let new = ["policy", "new", "--for", "app", "--project", "7", "--technology", "sev-snp", "--out"];
    // Without a waiver it is written, and said to be refused.
    let said = broker.ok(&[&new[..], &["open.cedar"]].concat(), b"");
    assert!(said.contains("Registration will refuse it") && said.contains("pcr7-alone"), "{said}");
    let refused = broker.run(&["policy", "check", "prod/db", "open.cedar"], b"");
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));
    broker.ok(&[&new[..], &["p.cedar", "--accept", "pcr7-alone"]].concat(), b"");
    for asked in [
        &["policy", "check", "prod/db", "p.cedar"][..],
        &["policy", "check", "prod/db", "p.cedar", "--broker"],
    ] {
        assert!(broker.ok(asked, b"").contains("would be taken"));
    }
    broker.ok(&["policy", "put", "prod/db", "p.cedar"], b"");
    let put = ["secret", "put", "prod/db/password", "--policy", "prod/db", "--from", "-"];
    assert!(broker.ok(&put, b"hunter2").contains("version 1"));
    broker.ok(&["secret", "generate", "prod/db/key", "--policy", "prod/db", "--per-instance"], b"");
    let listed: Value = serde_json::from_str(&broker.ok(&["--json", "secret", "list"], b"")).expect("JSON");
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    broker.ok(&["secret", "retire", "prod/db/password"], b"");
    assert!(broker.ok(&["secret", "show", "prod/db/password"], b"").contains("retired"));
    let log = broker.ok(&["decisions", "list"], b"");
    assert!(log.contains("secret.retire") && !log.contains("hunter2"), "{log}");
    let id = log
        .lines()
        .find(|line| line.contains("secret.retire"))
        .and_then(|line| line.split_whitespace().nth(1));
    assert!(broker.ok(&["explain", id.expect("an id")], b"").contains("by operator admin"));
    let added = broker.ok(&["operator", "add", "ann", "--role", "auditor", "--namespace", "prod"], b"");
    assert!(added.contains("vouchsafe-operator."), "{added}");
    assert!(broker.ok(&["guardrails", "show"], b"").contains("snp-no-debug"));
    assert!(broker.ok(&["collateral", "status"], b"").contains("CRL"));
    // The database holds no value in the clear.
    for entry in
        fs::read_dir(broker.path("data")).expect("read").flatten().filter(|entry| entry.path().is_file())
    {
        let bytes = fs::read(entry.path()).expect("read");
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{:?}", entry.path());
    }
    let pid = rustix_pid(&broker.process);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
    let started = Instant::now();
    assert!(broker.process.wait().expect("ends").success());
    assert!(started.elapsed() < Duration::from_secs(15));
}

fn rustix_pid(child: &Child) -> rustix::process::Pid {
    let raw = i32::try_from(child.id()).expect("a pid");
    rustix::process::Pid::from_raw(raw).expect("a pid")
}

#[test]
fn failures_say_what_to_do_and_have_their_exit_code() {
    let broker = Broker::start();
    assert!(broker.refused(&["secret", "show", "prod/db/none"], 1).contains("not-found"));
    assert!(broker.refused(&["explain", "00000000000000000000000000000000"], 1).contains("not-found"));
    let problem = broker.refused(&["--json", "secret", "retire", "prod/db/none"], 1);
    assert_eq!(serde_json::from_str::<Value>(&problem).expect("JSON").get("code"), Some(&"not-found".into()));
    fs::write(broker.path("bad.cedar"), "permit (principal, action, resource);").expect("written");
    assert!(broker.refused(&["policy", "put", "prod/bad", "bad.cedar"], 1).contains("@id"));
    broker.refused(&["secret", "show", "Not/A/Path"], 2);
    broker.refused(&["secret", "put", "prod/db/x", "--policy", "prod/db", "--from", "nowhere"], 2);
    broker.refused(&["secret", "list", "--server", "https://127.0.0.1:1"], 3);
    broker.refused(&["secret", "list", "--server", "http://127.0.0.1:1"], 2);
    assert!(broker.refused(&["secret", "list", "--operator", "none.toml"], 2).contains("none.toml"));
    fs::write(broker.path("typo.toml"), "sever = \"x\"\n").expect("written");
    assert!(broker.refused(&["secret", "list", "--operator", "typo.toml"], 2).contains("sever"));
    let again = vouchsafe().arg("init").arg("--data").arg(broker.path("data")).output().expect("runs");
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("not empty"));
}

#[test]
fn t38_a_typo_in_the_configuration_keeps_the_broker_from_starting() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "data = \"/nowhere\"\nextra_trust_anchor = []\n").expect("written");
    let output = vouchsafe().arg("serve").arg("--config").arg(file.path()).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("extra_trust_anchor"), "{}", text(&output.stderr));
}

#[test]
fn collateral_goes_from_one_broker_to_another_in_a_signed_bundle() {
    let (from, to) = (Broker::start(), Broker::start());
    let keys = vouchsafe_attestation::test_util::google_token::FakeAttestationService::shared().jwks();
    fs::write(from.path("jwks.json"), keys).expect("written");
    let endorsement = format!("{}.binarypb", "07".repeat(48));
    fs::write(from.path(&endorsement), [7; 48]).expect("written");
    let status = from.ok(&["collateral", "import", "jwks.json", &endorsement], b"");
    assert!(status.contains("JWKS") && status.contains("LAUNCH-ENDORSEMENT"), "{status}");
    assert!(status.contains("nothing is fetched"), "{status}");
    from.refused(&["collateral", "import", "jwks.json", "--measurement", &"08".repeat(48)], 1);
    let bundle = to.path("bundle.json");
    let bundle = bundle.to_str().expect("text");
    from.ok(&["collateral", "export", "--out", bundle], b"");
    from.refused(&["collateral", "export", "--out", bundle], 2);
    // Its own it takes back, others' only when the operator says whose.
    from.ok(&["collateral", "import", bundle], b"");
    assert!(to.refused(&["collateral", "import", bundle], 1).contains("signed by ed25519:"));
    let text = fs::read_to_string(bundle).expect("read");
    let identity: Value = serde_json::from_str(&text).expect("JSON");
    let identity = identity.get("signer").and_then(Value::as_str).expect("a signer").to_owned();
    to.ok(&["collateral", "import", bundle, "--signed-by", &identity], b"");
    let status: Value = serde_json::from_str(&to.ok(&["--json", "collateral", "status"], b"")).expect("JSON");
    assert_eq!(status.get("items").and_then(Value::as_array).map(Vec::len), Some(2), "{status}");
    to.ok(&["collateral", "refresh"], b"");
    fs::write(bundle, text.replace("\"fetched_at\":1", "\"fetched_at\":2")).expect("written");
    let refused = to.refused(&["collateral", "import", bundle, "--signed-by", &identity], 1);
    assert!(refused.contains("signature"), "{refused}");
}
