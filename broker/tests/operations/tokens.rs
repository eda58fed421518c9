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

/// The file that a rotation of the own token writes first.
fn successor(file: &Path) -> PathBuf {
    let text = read(file);
    let id =
        text.split("vouchsafe-operator.").nth(1).and_then(|token| token.split('.').next()).expect("a token");
    file.with_extension(format!("toml.{id}.new"))
}

/// The file that a rotation of another operator's token writes first.
fn pending(file: &Path) -> PathBuf {
    file.with_extension("toml.new")
}

/// What rotations have left in a folder.
fn left_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    names.map(|name| name.into_string().expect("text")).filter(|name| name.ends_with(".new")).collect()
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("changed");
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
    assert_eq!((mode(&admin), left_in(&world.path("data"))), (0o600, vec![]));
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
    assert_eq!(left_in(world.folder.path()), Vec::<String>::new(), "a refused token is not kept");
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
    world.refused(&admin, &["operator", "rotate"], 3, &["Repeat the command: it continues with ", ".new"]);
    let left = successor(&admin);
    let (old, new) = (read(&admin), read(&left));
    assert_eq!(mode(&left), 0o600);
    world.start();
    assert!(world.works(&admin), "the old one is still valid");
    world.run(&["operator", "rotate"]);
    assert_eq!((read(&admin), left.exists()), (new.clone(), false));
    assert!(world.works(&admin));
    // The broker has replaced it, and the answer was lost.
    write_private(&left, &new);
    fs::write(&admin, &old).expect("written");
    world.refused(
        &admin,
        &["secret", "list"],
        1,
        &["left from an interrupted rotation", "`vouchsafe operator rotate`"],
    );
    let (said, _) = world.run(&["operator", "rotate"]);
    assert!(said.contains("New token of admin"), "{said}");
    assert_eq!((read(&admin), left.exists()), (new.clone(), false));
    assert!(world.works(&admin));
    let (decisions, _) = world.run(&["decisions", "list", "--outcome", "operator"]);
    assert_eq!(decisions.matches("operator.rotate").count(), 1, "{decisions}");
    // T55: a token that is left from elsewhere is not sent here.
    let elsewhere = new.replace("https://127.0.0.1:", "https://127.0.0.2:");
    let left = successor(&admin);
    write_private(&left, &elsewhere);
    let file = left.to_str().expect("text");
    let try_it = format!("Try it with `vouchsafe secret list --operator {file}`: if it works, move it");
    let of_another = ["is left from a rotation at another broker, https://127.0.0.2:", &try_it];
    world.refused(&admin, &["operator", "rotate"], 2, &of_another);
    fs::write(&left, new.replace("vouchsafe-operator.", "vouchsafe-operator")).expect("written");
    let not_whole = ["has no whole token", "See first whether the token in ", "operator.toml still works"];
    world.refused(&admin, &["operator", "rotate"], 2, &not_whole);
    assert!(world.works(&admin));
    assert_eq!(read(&admin), new);
}

#[test]
fn t41_a_token_that_was_revoked_does_not_come_back_with_what_a_rotation_left() {
    let world = World::new(&[]);
    let admin = world.admin();
    let first = successor(&admin);
    world.run(&["operator", "rotate"]);
    let leaked = world.path("leaked.toml");
    fs::copy(&admin, &leaked).expect("copied");
    // Files of rotations of the token before, and of another operator's.
    for left in [&first, &pending(&admin)] {
        write_private(left, &read(&leaked));
    }
    for _ in 0..2 {
        world.run(&["operator", "rotate"]);
        assert_eq!([world.works(&admin), world.works(&leaked)], [true, false]);
    }
    assert_eq!(read(&first), read(&leaked), "nobody else's file is touched");

    // Of another operator: the administrator has replaced the token meanwhile.
    let (kim, file) = (world.path("kim.toml"), world.argument("kim.toml"));
    world.run(&["operator", "add", "kim", "--role", "editor", "--namespace", "prod", "--out", &file]);
    fs::rename(&kim, pending(&kim)).expect("moved");
    fs::copy(pending(&kim), &leaked).expect("copied");
    assert!(world.works(&leaked));
    world.run(&["operator", "rotate", "kim"]);
    world.run(&["operator", "rotate", "kim", "--out", &file]);
    assert_eq!([world.works(&kim), world.works(&leaked), pending(&kim).exists()], [true, false, false]);
}

#[test]
fn a_rotation_for_another_operator_continues_with_a_token_in_force() {
    let world = World::new(&[]);
    let (kim, file) = (world.path("kim.toml"), world.argument("kim.toml"));
    let records = || {
        let (decisions, _) = world.run(&["decisions", "list", "--outcome", "operator"]);
        decisions.matches("operator.rotate").count()
    };
    for name in ["kim", "ed"] {
        world.run(&["operator", "add", name, "--role", "editor", "--namespace", "prod"]);
    }
    world.run(&["operator", "rotate", "kim", "--out", &file]);
    // Only the answer was lost.
    let left = read(&kim);
    fs::rename(&kim, pending(&kim)).expect("moved");
    let advice = [
        "toml.new: is left from an interrupted rotation and has the token of operator kim, which is in force",
        "move it to where their operator file is to be",
    ];
    world.refused(&world.admin(), &["operator", "rotate", "ed", "--out", &file], 2, &advice);
    let (said, _) = world.run(&["operator", "rotate", "kim", "--out", &file]);
    assert!(said.contains("New token of kim in "), "{said}");
    assert_eq!((read(&kim), pending(&kim).exists(), records()), (left, false, 1));
    assert!(world.works(&kim));
}

/// Where no file can be copied from, such as a container without a shell.
#[test]
fn an_operator_file_can_be_printed() {
    let world = World::new(&[]);
    let kim = world.path("kim.toml");
    for command in [
        &["operator", "add", "kim", "--role", "editor", "--namespace", "prod", "--out", "-"][..],
        &["operator", "rotate", "kim", "--out", "-"],
    ] {
        let (printed, _) = world.run(command);
        write_private(&kim, &printed);
        assert!(world.works(&kim), "{printed}");
        let (json, _) = world.run(&["operator", "rotate", "kim", "--out", "-", "--json"]);
        let answer: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert!(
            answer["token"].as_str().is_some_and(|token| token.starts_with("vouchsafe-operator.")),
            "{json}"
        );
        assert!(!world.works(&kim));
    }
    assert!(!Path::new("-").exists() && left_in(Path::new(".")).is_empty());
}

#[test]
fn two_rotations_in_one_folder_are_kept_apart() {
    let world = World::new(&[]);
    world.run(&["operator", "add", "kim", "--role", "editor", "--namespace", "prod"]);
    let (data, elsewhere) = (world.path("data"), world.path("elsewhere"));
    fs::create_dir(&elsewhere).expect("created");
    let (file, other) = (world.argument("data/kim.toml"), world.argument("elsewhere/kim.toml"));
    let locked = fs::File::open(&data).expect("opened");
    locked.try_lock().expect("locked");
    let advice = ["data: another `vouchsafe operator rotate` is replacing a token in this folder"];
    world.refused(&world.admin(), &["operator", "rotate"], 2, &advice);
    world.refused(&world.admin(), &["operator", "rotate", "kim", "--out", &file], 2, &advice);
    assert_eq!(left_in(&data), Vec::<String>::new());
    world.run(&["operator", "rotate", "kim", "--out", &other]);
    drop(locked);
    world.run(&["operator", "rotate"]);
    assert!(world.works(&world.admin()) && world.works(&elsewhere.join("kim.toml")));
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
    // Every operator replaces the own token, and no other; not with one for longer.
    let longer = ["operator", "rotate", "--expires-in", "91d"];
    world.refused(&kim, &longer, 1, &["was granted for 7776000 seconds", "(forbidden)"]);
    let (code, _, said) = world.by(&kim, &["operator", "rotate", "--expires-in", "30d"]);
    assert_eq!(code, Some(0), "{said}");
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
    let kim = world.path("kim.toml");
    let (_, _, said) = world.by(&kim, &["operator", "rotate"]);
    assert!(said.contains("`vouchsafe operator rotate NAME`") && said.contains("(token-expired)"), "{said}");
    assert!(!said.contains("interrupted") && left_in(world.folder.path()).is_empty(), "{said}");
    // The token that a rotation left has ended, and the one before it is that of nobody.
    let (ended, nobody) = (read(&kim), world.path("nobody.toml"));
    world.run(&[
        "operator",
        "add",
        "ann",
        "--role",
        "auditor",
        "--namespace",
        "*",
        "--out",
        &world.argument("nobody.toml"),
    ]);
    world.run(&["operator", "remove", "ann"]);
    write_private(&successor(&nobody), &ended);
    world.refused(
        &nobody,
        &["operator", "rotate"],
        1,
        &["the token of operator kim ended at 20", "(token-expired)"],
    );
    fs::remove_file(successor(&nobody)).expect("removed");
    let advice = [
        "if the token was replaced (`vouchsafe operator rotate`), use the file with the new one",
        "(unauthorized)",
    ];
    world.refused(&nobody, &["operator", "rotate"], 1, &advice);
    let removed = ["or adds you if you were removed", "`vouchsafe recover-admin`"];
    world.refused(&nobody, &["secret", "list"], 1, &removed);
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

#[test]
fn init_says_when_its_token_ends_and_what_to_back_up() {
    for (end, expected) in [("never", ", which never ends: "), ("30d", ", which ends at 20")] {
        let folder = TempDir::new().expect("a folder");
        let output = init(folder.path(), &["--expires-in", end]);
        let said = text(&output.stdout);
        assert!(said.contains(&format!("Server, CA and token of operator admin{expected}")), "{said}");
        let keyring = folder.path().canonicalize().expect("there").join("data/keyring.json");
        assert!(said.contains(&format!("Back up the keyring, {}, separately", keyring.display())), "{said}");
    }
    let folder = TempDir::new().expect("a folder");
    let output = init(folder.path(), &["--expires-in", "30d", "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(said["expires_at"].is_u64(), "{said}");
}
