//! Tokens end, are replaced, and are not lost when that is interrupted.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Served, free_port, init, made, text, vouchsafe};

/// A broker, and files with operators' tokens.
struct World {
    folder: TempDir,
    served: Option<Served>,
}

/// Exit code, standard output and standard error.
type Done = (Option<i32>, String, String);

impl World {
    fn new(more: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let operators = format!("127.0.0.1:{}", free_port("127.0.0.1"));
        made(folder.path(), &[&["--guests", "127.0.0.1:0", "--operators", &operators], more].concat());
        let mut world = Self { folder, served: None };
        world.start();
        world
    }

    fn start(&mut self) {
        self.served = Some(Served::start(&self.path("data")));
    }

    fn stop(&mut self) {
        self.served = None;
        let config = self.path("data/broker.toml");
        let written = fs::read_to_string(&config).expect("read");
        fs::write(&config, written.replace("\n[collateral]\nfetch = false\n", "")).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn admin(&self) -> PathBuf {
        self.path("data/operator.toml")
    }

    fn by(&self, operator: &Path, arguments: &[&str]) -> Done {
        let output = vouchsafe().args(arguments).arg("--operator").arg(operator).output().expect("runs");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    fn run(&self, arguments: &[&str]) -> (String, String) {
        let (code, out, error) = self.by(&self.admin(), arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {error}");
        (out, error)
    }

    /// A refused command says all of this.
    fn refused(&self, operator: &Path, arguments: &[&str], code: i32, expected: &[&str]) {
        let (found, _, said) = self.by(operator, arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
        for expected in expected {
            assert!(said.contains(expected), "{arguments:?}: {expected}: {said}");
        }
    }

    fn works(&self, operator: &Path) -> bool {
        let (code, _, said) = self.by(operator, &["secret", "list"]);
        assert!(code == Some(0) || said.contains("(unauthorized)"), "{said}");
        code == Some(0)
    }

    /// The path of `name`, as an argument.
    fn argument(&self, name: &str) -> String {
        self.path(name).to_str().expect("text").to_owned()
    }
}

/// The file that a rotation writes first.
fn pending(file: &Path) -> PathBuf {
    file.with_extension("toml.new")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("read")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn an_own_token_is_replaced_in_its_file() {
    let world = World::new(&[]);
    let admin = world.admin();
    let before = read(&admin);
    let old = world.path("old.toml");
    fs::copy(&admin, &old).expect("copied");
    let (said, _) = world.run(&["operator", "rotate"]);
    assert!(
        said.contains("New token of admin in ") && said.contains("The old one is not valid any more."),
        "{said}"
    );
    assert_ne!(read(&admin), before);
    assert_eq!((mode(&admin), pending(&admin).exists()), (0o600, false));
    assert_eq!([world.works(&admin), world.works(&old)], [true, false]);

    let (listed, _) = world.run(&["operator", "list"]);
    assert!(listed.contains("TOKEN ENDS") && !listed.contains("never"), "{listed}");
    let (decisions, _) = world.run(&["decisions", "list", "--outcome", "operator", "--limit", "1"]);
    assert!(decisions.contains("operator.rotate") && decisions.contains("admin"), "{decisions}");
    let id = decisions.lines().nth(1).and_then(|line| line.split_whitespace().nth(1)).expect("an id");
    let (explained, _) = world.run(&["explain", id]);
    assert!(explained.contains("operator.rotate by operator admin"), "{explained}");
    assert!(explained.contains("\n  token   ends at 20"), "{explained}");

    // With an overlap, and without an end; the file is reached through a link, which stays.
    let link = world.path("link.toml");
    symlink(&admin, &link).expect("a link");
    fs::copy(&admin, &old).expect("copied");
    let rotate = ["operator", "rotate", "--overlap", "1h", "--expires-in", "never", "--json"];
    let (code, answer, said) = world.by(&link, &rotate);
    assert_eq!(code, Some(0), "{said}");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    assert!(answer["expires_at"].is_null() && answer["previous_until"].is_u64(), "{answer}");
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    assert_eq!([world.works(&admin), world.works(&old)], [true, true]);
    let (listed, _) = world.run(&["operator", "list"]);
    assert!(listed.contains("never (the one before: 20"), "{listed}");
    world.refused(&old, &["operator", "rotate"], 1, &["has been replaced", "(conflict)"]);
    assert!(!pending(&old).exists(), "a refused token is not kept");
}

#[test]
fn a_token_file_is_replaced_too() {
    let world = World::new(&[]);
    let (token, ca) = (world.path("token"), world.path("data/tls/ca.pem"));
    let server = read(&world.admin())
        .lines()
        .find_map(|line| line.strip_prefix("server = ").map(|server| server.trim_matches('"').to_owned()));
    let server = server.expect("a server");
    let run = |arguments: &[&str]| {
        let mut command = vouchsafe();
        command
            .args(arguments)
            .args(["--server", &server])
            .arg("--ca")
            .arg(&ca)
            .arg("--token-file")
            .arg(&token);
        let output = command.output().expect("runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    let before = read(&token);
    run(&["operator", "rotate"]);
    let after = read(&token);
    assert!(after != before && after.starts_with("vouchsafe-operator.") && after.len() == before.len());
    assert_eq!(mode(&token), 0o600);
    run(&["secret", "list"]);
    assert!(!world.works(&world.admin()), "the operator file had the same token");
}

#[test]
fn a_rotation_that_is_interrupted_anywhere_is_completed_by_the_same_command() {
    let mut world = World::new(&[]);
    let admin = world.admin();
    // The broker did not hear of it.
    world.stop();
    world.refused(
        &admin,
        &["operator", "rotate"],
        3,
        &["Repeat the command: it continues with ", ".toml.new"],
    );
    let (old, new) = (read(&admin), read(&pending(&admin)));
    assert_eq!(mode(&pending(&admin)), 0o600);
    world.start();
    assert!(world.works(&admin), "the old one is still valid");
    world.run(&["operator", "rotate"]);
    assert_eq!((read(&admin), pending(&admin).exists()), (new.clone(), false));
    assert!(world.works(&admin));
    // The broker has replaced it, and the answer was lost.
    fs::write(pending(&admin), &new).expect("written");
    fs::set_permissions(pending(&admin), fs::Permissions::from_mode(0o600)).expect("changed");
    fs::write(&admin, &old).expect("written");
    world.refused(
        &admin,
        &["secret", "list"],
        1,
        &["left from an interrupted rotation", "`vouchsafe operator rotate`"],
    );
    let (said, _) = world.run(&["operator", "rotate"]);
    assert!(said.contains("New token of admin"), "{said}");
    assert_eq!((read(&admin), pending(&admin).exists()), (new.clone(), false));
    assert!(world.works(&admin));
    let (decisions, _) = world.run(&["decisions", "list", "--outcome", "operator"]);
    assert_eq!(decisions.matches("operator.rotate").count(), 1, "{decisions}");
    // T55: a token that is left from elsewhere is not sent here.
    let elsewhere = new.replace("https://127.0.0.1:", "https://127.0.0.2:");
    fs::write(pending(&admin), elsewhere).expect("written");
    fs::set_permissions(pending(&admin), fs::Permissions::from_mode(0o600)).expect("changed");
    world.refused(
        &admin,
        &["operator", "rotate"],
        2,
        &["is left from a rotation at another broker: remove it"],
    );
    fs::write(pending(&admin), new.replace("vouchsafe-operator.", "vouchsafe-operator")).expect("written");
    world.refused(&admin, &["operator", "rotate"], 2, &["has no whole token: remove it"]);
    assert!(world.works(&admin));
}

#[test]
fn an_administrator_replaces_the_token_of_another() {
    let world = World::new(&[]);
    let admin = world.admin();
    let (kim, lost) = (world.path("kim.toml"), world.path("lost.toml"));
    let file = world.argument("lost.toml");
    let add = ["operator", "add", "kim", "--role", "editor", "--namespace", "prod", "--out", &file];
    let (said, _) = world.run(&add);
    assert!(said.contains("whose token ends at 20"), "{said}");
    let file = world.argument("kim.toml");
    world.run(&["operator", "rotate", "kim", "--out", &file]);
    assert_eq!((mode(&kim), pending(&kim).exists()), (0o600, false));
    assert_eq!([world.works(&kim), world.works(&lost)], [true, false]);
    // Without a file it is printed.
    let (said, _) = world.run(&["operator", "rotate", "kim", "--expires-in", "1h"]);
    assert!(said.contains("Token of operator kim, shown this once; it ends at 20"), "{said}");
    assert!(said.contains("  vouchsafe-operator.") && !world.works(&kim), "{said}");
    fs::remove_file(&kim).expect("removed");
    world.run(&["operator", "rotate", "kim", "--out", &file]);
    // Every operator replaces the own token, and no other.
    let (code, _, said) = world.by(&kim, &["operator", "rotate"]);
    assert_eq!(code, Some(0), "{said}");
    let other = world.argument("other.toml");
    for (operator, arguments, code, expected) in [
        (&kim, &["operator", "rotate", "admin", "--out", &other][..], 1, "(forbidden)"),
        (&kim, &["operator", "rotate", "nobody"], 1, "(forbidden)"),
        (
            &admin,
            &["operator", "rotate", "nobody", "--out", &other],
            1,
            "there is no operator nobody (not-found)",
        ),
        (
            &admin,
            &["operator", "rotate", "admin", "--out", &other],
            1,
            "leave the name out to replace that (conflict)",
        ),
        (&admin, &["operator", "rotate", "kim", "--out", &file], 2, "kim.toml: exists already"),
        (&admin, &["operator", "rotate", "--out", &other], 2, "<NAME>"),
        (&admin, &["operator", "rotate", "--expires-in", "367d"], 2, "1 second to 366 days"),
        (&admin, &["operator", "rotate", "--overlap", "8d"], 2, "at most 7d"),
        (
            &admin,
            &["operator", "add", "ed", "--role", "administrator", "--expires-in", "0s"],
            2,
            "0 seconds are not possible",
        ),
    ] {
        world.refused(operator, arguments, code, &[expected]);
    }
    assert!(!Path::new(&other).exists() && !world.path("other.toml.new").exists());
    assert_eq!([world.works(&kim), world.works(&admin)], [true, true]);
}

#[test]
fn the_end_of_a_token_is_announced_and_then_explained() {
    let world = World::new(&["--expires-in", "10d"]);
    let (_, said) = world.run(&["secret", "list"]);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].starts_with("vouchsafe: your token ends in 9 days (20"), "{said}");
    assert!(lines[0].ends_with("): replace it with `vouchsafe operator rotate`"), "{said}");
    let (_, said) = world.run(&["operator", "rotate", "--expires-in", "15d"]);
    assert!(!said.contains("your token ends"), "{said}");
    assert_eq!(world.run(&["secret", "list"]).1, "");

    let file = world.argument("kim.toml");
    let end = ["--expires-in", "1s", "--out", &file];
    world.run(&[&["operator", "add", "kim", "--role", "auditor", "--namespace", "*"], &end[..]].concat());
    sleep(Duration::from_secs(2));
    let expected = [
        "the token of operator kim ended at 20",
        "`vouchsafe operator rotate NAME`",
        "`vouchsafe recover-admin`",
        "(token-expired)",
    ];
    world.refused(&world.path("kim.toml"), &["secret", "list"], 1, &expected);
    world.refused(&world.path("kim.toml"), &["operator", "rotate"], 1, &["(token-expired)"]);
    assert!(!pending(&world.path("kim.toml")).exists());
    let (listed, _) = world.run(&["operator", "list"]);
    let kim = listed.lines().find(|line| line.starts_with("kim")).expect("listed");
    assert!(kim.ends_with("Z (has ended)"), "{listed}");
    let (listed, _) = world.run(&["operator", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    assert!(listed[0]["expires_at"].is_u64(), "{listed}");
}

#[test]
fn an_end_out_of_bounds_is_refused_by_init() {
    let folder = TempDir::new().expect("a folder");
    for end in ["0d", "367d", "soon"] {
        let output = init(folder.path(), &["--expires-in", end]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(!folder.path().join("data").exists());
    }
    made(folder.path(), &["--expires-in", "never"]);
}
