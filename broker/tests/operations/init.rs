//! `vouchsafe init`: what it creates works with the commands that it prints, and a failure leaves nothing
//! behind.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Served, free_port, init, made, text, vouchsafe};

#[test]
fn the_operator_file_of_init_works_whatever_the_hosts_are() {
    for (address, hosts) in [
        ("127.0.0.1", &["--host", "broker.example.com"][..]),
        ("127.0.0.1", &[]),
        ("::1", &["--host", "broker.example.com", "--host", "fd00::5"]),
        ("::1", &[]),
    ] {
        let folder = TempDir::new().expect("a folder");
        let listen = |port| {
            if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
        };
        let (guests, operators) = (listen(free_port(address)), listen(free_port(address)));
        let printed =
            made(folder.path(), &[&["--guests", &guests, "--operators", &operators], hosts].concat());
        let data = folder.path().join("data");
        assert!(printed.contains("data/guest/guest.toml"), "{printed}");
        let broker = Served::start(&data);
        let listed = vouchsafe()
            .args(["secret", "list", "--operator"])
            .arg(data.join("operator.toml"))
            .output()
            .expect("runs");
        assert!(listed.status.success(), "{address} {hosts:?}: {}", text(&listed.stderr));
        drop(broker);
    }
}

#[test]
fn hosts_become_urls_and_names_of_the_certificate() {
    let folder = TempDir::new().expect("a folder");
    made(
        folder.path(),
        &["--host", "Broker.example.com", "--host", "[fd00::5]", "--operators", "10.1.2.3:8444"],
    );
    let data = folder.path().join("data");
    let config = fs::read_to_string(data.join("broker.toml")).expect("read");
    let urls = "[\"https://broker.example.com:8443\", \"https://[fd00::5]:8443\"]";
    assert!(config.contains(&format!("urls = {urls}")), "{config}");
    let guest = fs::read_to_string(data.join("guest/guest.toml")).expect("read");
    assert!(guest.contains(&format!("brokers = {urls}")), "{guest}");
    let operator = fs::read_to_string(data.join("operator.toml")).expect("read");
    assert!(operator.contains("server = \"https://10.1.2.3:8444\""), "{operator}");
    let certificate = data.join("tls/certificate.pem");
    for (host, named) in [
        ("broker.example.com", true),
        ("fd00::5", true),
        ("10.1.2.3", true),
        ("localhost", false),
        ("127.0.0.1", false),
    ] {
        assert_eq!(
            vouchsafe_broker::tls::is_for(&certificate, host).expect("a certificate"),
            named,
            "{host}"
        );
    }
}

#[test]
fn every_address_of_the_operators_is_reached_by_the_first_host() {
    let folder = TempDir::new().expect("a folder");
    made(folder.path(), &["--host", "broker.example.com", "--operators", "[::]:8444"]);
    let operator = fs::read_to_string(folder.path().join("data/operator.toml")).expect("read");
    assert!(operator.contains("server = \"https://broker.example.com:8444\""), "{operator}");
}

/// Every file and folder below, by its path.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("read").flatten() {
        if entry.path().is_dir() {
            found.extend(below(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}

#[test]
fn files_of_init_are_private_to_their_owner() {
    let folder = TempDir::new().expect("a folder");
    made(folder.path(), &["--host", "broker.example.com"]);
    let files: Vec<_> = below(folder.path()).into_iter().filter(|path| path.is_file()).collect();
    assert!(files.len() >= 9, "{files:?}");
    for file in files {
        let mode = fs::metadata(&file).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
}

#[test]
fn a_keyring_elsewhere_is_made_once_and_used_again() {
    let folder = TempDir::new().expect("a folder");
    let keyring = folder.path().join("keyring.json");
    let with_keyring = ["--keyring", keyring.to_str().expect("text")];
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let printed = made(&one, &with_keyring);
    assert!(printed.contains(&format!("Back up the keyring, {},", keyring.display())), "{printed}");
    let key = fs::read(&keyring).expect("made");
    made(&other, &with_keyring);
    assert_eq!(fs::read(&keyring).expect("there"), key);
    for made in [one, other] {
        assert!(!made.join("data/keyring.json").exists());
        let config = fs::read_to_string(made.join("data/broker.toml")).expect("read");
        assert!(config.contains(&format!("keyring = {keyring:?}\n")), "{config}");
    }
    fs::set_permissions(&keyring, fs::Permissions::from_mode(0o644)).expect("changed");
    let refused = init(&folder.path().join("third"), &with_keyring);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("has mode 644: others may read it"), "{}", text(&refused.stderr));
    assert!(!folder.path().join("third/data").exists());
}

#[test]
fn an_existing_broker_is_kept_when_asked_for() {
    let folder = TempDir::new().expect("a folder");
    let keep = || {
        let mut command = vouchsafe();
        command.arg("init").arg("--keep-existing").arg("--data").arg(folder.path().join("data"));
        let output = command.output().expect("runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(keep().starts_with("A new broker, with identity "));
    let files = || {
        let files = below(folder.path()).into_iter().filter(|path| path.is_file());
        files.map(|path| fs::read(path).expect("read")).collect::<Vec<_>>()
    };
    let before = files();
    let data = folder.path().join("data");
    assert_eq!(keep(), format!("There is a broker in {} already: nothing was changed.\n", data.display()));
    assert!(before == files());
    // Without a database it is no broker, whatever else is there.
    fs::remove_file(data.join("keystore.db")).expect("removed");
    let output =
        vouchsafe().arg("init").arg("--keep-existing").arg("--data").arg(&data).output().expect("runs");
    assert!(text(&output.stderr).contains("is not empty"), "{}", text(&output.stderr));
}

#[test]
fn an_invalid_host_is_a_usage_error() {
    let folder = TempDir::new().expect("a folder");
    for host in
        ["https://broker.example.com", "broker.example.com:8443", "*.example.com", "::", "256.1.1.1", ""]
    {
        let output = init(folder.path(), &["--host", host]);
        assert_eq!(output.status.code(), Some(2), "{host}: {}", text(&output.stderr));
        assert!(below(folder.path()).is_empty(), "{host}");
    }
}

#[test]
fn a_failure_leaves_nothing_and_deletes_nothing() {
    // The name of the first operator is checked last, when everything except the token exists.
    let folder = TempDir::new().expect("a folder");
    let output = init(&folder.path().join("new/deeper"), &["--administrator", "Not A Name"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(below(folder.path()).is_empty(), "{:?}", below(folder.path()));

    // A token's file that exists stays as it is, and so does an empty data folder.
    fs::DirBuilder::new().mode(0o700).create(folder.path().join("data")).expect("a folder");
    fs::write(folder.path().join("token"), "theirs").expect("written");
    let output = init(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(folder.path().join("token")).expect("read"), "theirs");
    let mut left = below(folder.path());
    left.sort();
    assert_eq!(left, [folder.path().join("data"), folder.path().join("token")]);

    // A folder with content is not changed.
    fs::write(folder.path().join("data/keyring.json"), "theirs").expect("written");
    let output = init(folder.path(), &[]);
    assert!(text(&output.stderr).contains("not empty"), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(folder.path().join("data/keyring.json")).expect("read"), "theirs");
}

#[test]
fn an_empty_folder_of_others_or_for_others_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a folder");
    let refused = |expected: &str| {
        let output = init(folder.path(), &[]);
        assert_eq!(output.status.code(), Some(2), "{expected}: {}", text(&output.stderr));
        let said = text(&output.stderr);
        assert!(said.contains(&format!("{}: {expected}", data.display())), "{said}");
        assert_eq!(below(folder.path()), std::slice::from_ref(&data));
    };
    for mode in [0o775, 0o757, 0o755, 0o710] {
        fs::set_permissions(&data, fs::Permissions::from_mode(mode)).expect("set");
        refused(&format!("has mode {mode:03o}, so other users may read or change it: chmod 700 "));
    }
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("set");
    // Only root can change the owner of a folder, and change it back.
    if std::os::unix::fs::chown(&data, Some(65_534), None).is_ok() {
        refused("belongs to user id 65534: it must be yours or root's");
        std::os::unix::fs::chown(&data, Some(0), None).expect("taken back");
    }
    made(folder.path(), &[]);
}

#[test]
fn a_given_certificate_serves_every_host_and_operators_get_one_of_their_own() {
    let folder = TempDir::new().expect("a folder");
    let given = vouchsafe_broker::tls::SelfSigned::generate(
        &["broker.example.com".to_owned()],
        vouchsafe_broker::clock::now(),
    )
    .expect("a certificate");
    for (name, pem) in
        [("chain.pem", given.certificate.as_str()), ("key.pem", &given.key), ("ca.pem", &given.ca)]
    {
        fs::write(folder.path().join(name), pem).expect("written");
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (chain, key, ca) = (path("chain.pem"), path("key.pem"), path("ca.pem"));
    let tls = ["--certificate", &chain, "--key", &key, "--ca", &ca];
    let other = init(folder.path(), &[&tls[..], &["--host", "other.example.com"]].concat());
    assert!(text(&other.stderr).contains("not for other.example.com"), "{}", text(&other.stderr));
    assert_eq!(init(folder.path(), &tls).status.code(), Some(2), "the host must be named");
    assert_eq!(below(folder.path()).len(), 3);
    let port = free_port("127.0.0.1");
    let operators = format!("127.0.0.1:{port}");
    made(
        folder.path(),
        &[&tls[..], &["--host", "broker.example.com", "--guests", "127.0.0.1:0", "--operators", &operators]]
            .concat(),
    );
    let data = folder.path().join("data");
    let broker = Served::start(&data);
    let listed = vouchsafe()
        .args(["secret", "list", "--operator"])
        .arg(data.join("operator.toml"))
        .output()
        .expect("runs");
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    assert_eq!(fs::read_to_string(data.join("guest/ca.pem")).expect("read"), given.ca);
    drop(broker);
}

#[test]
fn json_lists_the_created_files() {
    let folder = TempDir::new().expect("a folder");
    let printed = made(folder.path(), &["--json"]);
    let made: Value = serde_json::from_str(&printed).expect("JSON");
    for (member, file) in [
        ("config", "data/broker.toml"),
        ("ca", "data/tls/ca.pem"),
        ("guest_folder", "data/guest"),
        ("operator_file", "data/operator.toml"),
        ("token_file", "token"),
    ] {
        let path = made.get(member).and_then(Value::as_str).expect(member);
        assert!(path.ends_with(file) && Path::new(path).exists(), "{member}: {path}");
    }
    assert_eq!(made.get("token"), None, "it is in the files");
}
