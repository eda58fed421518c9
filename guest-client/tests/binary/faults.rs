//! Permanent faults end the program at once, and `doctor` reports them beforehand.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::time::Instant;

use vouchsafe_guest_client::GuestConfig;
use vouchsafe_guest_client::transport::Response;

use super::*;

impl World {
    fn change(&self, old: &str, new: &str) {
        let config = read_to_string(self.file("guest.toml")).expect("guest.toml exists");
        assert!(config.contains(old), "{config}");
        write(self.file("guest.toml"), config.replace(old, new)).expect("guest.toml can be written");
    }

    /// Raises the limits so far that a `fetch` that ends early cannot have reached them.
    fn with_patience(self) -> Self {
        self.change("attempts = 2", "attempts = 99\ndeadline = 99");
        self
    }

    /// The message of a `fetch` that fails at once, with its advice.
    fn ends_at_once(&self) -> String {
        let started = Instant::now();
        let error = failed_with(&self.guest(&["fetch", "prod/key"]), 15);
        assert!(started.elapsed() < Duration::from_secs(5), "{error}");
        assert_eq!(error.lines().count(), 2, "{error}");
        error
    }

    /// The findings of `doctor`: id, status and text.
    fn findings(&self) -> Vec<(String, String, String)> {
        let output = self.guest(&["doctor", "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let text = |one: &serde_json::Value, key: &str| {
            one.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
        };
        let findings = json.get("findings").and_then(serde_json::Value::as_array).expect("a list").iter();
        findings.map(|one| (text(one, "id"), text(one, "status"), text(one, "what"))).collect()
    }

    fn status(&self, id: &str) -> Option<String> {
        self.findings().into_iter().find(|(found, ..)| found == id).map(|(_, status, _)| status)
    }
}

#[test]
fn t06_an_identity_that_is_not_pinned_ends_the_fetch() {
    let world = World::new(vec![]).with_patience();
    world.broker.lock().announced = identity(66).identity();
    let error = world.ends_at_once();
    let stranger = identity(66).identity();
    assert!(error.contains(&format!("signs as {stranger}, which is not pinned")), "{error}");
    assert!(error.contains("do not copy the identity"), "{error}");
    assert_eq!(
        (world.status("broker").as_deref(), world.status("identity").as_deref()),
        (Some("ok"), Some("missing"))
    );
}

#[test]
fn another_ca_ends_the_fetch() {
    let world = World::new(vec![]).with_patience();
    let other = Server::start(Box::new(|_, _| None));
    write(world.file("ca.pem"), other.ca).unwrap();
    let error = world.ends_at_once();
    assert!(
        error.contains("invalid peer certificate") && error.contains("`ca` has to hold the CA"),
        "{error}"
    );
    assert_eq!(
        (world.status("ca").as_deref(), world.status("broker").as_deref()),
        (Some("ok"), Some("missing"))
    );
    write(world.file("ca.pem"), "").unwrap();
    assert_eq!(world.status("ca").as_deref(), Some("missing"));
}

#[test]
fn another_host_name_ends_the_fetch() {
    let world = World::new(vec![]).with_patience();
    world.change("https://127.0.0.1", "https://localhost");
    let error = world.ends_at_once();
    assert!(error.contains("certificate has to name the host in `brokers`"), "{error}");
}

#[test]
fn a_url_where_no_broker_answers_ends_the_fetch() {
    let world = World::new(vec![]).with_patience();
    let gone = || Some(Response { status: 404, retry_after: None, body: b"<html>".to_vec() });
    world.broker.lock().challenge_script.extend([gone(), gone()]);
    let error = world.ends_at_once();
    assert!(error.contains("/v1/challenge: status 404, this is not a vouchsafe broker"), "{error}");
    assert_eq!(world.status("broker").as_deref(), Some("missing"));
}

#[test]
fn a_server_without_tls_ends_the_fetch() {
    let world = World::new(vec![]).with_patience();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // The client may have closed the connection already.
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let config = GuestConfig::read(&world.file("guest.toml")).unwrap();
    world.change(config.client.brokers[0].origin(), &plain);
    let error = world.ends_at_once();
    assert!(error.contains("does not speak TLS"), "{error}");
}

#[test]
fn an_unreachable_broker_is_retried_up_to_the_limit_of_attempts() {
    let world = World::new(vec![]);
    let config = GuestConfig::read(&world.file("guest.toml")).unwrap();
    world.change(config.client.brokers[0].origin(), "https://127.0.0.1:1");
    let error = failed_with(&world.guest(&["fetch", "prod/key"]), 11);
    assert!(error.contains("asking again in") && error.contains("gave up after 2 attempts"), "{error}");
    assert!(error.contains("`vouchsafe-guest doctor` checks the brokers"), "{error}");
    assert_eq!(world.status("broker").as_deref(), Some("missing"));
    assert_eq!(world.guest(&["doctor"]).status.code(), Some(1));
}

#[test]
fn doctor_finds_no_fault_in_a_working_vm() {
    let world = World::new(vec![]);
    let findings = world.findings();
    let of = |id: &str| {
        findings
            .iter()
            .find(|(found, ..)| found == id)
            .map(|(_, status, what)| (status.as_str(), what.as_str()))
    };
    let pinned = format!("{}, pinned", identity(1).identity());
    assert_eq!(
        of("attestation-key"),
        Some((
            "ok",
            "ECC, certified; the AK certificate is sent without its issuing CA, which brokers know or fetch"
        ))
    );
    assert_eq!(of("identity"), Some(("ok", pinned.as_str())));
    assert_eq!(
        (of("ca").unwrap().0, of("broker").unwrap().0, of("configuration").unwrap().0),
        ("ok", "ok", "ok")
    );
    // The clock of these tests' broker is in 1970.
    assert!(
        of("clock")
            .is_some_and(|(status, what)| status == "warning" && what.ends_with("s ahead of the broker's"))
    );
    let output = world.guest(&["doctor"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("This VM can prove: vtpm\n"), "{output:?}");
    assert_eq!(world.broker.lock().requests().len(), 0);
}

#[test]
fn doctor_reports_a_key_template_without_a_certificate() {
    let world = World::new(vec![]);
    let shielded = Machine::new();
    shielded.swtpm.define_index(AkAlgorithm::Rsa.template_index(), &[0xff; 40]).unwrap();
    world.change(&world.machine.swtpm.address().to_string(), &shielded.swtpm.address().to_string());
    let output = world.guest(&["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.starts_with("This VM can prove nothing") && text.contains("as in a plain Shielded VM"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1));
    let error = failed_with(&world.guest(&["fetch", "prod/key"]), 12);
    assert!(error.contains("as in a plain Shielded VM"), "{error}");
}

/// The library is hidden in a separate mount namespace.
#[test]
fn a_missing_part_of_the_tpm_library_is_named_with_its_package() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    let script = "for lib in $(ldconfig -p | sed -n 's/.*libtss2-tcti-swtpm.so.* => //p'); do \
                  mount --bind /dev/null \"$(readlink -f \"$lib\")\" || exit 99; done; \
                  \"$0\" --config \"$1\" doctor; exec \"$0\" --config \"$1\" fetch prod/key";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_vouchsafe-guest")])
        .arg(world.file("guest.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(12), "{output:?}");
    let doctor = String::from_utf8_lossy(&output.stdout).into_owned();
    let missing = "the library libtss2-tcti-swtpm.so.0 is missing: install the package libtss2-tcti-swtpm0";
    assert!(doctor.contains(&format!("missing  tpm-library      {missing}")), "{doctor}");
    assert!(stderr(&output).contains(missing), "{output:?}");
}

#[test]
fn a_configuration_error_names_file_line_and_key() {
    let world = World::new(vec![]);
    world.change("attempts = 2", "attempts = \"two\"");
    let error = failed_with(&world.guest(&["fetch", "prod/key"]), 2);
    let file = world.file("guest.toml").display().to_string();
    let line =
        read_to_string(&file).unwrap().lines().position(|line| line.starts_with("attempts")).unwrap() + 1;
    assert!(error.contains(&format!("{file}, line {line}, `limits.attempts`: invalid type")), "{error}");
    let finding = world.findings().into_iter().find(|(id, ..)| id == "configuration").unwrap();
    assert!(finding.1 == "missing" && finding.2.contains("`limits.attempts`"), "{finding:?}");
}

/// Whoever changes either file chooses the broker that this VM believes, or reads what passes between them.
#[test]
fn t06_a_configuration_or_ca_that_others_may_change_is_refused() {
    let world = World::new(vec![]);
    for (name, id) in [("guest.toml", "configuration"), ("ca.pem", "ca")] {
        let file = world.file(name);
        for (mode, wanted) in [(0o664, 0o644), (0o646, 0o644), (0o620, 0o600)] {
            set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let error = failed_with(&world.guest(&["fetch", "prod/key"]), 2);
            let what = format!(
                "{0}: has mode {mode:03o}, so other users may change it: chmod {wanted:03o} {0}",
                file.display()
            );
            assert!(error.contains(&format!("configuration: {what}\n")), "{error}");
            let finding = world.findings().into_iter().find(|(found, ..)| found == id).unwrap();
            assert_eq!((finding.1.as_str(), finding.2), ("missing", what));
        }
        for mode in [0o644, 0o600] {
            set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(world.status(id).as_deref(), Some("ok"));
        }
        if is_root() {
            chown(&file, Some(54321), None).unwrap();
            let error = failed_with(&world.guest(&["fetch", "prod/key"]), 2);
            let what = format!(
                "{0}: belongs to user id 54321: it must be yours or root's: chown it to the user that runs this program",
                file.display()
            );
            assert!(error.contains(&what), "{error}");
            chown(&file, Some(0), None).unwrap();
        }
    }
    assert_eq!(world.broker.lock().requests().len(), 0);
}

/// The metadata server, Google, the TPM and the broker are others.
#[test]
fn t55_doctor_escapes_the_text_of_others() {
    let world = World::new(vec![]);
    // Escaped by TOML.
    let hostile = r#""/\u001b[2J\u009b31m\u202e\u2028nowhere" # "#;
    world.change("\nca = ", &format!("\nca = {hostile}"));
    let harmless =
        |text: &str| !text.chars().any(|c| c.is_control() && c != '\n' || "\u{202e}\u{2028}".contains(c));
    for arguments in [&["doctor"][..], &["doctor", "--json"]] {
        let output = world.guest(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("nowhere") && harmless(&text), "{text:?}");
        assert!(harmless(&String::from_utf8_lossy(&output.stderr)));
        if arguments.len() == 2 {
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(json.to_string().contains("nowhere"));
        }
    }
}
