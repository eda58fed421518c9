//! The operator's tool against a running broker: from `init` to SIGTERM, through the binary.

mod support;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{serve, text, vouchsafe};
use tempfile::TempDir;

/// A broker process, and the files of its operator.
struct Broker {
    folder: TempDir,
    process: Child,
    /// URL of the operators' listener.
    server: String,
    /// Lines of its log.
    logged: Receiver<String>,
}

impl Broker {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let data = folder.path().join("data");
        let made = vouchsafe()
            .args(["--json", "init", "--guests", "127.0.0.1:0", "--operators", "127.0.0.1:0", "--data"])
            .arg(&data)
            .arg("--token-file")
            .arg(folder.path().join("token"))
            .output()
            .expect("runs");
        assert!(made.status.success(), "{}", text(&made.stderr));
        let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
        assert!(made.get("identity").and_then(Value::as_str).is_some_and(|id| id.starts_with("ed25519:")));
        let written = fs::read_to_string(data.join("broker.toml")).expect("read");
        assert!(written.contains("urls = [\"https://localhost:0\", \"https://127.0.0.1:0\"]"), "{written}");
        let (process, listening, logged) = serve(&data);
        let operators = listening.get("operators").and_then(Value::as_str).map(str::to_owned);
        // `init` did not know the port.
        let server = format!("https://{}", operators.expect("an address"));
        let written = fs::read_to_string(data.join("operator.toml")).expect("read");
        let home = folder.path().join(".config/vouchsafe");
        fs::create_dir_all(&home).expect("made");
        write_private(&home.join("operator.toml"), &written.replace("https://127.0.0.1:0", &server));
        Self { folder, process, server, logged }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command of an operator whose home has the operator file.
    fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = vouchsafe();
        command.args(arguments).current_dir(self.folder.path()).env("HOME", self.folder.path());
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
        // The process has already ended where a test expects it.
        let _ended = self.process.kill();
        let _waited = self.process.wait();
    }
}

fn write_private(path: &Path, content: &str) {
    fs::write(path, content).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("set");
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
    // Without a waiver the policy is written, and the output says that it would be refused.
    let said = broker.ok(&[&new[..], &["open.cedar"]].concat(), b"");
    assert!(said.contains("Registration will refuse it") && said.contains("pcr7-alone"), "{said}");
    let refused = broker.run(&["policy", "check", "prod/db", "open.cedar"], b"");
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));
    broker.ok(&[&new[..], &["p.cedar", "--accept", "pcr7-alone"]].concat(), b"");
    for asked in [
        &["policy", "check", "prod/db", "p.cedar"][..],
        &["policy", "check", "prod/db", "p.cedar", "--broker"],
    ] {
        assert!(broker.ok(asked, b"").contains("would be accepted"));
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
    let elsewhere =
        |server| ["secret", "list", "--server", server, "--ca", "data/tls/ca.pem", "--token-file", "token"];
    broker.refused(&elsewhere("https://127.0.0.1:1"), 3);
    assert!(broker.refused(&elsewhere("http://127.0.0.1:1"), 2).contains("not an https:// URL"));
    assert!(broker.refused(&["secret", "list", "--operator", "none.toml"], 2).contains("none.toml"));
    write_private(&broker.path("typo.toml"), "sever = \"x\"\n");
    assert!(broker.refused(&["secret", "list", "--operator", "typo.toml"], 2).contains("sever"));
    let again = vouchsafe().arg("init").arg("--data").arg(broker.path("data")).output().expect("runs");
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("not empty"));
}

#[test]
fn t55_a_file_in_the_working_folder_is_not_an_operator_file() {
    let broker = Broker::start();
    let trap = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    trap.set_nonblocking(true).expect("set");
    let theirs = format!(
        "server = \"https://{}\"\nca = \"data/tls/ca.pem\"\ntoken = \"x\"\n",
        trap.local_addr().expect("an address")
    );
    write_private(&broker.path("vouchsafe-operator.toml"), &theirs);
    write_private(&broker.path("operator.toml"), &theirs);
    // The operator file in the home directory is used; if it is removed, there is none.
    broker.ok(&["operator", "add", "ann", "--role", "auditor", "--namespace", "prod"], b"");
    fs::remove_file(broker.path(".config/vouchsafe/operator.toml")).expect("removed");
    let said = broker.refused(&["secret", "list"], 2);
    assert!(said.contains("no operator file") && !said.contains("vouchsafe-operator.toml"), "{said}");
    // A home that is relative would be in the working folder.
    let below = broker.path("work/.config/vouchsafe");
    fs::create_dir_all(&below).expect("made");
    write_private(&below.join("operator.toml"), &theirs);
    for (folder, home) in [("work", "."), ("", "work"), ("work/.config", "..")] {
        let mut command = vouchsafe();
        command.args(["secret", "list"]).current_dir(broker.path(folder)).env("HOME", home);
        let output = command.output().expect("runs");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{home}: {said}");
        assert!(
            said.contains("no operator file") && said.contains("~/.config/vouchsafe/operator.toml"),
            "{said}"
        );
    }
    let asked = trap.accept().map(|(_, peer)| peer);
    assert_eq!(asked.map_err(|error| error.kind()), Err(std::io::ErrorKind::WouldBlock));
}

#[test]
fn t55_server_and_token_come_from_one_source() {
    let broker = Broker::start();
    let (server, ca, token) = (broker.server.as_str(), "data/tls/ca.pem", "token");
    broker.ok(&["secret", "list", "--server", server, "--ca", ca, "--token-file", token], b"");
    for mixed in [
        &["--server", "https://127.0.0.1:1"][..],
        &["--token-file", token],
        &["--ca", ca],
        &["--server", server, "--token-file", token],
        &["--operator", ".config/vouchsafe/operator.toml", "--server", server],
        &["--operator", ".config/vouchsafe/operator.toml", "--token-file", token],
        &[
            "--operator",
            ".config/vouchsafe/operator.toml",
            "--server",
            server,
            "--ca",
            ca,
            "--token-file",
            token,
        ],
    ] {
        let said = broker.refused(&[&["secret", "list"][..], mixed].concat(), 2);
        assert!(said.contains("server, CA and token belong together"), "{mixed:?}: {said}");
    }
    // An operator file cannot name a token that is elsewhere.
    let theirs = format!("server = \"{server}\"\nca = \"{ca}\"\ntoken_file = \"token\"\n");
    write_private(&broker.path("theirs.toml"), &theirs);
    let said = broker.refused(&["secret", "list", "--operator", "theirs.toml"], 2);
    assert!(said.contains("unknown field `token_file`"), "{said}");
}

#[test]
fn t55_files_of_others_or_for_others_are_refused() {
    let broker = Broker::start();
    let own = broker.path(".config/vouchsafe/operator.toml");
    let options = ["--server", broker.server.as_str(), "--ca", "data/tls/ca.pem", "--token-file", "token"];
    let list = |options: &[&str]| broker.run(&[&["secret", "list"][..], options].concat(), b"");
    let cases = [
        (own, &[][..], 0o644),
        (broker.path("token"), &options, 0o640),
        (broker.path("data/tls/ca.pem"), &options, 0o664),
    ];
    for (file, options, loose) in cases {
        let before = fs::metadata(&file).expect("there");
        assert!(list(options).status.success(), "{file:?}");
        fs::set_permissions(&file, fs::Permissions::from_mode(loose)).expect("set");
        let said = text(&list(options).stderr);
        assert!(
            said.contains(&format!("has mode {loose:03o}, so other users may")) && said.contains(": chmod "),
            "{file:?}: {said}"
        );
        fs::set_permissions(&file, before.permissions()).expect("set");
        // Only root can give a file away.
        if std::os::unix::fs::chown(&file, Some(65_534), None).is_ok() {
            let said = text(&list(options).stderr);
            assert!(said.contains("belongs to user id 65534"), "{file:?}: {said}");
            std::os::unix::fs::chown(&file, Some(before.uid()), None).expect("given back");
        }
    }
}

#[test]
fn t55_a_change_says_where_it_went() {
    let broker = Broker::start();
    let add = ["operator", "add", "ann", "--role", "auditor", "--namespace", "*", "--out", "ann.toml"];
    let added = broker.run(&add, b"");
    assert_eq!(text(&added.stderr), format!("vouchsafe: done at {}\n", broker.server));
    assert!(!text(&added.stdout).contains("vouchsafe-operator."), "{added:?}");
    assert_eq!(mode(&broker.path("ann.toml")), 0o600);
    // The file works as it is, and a refusal names the server too.
    broker.ok(&["decisions", "list", "--operator", "ann.toml"], b"");
    let said = broker.refused(&["operator", "remove", "ann", "--operator", "ann.toml"], 1);
    assert!(said.contains(&broker.server) && said.contains("forbidden"), "{said}");
    let read = broker.run(&["secret", "list"], b"");
    assert_eq!(text(&read.stderr), "", "reading changes nothing");
}

#[test]
fn t41_help_shows_the_table_of_authority() {
    let help = vouchsafe().args(["operator", "add", "--help"]).output().expect("runs");
    let help = text(&help.stdout);
    for row in [
        "                   administrator  editor                      auditor",
        "read-records       everywhere     its namespaces              its namespaces",
        "manage-secrets     everywhere     its namespaces, not shared  -",
        "manage-operators   everywhere     -                           -",
    ] {
        assert!(help.contains(row), "{row}: {help}");
    }
}

#[test]
fn sighup_takes_new_certificates_and_says_what_it_did() {
    let broker = Broker::start();
    let hang_up = |expected: &str| -> Value {
        let signal = rustix::process::Signal::HUP;
        rustix::process::kill_process(rustix_pid(&broker.process), signal).expect("signalled");
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Ok(line) = broker.logged.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            let event: Value = serde_json::from_str(&line).expect("JSON");
            if event.get("event").is_some_and(|event| event == expected) {
                return event;
            }
        }
        panic!("there is no line {expected}");
    };
    let config = broker.path("data/broker.toml");
    let written = fs::read_to_string(&config).expect("read");
    let other = TempDir::new().expect("a folder");
    let made = vouchsafe().args(["init", "--data"]).arg(other.path().join("data")).output().expect("runs");
    assert!(made.status.success(), "{}", text(&made.stderr));
    let tls = |name: &str| (other.path().join("data/tls").join(name), broker.path("data/tls").join(name));
    // This operator names the file of the CA.
    let file = broker.path(".config/vouchsafe/operator.toml");
    let mut operator: toml::Table = fs::read_to_string(&file).expect("read").parse().expect("TOML");
    operator.insert("ca".to_owned(), broker.path("data/tls/ca.pem").display().to_string().into());
    fs::write(&file, operator.to_string()).expect("written");
    // A key alone does not fit: everything stays, and the operator still gets in.
    let old_key = fs::read(broker.path("data/tls/key.pem")).expect("read");
    fs::copy(tls("key.pem").0, tls("key.pem").1).expect("copied");
    let failed = hang_up("broker.reload_failed");
    assert!(
        failed.get("error").and_then(Value::as_str).is_some_and(|error| error.contains("key.pem")),
        "{failed}"
    );
    broker.ok(&["secret", "list"], b"");
    fs::write(broker.path("data/tls/key.pem"), old_key).expect("written");
    // Certificate, key and a setting are reloaded: clients with the old CA fail, those with the new one
    // succeed.
    for name in ["key.pem", "certificate.pem"] {
        fs::copy(tls(name).0, tls(name).1).expect("copied");
    }
    fs::write(&config, format!("challenge_ttl = 30\nstop_timeout = 3\n{written}")).expect("written");
    let reloaded = hang_up("broker.reloaded");
    assert_eq!(reloaded.get("changed"), Some(&"challenge_ttl".into()), "{reloaded}");
    assert_eq!(reloaded.get("needs_restart"), Some(&"stop_timeout".into()), "{reloaded}");
    broker.refused(&["secret", "list"], 3);
    fs::copy(tls("ca.pem").0, tls("ca.pem").1).expect("copied");
    broker.ok(&["secret", "list"], b"");
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
    // It accepts its own bundle, and that of another broker only when the operator names the signer.
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
