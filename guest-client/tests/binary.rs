//! The program itself, with a software TPM and a broker behind TLS, tested by its output.

#[path = "binary/exec.rs"]
mod exec;
#[path = "binary/faults.rs"]
mod faults;
#[path = "binary/files.rs"]
mod files;
#[path = "support/google.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod google;
#[path = "support/https.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod https;
#[path = "binary/keys.rs"]
mod keys;
#[path = "binary/latch.rs"]
mod latch;
#[path = "binary/luks.rs"]
mod luks;
#[path = "support/machine.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod machine;
#[path = "binary/register.rs"]
mod register;
#[path = "support/root.rs"]
mod root;
#[allow(dead_code, reason = "other tests use the rest")]
mod support;
#[path = "../../tests/src/swtpm.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the end-to-end tests")]
mod swtpm;
#[cfg(feature = "google")]
#[path = "binary/tokens.rs"]
mod tokens;
#[path = "binary/unlock.rs"]
mod unlock;
#[path = "binary/volumes.rs"]
mod volumes;

use std::fs::{File, Permissions, read, read_to_string, set_permissions, write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use https::Server;
use machine::Machine;
use root::is_root;
use support::{Act, FakeBroker, Shared, act, identity, later, ok, problem, secret_of, unsigned};
use tempfile::TempDir;
use vouchsafe_guest_client::evidence::CaptureBinding;
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_protocol::{Digest32, Evidence, ReasonCode};

struct World {
    machine: Machine,
    broker: Shared,
    directory: TempDir,
}

impl World {
    fn new(script: Vec<Act>) -> Self {
        let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
        let broker = Shared::new(FakeBroker::new(1));
        broker.lock().script.extend(script);
        let answering = broker.clone();
        let server = Server::start(Box::new(move |route, body| answering.lock().answer(route, body)));
        let world = Self { machine, broker, directory: TempDir::new().expect("a directory") };
        write(world.file("ca.pem"), &server.ca).expect("a file");
        let config = format!(
            "brokers = [{:?}]\nidentities = [\"{}\"]\nca = {:?}\nevidence = [\"vtpm\"]\n\
             [vtpm]\ndevice = \"{}\"\nevent_log = {:?}\nuserspace_log = {:?}\n[limits]\nattempts = 2\n",
            server.url,
            identity(1).identity(),
            world.file("ca.pem"),
            world.machine.swtpm.address(),
            world.machine.log(),
            world.machine.userspace_log(),
        );
        write(world.file("guest.toml"), config).expect("a file");
        // Whatever the umask: the guest refuses files that others may change.
        for name in ["ca.pem", "guest.toml"] {
            set_permissions(world.file(name), Permissions::from_mode(0o644)).expect("it is ours");
        }
        world
    }

    /// Configures a token, from the service at this address.
    fn ask_for_token(&self, address: &str, more: &str) {
        let config = read_to_string(self.file("guest.toml")).expect("it is there");
        let config = config.replace("[\"vtpm\"]", "[\"vtpm\", \"google-token\"]");
        let place = format!("endpoint = \"http://{address}\"\nmetadata = \"http://{address}\"");
        let section = format!("[google_token]\nshow = \"vtpm\"\n{place}\n{more}");
        write(self.file("guest.toml"), config + &section).expect("a file");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `vouchsafe-guest` with these arguments.
    fn guest(&self, arguments: &[&str]) -> Output {
        program().arg("--config").arg(self.file("guest.toml")).args(arguments).output().expect("it runs")
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_vouchsafe-guest"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts success without messages; returns what was written.
fn wrote(output: &Output) -> &[u8] {
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stderr(output), "");
    &output.stdout
}

fn failed_with(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    stderr(output)
}

#[test]
fn one_secret_comes_as_it_is() {
    let world = World::new(vec![]);
    assert_eq!(wrote(&world.guest(&["fetch", "prod/db/key"])), secret_of("prod/db/key"));
    let request = world.broker.lock().requests().remove(0);
    let vtpm = request.evidence.vtpm.unwrap();
    assert_eq!(*vtpm.event_log, *machine::LOG);
    assert_eq!(vtpm.pcrs.len(), 15);
}

#[test]
fn several_secrets_come_as_json() {
    let world = World::new(vec![]);
    let output = world.guest(&["fetch", "--json", "prod/b", "prod/a"]);
    let json: serde_json::Value = serde_json::from_slice(wrote(&output)).unwrap();
    let expected = |path: &str| serde_json::json!({"path": path, "version": 3, "value": STANDARD.encode(secret_of(path))});
    assert_eq!(json["secrets"], serde_json::json!([expected("prod/a"), expected("prod/b")]));
    assert_eq!(json["decision"], "dd".repeat(16));
    let error = failed_with(&world.guest(&["fetch", "prod/b", "prod/a"]), 2);
    assert!(error.contains("--json"), "{error}");
}

#[test]
fn a_secret_goes_to_a_descriptor() {
    let world = World::new(vec![]);
    let script = "exec \"$0\" --config \"$1\" fetch --fd 3 prod/key 3>\"$2\"";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_vouchsafe-guest")])
        .args([world.file("guest.toml"), world.file("out")])
        .output()
        .unwrap();
    assert_eq!(wrote(&output), b"");
    assert_eq!(read(world.file("out")).unwrap(), secret_of("prod/key"));
    // A descriptor that is not open is detected before anything is requested.
    let asked = world.broker.lock().log.len();
    let error = failed_with(&world.guest(&["fetch", "--fd", "77", "prod/key"]), 14);
    assert!(error.contains("descriptor 77"), "{error}");
    assert_eq!(world.broker.lock().log.len(), asked);
}

/// Rust's runtime opens `/dev/null` in place of a closed descriptor. Closed is something else than redirected there.
#[test]
fn t34_a_closed_descriptor_is_noticed_before_anything_is_requested() {
    let world = World::with_volumes(vec![]);
    let run = |arguments: &str, redirected: &str| {
        let script = format!("exec \"$0\" --config \"$1\" {arguments} {redirected}");
        Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_vouchsafe-guest")])
            .arg(world.file("guest.toml"))
            .output()
            .unwrap()
    };
    let closed = [
        ("fetch prod/key", ">&-", 1),
        ("fetch prod/key", ">&- <&- 2>/dev/null", 1),
        ("fetch --json prod/key prod/other", ">&-", 1),
        ("fetch --fd 0 prod/key", "<&-", 0),
        ("fetch --fd 1 prod/key", ">&-", 1),
        ("fetch --fd 2 prod/key", "2>&-", 2),
        ("doctor", ">&-", 1),
        ("completions bash", ">&-", 1),
    ];
    for (arguments, redirected, fd) in closed {
        let output = run(arguments, redirected);
        assert_eq!(output.status.code(), Some(14), "{arguments} {redirected}: {output:?}");
        let message = stderr(&output);
        let expected = format!("file descriptor {fd} is closed");
        assert!(redirected.contains("2>") || message.contains(&expected), "{arguments}: {message}");
    }
    assert_eq!(world.broker.lock().requests().len(), 0);
    for redirected in [">/dev/null", "1<>/dev/null", "<&-", "2>&-"] {
        let output = run("fetch prod/key", redirected);
        assert!(output.status.success(), "{redirected}: {output:?}");
    }
    assert_eq!(world.broker.lock().requests().len(), 4);
}

#[test]
fn t34_a_key_is_not_requested_for_a_closed_descriptor() {
    if !is_root() {
        return;
    }
    let world = World::with_volumes(vec![]);
    write(world.file("kmsg"), "").unwrap();
    let encrypt =
        "exec \"$0\" --config \"$1\" clevis-encrypt '{\"volume\":\"data\"}' </etc/hostname >\"$2/jwe\"";
    for (script, code, lines) in [
        (encrypt, 0, 0),
        ("exec \"$0\" --config \"$1\" unlock data >&-", 14, 1),
        ("exec \"$0\" --config \"$1\" clevis-decrypt <\"$2/jwe\" >&-", 14, 2),
    ] {
        let script = format!("mount --bind \"$2/kmsg\" /dev/kmsg || exit 99; {script}");
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_vouchsafe-guest")])
            .args([world.file("guest.toml"), world.directory.path().to_owned()])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{script}: {output:?}");
        let reported = world.console();
        assert_eq!(reported.len(), lines, "{reported:?}");
        assert!(
            reported.iter().all(|line| line.contains("volume data: file descriptor 1 is closed")),
            "{reported:?}"
        );
    }
    assert_eq!(world.broker.lock().requests().len(), 1);
}

#[test]
fn t36_a_pipe_whose_reader_has_gone_is_an_error() {
    let world = World::new(vec![]);
    let script = "mkfifo \"$2\"; sleep 0.1 <\"$2\" & exec 3>\"$2\"; wait; \
                  exec timeout 5 \"$0\" --config \"$1\" fetch --fd 3 prod/key";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_vouchsafe-guest")])
        .args([world.file("guest.toml"), world.file("pipe")])
        .output()
        .unwrap();
    let error = failed_with(&output, 14);
    assert!(error.contains("descriptor 3"), "{error}");
    assert_eq!(world.broker.lock().log.len(), 0);
}

#[test]
fn t34_a_terminal_gets_no_secret() {
    let world = World::new(vec![]);
    let on_terminal = |arguments: &str| {
        let guest = env!("CARGO_BIN_EXE_vouchsafe-guest");
        let command =
            format!("{guest} --config {} fetch prod/key {arguments}", world.file("guest.toml").display());
        Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .stdin(File::open("/dev/null").unwrap())
            .output()
    };
    let output = on_terminal("").unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("terminal") && !shown.contains("secret of"), "{shown}");
    assert_eq!(world.broker.lock().log.len(), 0);
    let output = on_terminal("--force").unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("secret of prod/key"));
}

#[test]
fn a_refusal_is_one_line_with_decision_and_reason() {
    let world = World::new(vec![act(|asked| Some(problem(&asked.refusal(ReasonCode::NotGranted))))]);
    let error = failed_with(&world.guest(&["fetch", "prod/key"]), 10);
    let decision = "dd".repeat(16);
    let mut lines = error.lines();
    assert_eq!(
        lines.next(),
        Some(format!("vouchsafe-guest: refused (not-granted), decision {decision}").as_str())
    );
    assert!(lines.next().is_some_and(|line| line.contains(&format!("vouchsafe explain {decision}"))));
    assert_eq!(lines.next(), None);
}

#[test]
fn a_busy_broker_is_retried_with_a_message() {
    let world = World::new(vec![act(|_| Some(later(unsigned(ReasonCode::Overloaded), 0)))]);
    let output = world.guest(&["fetch", "prod/key"]);
    assert_eq!(output.stdout, secret_of("prod/key"));
    assert!(
        stderr(&output).contains("status 503 (overloaded), unsigned; asking again in 0.1 s"),
        "{output:?}"
    );
}

#[test]
fn t06_a_strangers_answer_never_reaches_the_pipe() {
    let stranger = || act(|asked| Some(ok(&asked.signed_by(&identity(66)))));
    let world = World::new(vec![stranger(), stranger()]);
    let error = failed_with(&world.guest(&["fetch", "prod/key"]), 11);
    assert!(error.contains("not signed by the pinned identity"), "{error}");
}

#[test]
fn exec_hands_on_files_in_memory_and_variables_and_the_exit_code() {
    let world = World::new(vec![]);
    let script = "cat \"$KEY\"; printf ' %s ' \"$TOKEN\"; stat -Lc %a \"$KEY\"; env | grep -c TSS2; exit 7";
    let output = world.guest(&[
        "exec",
        "--file",
        "KEY=prod/key",
        "--env",
        "TOKEN=prod/token",
        "--",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "secret of prod/key secret of prod/token 400\n0\n");
    let ulimit = world.guest(&["exec", "--env", "A=prod/key", "--", "sh", "-c", "ulimit -c"]);
    assert_eq!(wrote(&ulimit), b"0\n");
}

#[test]
fn t34_exec_puts_no_secret_on_a_command_line() {
    let world = World::new(vec![]);
    let script = "tr '\\0' ' ' < /proc/$$/cmdline; tr '\\0' ' ' < /proc/$$/environ";
    let output = world.guest(&["exec", "--file", "KEY=prod/key", "--", "sh", "-c", script]);
    let text = String::from_utf8_lossy(wrote(&output)).into_owned();
    assert!(text.contains("KEY=/proc/self/fd/") && !text.contains("secret of"), "{text}");
}

#[test]
fn t34_the_command_inherits_nothing_but_its_files() {
    let world = World::new(vec![]);
    // Descriptors inherited by the test itself are closed first.
    let script = "for fd in /proc/self/fd/*; do n=${fd##*/}; [ $n -le 2 ] || eval \"exec $n>&-\"; done; \
                  exec \"$0\" --config \"$1\" exec --file KEY=prod/key -- ls -l /proc/self/fd";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_vouchsafe-guest")])
        .arg(world.file("guest.toml"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(wrote(&output)).into_owned();
    let targets: Vec<_> = text.lines().filter_map(|line| line.split_once(" -> ")).collect();
    // stdin, stdout, stderr, the secret, and the directory that is being listed.
    assert_eq!(targets.len(), 5, "{text}");
    assert!(targets[3].1.starts_with("/memfd:vouchsafe") && targets[4].1.ends_with("/fd"), "{text}");
}

#[test]
fn exec_reports_what_it_cannot_run_or_deliver() {
    let world = World::new(vec![]);
    failed_with(&world.guest(&["exec", "--env", "A=n/a", "--", "/nowhere/program"]), 127);
    failed_with(&world.guest(&["exec", "--env", "A=n/a", "--", "/dev/null"]), 126);
    failed_with(&world.guest(&["exec", "--", "true"]), 2);
    failed_with(&world.guest(&["exec", "--env", "A=n/a", "--file", "A=n/b", "--", "true"]), 2);
    failed_with(&world.guest(&["exec", "--env", "1=n/a", "--", "true"]), 2);
}

#[test]
fn configuration_and_evidence_errors_have_their_own_codes() {
    let world = World::new(vec![]);
    failed_with(&program().args(["--config", "/nowhere.toml", "fetch", "n/a"]).output().unwrap(), 2);
    failed_with(&world.guest(&["fetch", "NOT/CANONICAL"]), 2);
    failed_with(&world.guest(&["fetch"]), 2);
    let config = read_to_string(world.file("guest.toml")).unwrap();
    write(world.file("guest.toml"), config.replace("event_log = ", "event_log = \"/nowhere\" # ")).unwrap();
    let error = failed_with(&world.guest(&["fetch", "n/a"]), 12);
    assert!(error.contains("/nowhere") && error.contains("doctor"), "{error}");
}

#[test]
fn evidence_is_captured_for_a_given_nonce() {
    let world = World::new(vec![]);
    let nonce = "ab".repeat(32);
    let file = world.file("evidence.json");
    let output = world.guest(&["evidence", "--nonce", &nonce, "--output", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let expected = hex::encode(CaptureBinding::new(&[0xab; 32]).quote_nonce);
    assert_eq!(stderr(&output), format!("vouchsafe-guest: nonce of the quote: {expected}\n"));
    let evidence: Evidence = serde_json::from_slice(&read(file).unwrap()).unwrap();
    assert!(evidence.vtpm.is_some());

    // Without a configuration and without a nonce.
    let address = world.machine.swtpm.address().to_string();
    let log = world.machine.log();
    let arguments = ["evidence", "--tpm", &address, "--event-log", log.to_str().unwrap()];
    let output = program().args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(serde_json::from_slice::<Evidence>(&output.stdout).unwrap().vtpm.is_some());
    assert!(!stderr(&output).contains(&expected));
    failed_with(&world.guest(&["evidence", "--nonce", "ab"]), 2);
}

#[cfg(not(feature = "google"))]
#[test]
fn a_build_without_tokens_says_so() {
    let world = World::new(vec![]);
    world.ask_for_token("127.0.0.1:1", "");
    let error = failed_with(&world.guest(&["fetch", "prod/key"]), 12);
    assert!(error.contains("this build cannot request tokens (feature `google`)"), "{error}");
    assert_eq!(world.broker.lock().log.len(), 0);
}

#[test]
fn doctor_and_completions_need_nothing() {
    let output = program().args(["doctor", "--json"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let provable = json["provable"].as_array().unwrap().is_empty();
    assert_eq!(output.status.code(), Some(i32::from(provable)));
    let output = program().arg("doctor").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("This VM can prove"));
    let output = program().args(["completions", "bash"]).output().unwrap();
    assert!(String::from_utf8_lossy(wrote(&output)).contains("vouchsafe-guest"));
}

#[test]
fn a_silent_broker_does_not_hold_the_boot_up() {
    let world = World::new(vec![]);
    let config = read_to_string(world.file("guest.toml")).unwrap();
    write(world.file("guest.toml"), config.replace("attempts = 2", "attempts = 99\ndeadline = 2")).unwrap();
    world.broker.lock().challenge_script.extend((0..99).map(|_| None));
    let started = std::time::Instant::now();
    failed_with(&world.guest(&["fetch", "n/a"]), 11);
    assert!(started.elapsed() < Duration::from_secs(4));
}
