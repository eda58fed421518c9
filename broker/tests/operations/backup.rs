//! `vouchsafe backup` and `vouchsafe restore`, and what `serve` says of a database that is lost, damaged or old.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Served, free_port, made, text, vouchsafe};

/// A broker with one operator, and a second one that is not in its copy; killed.
struct Killed {
    folder: TempDir,
    config: String,
}

impl Killed {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let operators = format!("127.0.0.1:{}", free_port("127.0.0.1"));
        made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", &operators]);
        let config = fs::read_to_string(folder.path().join("data/broker.toml")).expect("read");
        let broker = Self { folder, config };
        let served = broker.serve();
        let copied = broker.ok(&["backup", "--out", &broker.text("copy.db")]);
        assert!(copied.contains("a good copy") && copied.contains("keyring.json, the keyring"), "{copied}");
        broker.add("bob");
        drop(served);
        broker
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Starts it; the helper adds to the configuration that `init` wrote.
    fn serve(&self) -> Served {
        fs::write(self.path("data/broker.toml"), &self.config).expect("written");
        Served::start(&self.path("data"))
    }

    fn add(&self, name: &str) {
        let mut command = vouchsafe();
        command.args(["operator", "add", name, "--role", "administrator", "--operator"]);
        let output = command.arg(self.path("data/operator.toml")).output().expect("runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// A command with the broker's configuration.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = vouchsafe();
        command.args(arguments).arg("--config").arg(self.path("data/broker.toml")).output().expect("runs")
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The message of a command that fails as one that found a file that it cannot use.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        said
    }

    fn operators(&self) -> String {
        let served = self.serve();
        let mut command = vouchsafe();
        command.args(["operator", "list", "--operator"]).arg(self.path("data/operator.toml"));
        let output = command.output().expect("runs");
        drop(served);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }
}

#[test]
fn a_copy_is_private_and_says_what_it_contains() {
    let broker = Killed::new();
    let copy = broker.path("copy.db");
    assert_eq!(fs::metadata(&copy).expect("written").permissions().mode() & 0o777, 0o600);
    let said = broker.refused(&["backup", "--out", &broker.text("copy.db")]);
    assert!(said.contains("copy.db already exists and is not overwritten"), "{said}");
    // A broker that is not running is backed up too.
    let shown = broker.ok(&["backup", "--json", "--out", &broker.text("second.db")]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let copied = &shown["copy"];
    assert_eq!((&copied["records"], &copied["epoch"]), (&2.into(), &2.into()), "{shown}");
    assert_eq!(copied["root"].as_str().map(str::len), Some(64), "{shown}");
    let keys = fs::read_to_string(broker.path("data/keyring.json")).expect("read");
    let keys: Value = serde_json::from_str(&keys).expect("JSON");
    let key = hex::decode(keys["generations"][0]["key"].as_str().expect("a key")).expect("hex");
    let bytes = fs::read(&copy).expect("read");
    assert!(!bytes.windows(key.len()).any(|window| window == key), "the keyring is not in it");
}

#[test]
fn t42_an_older_copy_is_restored_only_if_the_loss_is_accepted() {
    let broker = Killed::new();
    let copy = broker.text("copy.db");
    let said = broker.refused(&["restore", &copy]);
    assert!(said.contains("lacks: at least 1; changes by operators among them: 1"), "{said}");
    assert!(said.contains("accept the loss with --accept-loss"), "{said}");
    let served = broker.serve();
    let said = broker.refused(&["restore", &copy, "--accept-loss"]);
    assert!(said.contains("keystore.db is in use by process "), "{said}");
    drop(served);
    assert!(broker.operators().contains("bob"));
    let restored = broker.ok(&["restore", &copy, "--accept-loss"]);
    assert!(restored.contains("Lost records: at least 1"), "{restored}");
    assert!(restored.contains("data/keystore.db.before-"), "{restored}");
    assert!(!broker.operators().contains("bob"));
}

#[test]
fn serve_says_how_a_lost_or_old_database_comes_back() {
    let broker = Killed::new();
    let database = broker.path("data/keystore.db");
    let serve = || broker.refused(&["serve"]);
    // The copy, put in place by hand.
    for file in ["data/keystore.db-wal", "data/keystore.db-shm"] {
        fs::remove_file(broker.path(file)).expect("killed");
    }
    let newest = broker.path("data/keystore.head");
    let head = fs::read(&newest).expect("written");
    fs::copy(broker.path("copy.db"), &database).expect("copied");
    fs::remove_file(&newest).expect("removed");
    let said = serve();
    assert!(said.contains("is a copy without") && said.contains("`vouchsafe restore`"), "{said}");
    fs::write(&newest, head).expect("written");
    fs::write(&database, b"").expect("emptied");
    let said = serve();
    assert!(said.contains("there are no tables") && said.contains("`vouchsafe restore`"), "{said}");
    fs::remove_file(&database).expect("removed");
    let said = serve();
    assert!(said.contains("there is no keystore") && said.contains("`vouchsafe restore`"), "{said}");
    let restored = broker.ok(&["restore", &broker.text("copy.db"), "--accept-loss"]);
    assert!(restored.contains("Start the broker."), "{restored}");
    assert!(broker.operators().contains("admin"));
}

/// The keystore's files in the data folder, with their content.
fn files(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(data).expect("the folder").map(|entry| entry.expect("an entry"));
    let named = entries.map(|entry| (entry.file_name().into_string().expect("UTF-8"), entry.path()));
    let ours = named.filter(|(name, _)| name.starts_with("keystore.") && !name.ends_with(".lock"));
    // A file may be renamed meanwhile.
    ours.filter_map(|(name, path)| Some((name, fs::read(path).ok()?))).collect()
}

#[test]
fn a_restore_that_is_killed_loses_nothing_and_can_be_repeated() {
    let broker = Killed::new();
    let (copy, data) = (broker.text("copy.db"), broker.path("data"));
    // Opens the keystore as `serve` does, and closes it: everything is in one file then.
    let opened =
        |name: &str| broker.run(&["recover-admin", name, "--out", &broker.text(&format!("{name}.toml"))]);
    assert!(opened("carol").status.success());
    let config = broker.path("data/broker.toml");
    let before = files(&data);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["keystore.db", "keystore.head"]);
    let restore = || {
        let mut command = vouchsafe();
        command.args(["restore", &copy, "--accept-loss", "--config"]).arg(&config);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs")
    };
    let reset = || {
        for name in files(&data).keys() {
            fs::remove_file(data.join(name)).expect("removed");
        }
        for (name, content) in &before {
            fs::write(data.join(name), content).expect("written");
            fs::set_permissions(data.join(name), Permissions::from_mode(0o600)).expect("set");
        }
    };
    // How long it takes until it moves files.
    let (mut process, started) = (restore(), Instant::now());
    while !files(&data).keys().any(|name| name.contains(".before-")) {
        assert!(started.elapsed() < Duration::from_secs(60), "it moves the files that it replaces");
        thread::sleep(Duration::from_millis(1));
    }
    let takes = started.elapsed();
    assert!(process.wait().expect("ended").success());
    reset();
    for round in 0..50 {
        let mut process = restore();
        thread::sleep(takes / 2 + takes * round / 50);
        process.kill().expect("it has not been waited for");
        process.wait().expect("ended");
        let left = files(&data);
        assert!(
            left.values().any(|content| *content == before["keystore.db"]),
            "round {round}: {:?}",
            left.keys()
        );
        let checked = opened(&format!("first-{round}"));
        if !checked.status.success() {
            let said = text(&checked.stderr);
            assert!(said.contains("`vouchsafe restore`"), "round {round}: {said}");
            broker.ok(&["restore", &copy, "--accept-loss"]);
            let again = opened(&format!("second-{round}"));
            assert!(again.status.success(), "round {round}: {}", text(&again.stderr));
        }
        reset();
    }
}

/// An age identity in a file that only its owner can read, and its recipient.
fn identity(broker: &Killed) -> (String, &'static str) {
    let file = broker.path("identity");
    fs::write(&file, include_str!("../../../keystore/vectors/age/identity.txt")).expect("written");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("set");
    (file.display().to_string(), RECIPIENT)
}

#[test]
fn an_encrypted_copy_brings_the_broker_back() {
    let broker = Killed::new();
    let (identity, recipient) = identity(&broker);
    let copy = broker.text("copy.age");
    let served = broker.serve();
    let copied = broker.ok(&["backup", "--json", "--out", &copy, "--recipient", recipient]);
    let copied: Value = serde_json::from_str(&copied).expect("JSON");
    assert_eq!(copied["recipients"], serde_json::json!([recipient]), "{copied}");
    drop(served);
    for name in ["keystore.db", "keystore.db-wal", "keystore.db-shm", "keystore.head"] {
        fs::remove_file(broker.path("data").join(name)).expect("killed");
    }
    let restored = broker.ok(&["restore", &copy, "--identity", &identity]);
    assert!(restored.contains("copy.age is in place."), "{restored}");
    assert!(broker.operators().contains("bob"));
    let said = broker.ok(&["backup", "--out", &broker.text("second.age"), "--recipient", recipient]);
    assert!(
        said.contains("a good copy, encrypted,") && said.contains(&format!("one of {recipient}\n")),
        "{said}"
    );
}

#[test]
fn what_cannot_be_encrypted_or_decrypted_is_named() {
    let broker = Killed::new();
    let (identity, recipient) = identity(&broker);
    let copy = broker.text("copy.age");
    let said = broker.refused(&["backup", "--out", &copy, "--recipient", "age1pq1mistyped"]);
    assert!(
        said.contains("age1pq1mistyped is not an age recipient: one of type X25519 is age1 with 58 more"),
        "{said}"
    );
    assert!(!broker.path("copy.age").exists());
    broker.ok(&["backup", "--out", &copy, "--recipient", recipient]);
    let said = broker.refused(&["restore", &copy]);
    assert!(said.contains("copy.age is encrypted with age: give the identity"), "{said}");
    let said = broker.refused(&["restore", &broker.text("copy.db"), "--identity", &identity]);
    assert!(said.contains("copy.db is not encrypted with age"), "{said}");
    fs::set_permissions(&identity, Permissions::from_mode(0o640)).expect("set");
    let said = broker.refused(&["restore", &copy, "--identity", &identity]);
    let expected =
        format!("{identity}: has mode 640, so other users may read or change it: chmod 600 {identity}");
    assert!(said.contains(&expected), "{said}");
    fs::set_permissions(&identity, Permissions::from_mode(0o600)).expect("set");
    fs::write(&identity, "AGE-SECRET-KEY-1WRONG\n").expect("written");
    let said = broker.refused(&["restore", &copy, "--identity", &identity]);
    assert!(said.contains("line 1 is not an age identity") && !said.contains("1WRONG"), "{said}");
    let other = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n";
    fs::write(&identity, other).expect("written");
    let said = broker.refused(&["restore", &copy, "--identity", &identity]);
    assert!(said.contains("copy.age: none of the identities given can decrypt it"), "{said}");
    assert!(broker.operators().contains("bob"), "nothing was changed");
}

/// Of the identity in the keystore's vectors.
const RECIPIENT: &str = "age1d4c6kcnnhfmvyf3zcpfpqkm80nzl6uegjdmfm456de5c6f6wm5pqs626a5";
