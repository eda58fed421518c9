//! Changes by operators, and their records in the log, through the binary.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;
use vouchsafe_attestation::test_util::google_token::FakeAttestationService;
use vouchsafe_policy::SHIPPED_GUARDRAILS;

use crate::process::{Served, free_port, made, text, vouchsafe};

/// A broker that runs, and its operator.
struct Operated {
    folder: TempDir,
    _served: Served,
}

impl Operated {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let operators = format!("127.0.0.1:{}", free_port("127.0.0.1"));
        made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", &operators]);
        let served = Served::start(&folder.path().join("data"));
        Self { folder, _served: served }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("written");
        path
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = vouchsafe();
        command.args(arguments).arg("--operator").arg(self.folder.path().join("data/operator.toml"));
        command.current_dir(self.folder.path()).output().expect("runs")
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).expect("JSON")
    }

    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    fn with_secret() -> Self {
        let broker = Self::start();
        let new = [
            "policy",
            "new",
            "--for",
            "app",
            "--project",
            "7",
            "--technology",
            "sev-snp",
            "--accept",
            "pcr7-alone",
        ];
        let policy = vouchsafe().args(new).output().expect("runs").stdout;
        broker.file("p.cedar", policy);
        broker.ok(&["policy", "put", "prod/db", "p.cedar"]);
        for value in ["one", "two"] {
            broker.file("value", value);
            broker.ok(&["secret", "put", "prod/db/password", "--policy", "prod/db", "--from", "value"]);
        }
        broker
    }
}

/// The id of the last change of this kind.
fn last(log: &str, action: &str) -> String {
    let line = log.lines().find(|line| line.contains(action)).expect("on record");
    line.split_whitespace().nth(1).expect("an id").to_owned()
}

#[test]
fn shipped_guardrails_are_dropped_by_name_and_come_back() {
    let broker = Operated::start();
    broker.file("g.cedar", SHIPPED_GUARDRAILS.replace("@id(\"snp-vmpl-0\")", "@id(\"ours\")"));
    let refused = broker.refused(&["guardrails", "put", "g.cedar"], 1);
    assert!(refused.contains("snp-vmpl-0 (missing)") && refused.contains("--drop ID"), "{refused}");
    let refused = broker.refused(&["guardrails", "put", "g.cedar", "--drop", "snp-vmpl-0", "--drop", "x"], 1);
    assert!(refused.contains("\"x\" is not dropped"), "{refused}");
    broker.ok(&["guardrails", "put", "g.cedar", "--drop", "snp-vmpl-0"]);
    assert!(broker.ok(&["guardrails", "show"]).contains("put by an administrator"));
    assert!(broker.ok(&["guardrails", "reset"]).contains("in force again"));
    assert!(broker.ok(&["guardrails", "show"]).contains("shipped with this version"));
    assert!(broker.ok(&["guardrails", "reset"]).contains("nothing to reset"));
    assert!(broker.ok(&["decisions", "list"]).contains("guardrails.reset"));
}

#[test]
fn baselines_show_their_end_and_are_not_put_after_it() {
    let broker = Operated::start();
    let baseline = |ends_at: &str| {
        let digest = |byte: &str| byte.repeat(32);
        format!(
            "{{\"version\":1,\"ends_at\":{ends_at},\"technology\":\"sev-snp\",\"uki\":[\"{}\"],\"sections\":{{\".linux\":[\"{}\"],\
             \".cmdline\":[\"{}\"],\".initrd\":[\"{}\"]}}}}",
            digest("01"),
            digest("02"),
            digest("03"),
            digest("04")
        )
    };
    assert!(broker.ok(&["baseline", "list"]).contains("no baselines"));
    broker.file("ended.json", baseline("1700000000"));
    let refused = broker.refused(&["baseline", "put", "prod/old", "ended.json"], 1);
    assert!(refused.contains("has expired"), "{refused}");
    broker.file("new.json", baseline("4000000000"));
    broker.ok(&["baseline", "put", "prod/new", "new.json"]);
    let listed = broker.ok(&["baseline", "list"]);
    assert!(listed.contains("in-force") && listed.contains("2096-10-02T07:06:40Z"), "{listed}");
    broker.ok(&["baseline", "revoke", "prod/new"]);
    assert_eq!(broker.json(&["baseline", "list"])[0]["state"], "revoked");
}

#[test]
fn a_version_retired_by_itself_stays_so() {
    let broker = Operated::with_secret();
    let path = "prod/db/password";
    broker.ok(&["secret", "retire", path, "--version", "1"]);
    broker.ok(&["secret", "retire", path]);
    let shown = broker.ok(&["secret", "show", path]);
    assert!(shown.contains("retired with the secret"), "{shown}");
    broker.ok(&["secret", "restore", path]);
    let versions = broker.json(&["secret", "show", path])["versions"].clone();
    assert_eq!((&versions[0]["state"], &versions[1]["state"]), (&"retired".into(), &"active".into()));
    let refused = broker.refused(&["secret", "restore", path], 1);
    assert!(refused.contains("name the version"), "{refused}");
    broker.ok(&["secret", "restore", path, "--version", "1"]);
}

#[test]
fn collateral_is_removed_by_what_status_shows() {
    let broker = Operated::start();
    broker.file("jwks.json", FakeAttestationService::shared().jwks());
    broker.ok(&["collateral", "import", "jwks.json"]);
    let status = broker.json(&["collateral", "status"]);
    let digest = status["items"][0]["digest"].as_str().expect("a digest").to_owned();
    let shown = digest.get(..16).expect("hex");
    assert!(broker.ok(&["collateral", "status"]).contains(shown));
    assert!(broker.refused(&["collateral", "remove", "0000000000000000"], 2).contains("no item"));
    assert!(broker.refused(&["collateral", "remove", "00"], 2).contains("at least 16"));
    broker.ok(&["collateral", "remove", shown]);
    assert_eq!(broker.json(&["collateral", "status"])["items"], Value::Array(Vec::new()));
    broker.refused(&["collateral", "remove", &digest], 2);
}

#[test]
fn decisions_are_listed_by_time_in_every_form() {
    let broker = Operated::with_secret();
    let count =
        |time: &str| broker.json(&["decisions", "list", "--since", time])["records"].as_array().map(Vec::len);
    let all = count("0");
    assert!(all > Some(3));
    for time in ["1h", "2020-01-01", "2026-01-01T10:00Z", "2026-01-01T10:00:00+01:00"] {
        assert_eq!(count(time), all, "{time}");
    }
    assert_eq!(count("2100-01-01"), Some(0));
    assert_eq!(
        broker.json(&["decisions", "list", "--until", "2020-01-01"])["records"],
        Value::Array(Vec::new())
    );
    assert!(broker.refused(&["decisions", "list", "--since", "yesterday"], 2).contains("2026-11-29T10:00Z"));
}

#[test]
fn the_log_names_the_operator_and_the_rights() {
    let broker = Operated::start();
    broker.ok(&["operator", "add", "ann", "--role", "editor", "--namespace", "prod", "--namespace", "dev"]);
    let id = last(&broker.ok(&["decisions", "list"]), "operator.add");
    let explained = broker.ok(&["explain", &id]);
    assert!(explained.contains("by operator admin"), "{explained}");
    assert!(explained.contains("role    administrator"), "{explained}");
    assert!(explained.contains("rights  editor of prod, dev"), "{explained}");
    assert!(broker.refused(&["decisions", "evidence", &id], 1).contains("has evidence"));
}
