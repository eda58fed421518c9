//! T45: the minimum versions in `deny.toml` exist, are ranges for cargo-deny, and hold for `Cargo.lock`; and
//! the layers of the crates.
//!
//! cargo-deny itself checks the dependencies that are built (`./justw deny`). This test checks the whole lock
//! file, needs no tool, and fails if a minimum is removed or misspelt. It does not use an advisory database.

use std::path::Path;

/// Minimum versions that `deny.toml` must have, for the crates between a guest's bytes and a secret.
const REQUIRED_FLOORS: [(&str, [u64; 3]); 5] = [
    ("rustls", [0, 23, 45]),
    ("rustls-webpki", [0, 103, 13]),
    ("aws-lc-sys", [0, 39, 0]),
    ("bytes", [1, 11, 1]),
    ("tracing-subscriber", [0, 3, 20]),
];

/// Crates that must not be used in any version.
const REQUIRED_BANS: [&str; 4] = ["rsa", "ring", "openssl", "native-tls"];

/// The minimum version of a crate.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Floor {
    name: String,
    version: [u64; 3],
}

/// A package in the lock file below the minimum.
#[derive(Debug, PartialEq, Eq)]
struct BelowFloor {
    name: String,
    version: String,
}

fn read(name: &str) -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let text = std::fs::read_to_string(&path).expect("the file stands at the root of the workspace");
    text.parse().expect("the file is TOML")
}

/// The three numbers of a version; a pre-release counts as below its release, build metadata is ignored.
fn parse_version(text: &str) -> Option<([u64; 3], bool)> {
    let release = text.split('+').next()?;
    let (numbers, pre_release) = match release.split_once('-') {
        Some((numbers, _)) => (numbers, true),
        None => (release, false),
    };
    let parsed: Vec<u64> = numbers.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    Some((parsed.try_into().ok()?, pre_release))
}

fn string(entry: &toml::Value, key: &str) -> String {
    entry.get(key).and_then(toml::Value::as_str).expect("every entry has it").to_owned()
}

/// The entries of `bans.deny`, by their `crate`.
fn banned_specs(deny: &toml::Table) -> Vec<String> {
    deny.get("bans")
        .and_then(|bans| bans.get("deny"))
        .and_then(toml::Value::as_array)
        .expect("bans.deny is a list")
        .iter()
        .map(|entry| string(entry, "crate"))
        .collect()
}

/// The minimum versions among the bans. For cargo-deny `name@…` is an exact version, even with a `<`, so only
/// `name:<1.2.3` is a range.
fn floors(deny: &toml::Table) -> Vec<Floor> {
    banned_specs(deny)
        .iter()
        .filter_map(|spec| spec.split_once(":<"))
        .map(|(name, version)| {
            let (version, pre_release) =
                parse_version(version).expect("a floor is a version of three numbers");
            assert!(!pre_release, "the floor of {name} is a pre-release");
            Floor { name: name.to_owned(), version }
        })
        .collect()
}

fn below_floors(lock: &toml::Table, floors: &[Floor]) -> Vec<BelowFloor> {
    let packages = lock.get("package").and_then(toml::Value::as_array).expect("a lock file lists packages");
    let mut found = Vec::new();
    for package in packages {
        let (name, version) = (string(package, "name"), string(package, "version"));
        let (numbers, pre_release) = parse_version(&version).expect("a locked version is a version");
        let below = |floor: &Floor| {
            floor.name == name && (numbers < floor.version || (numbers == floor.version && pre_release))
        };
        if floors.iter().any(below) {
            found.push(BelowFloor { name, version });
        }
    }
    found
}

fn lock_with(name: &str, version: &str) -> toml::Table {
    format!("version = 4\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n").parse().expect("TOML")
}

#[test]
fn t45_known_vulnerable_versions_are_banned() {
    let deny = read("deny.toml");
    let floors = floors(&deny);
    for (name, version) in REQUIRED_FLOORS {
        let floor = floors
            .iter()
            .find(|floor| floor.name == name)
            .unwrap_or_else(|| panic!("deny.toml has no floor for {name}"));
        assert!(floor.version >= version, "the floor of {name} is {:?}, below {version:?}", floor.version);
    }
    let banned = banned_specs(&deny);
    for name in REQUIRED_BANS {
        assert!(banned.iter().any(|spec| spec == name), "deny.toml does not ban {name}");
    }
    assert_eq!(below_floors(&read("Cargo.lock"), &floors), []);
}

#[test]
fn t45_a_lock_file_below_a_floor_is_refused() {
    let floors = floors(&read("deny.toml"));
    for version in ["0.23.44", "0.23.45-rc.1", "0.21.12"] {
        let expected = BelowFloor { name: "rustls".to_owned(), version: version.to_owned() };
        assert_eq!(below_floors(&lock_with("rustls", version), &floors), [expected]);
    }
    for version in ["0.23.45", "0.23.100", "0.24.0", "1.0.0"] {
        assert_eq!(below_floors(&lock_with("rustls", version), &floors), []);
    }
}

#[test]
fn t45_no_ban_is_written_as_an_exact_version() {
    let exact: Vec<String> =
        banned_specs(&read("deny.toml")).into_iter().filter(|spec| spec.contains('@')).collect();
    assert_eq!(exact, Vec::<String>::new());
}

/// The crates of the workspace that each crate may build on: `protocol <- attestation <- policy <- keystore <- broker` and
/// `protocol <- guest-client`, both programs over `system`. What predicts, `reference-values`, serves programs only: nothing that
/// verifies or decides builds on it.
const LAYERS: [(&str, &[&str]); 8] = [
    ("protocol", &[]),
    ("reference-values", &["protocol"]),
    ("attestation", &["protocol"]),
    ("policy", &["protocol", "attestation"]),
    ("keystore", &["protocol", "attestation", "policy"]),
    ("broker", &["protocol", "reference-values", "attestation", "policy", "keystore", "system"]),
    ("guest-client", &["protocol", "reference-values", "system"]),
    ("system", &[]),
];

/// Crates that predict, verify or decide, and so do no I/O.
const PURE: [&str; 4] = ["protocol", "reference-values", "attestation", "policy"];

/// Crates for I/O: runtimes, databases, HTTP.
const IO: [&str; 7] = ["tokio", "mio", "sqlx", "actix-web", "actix-http", "hyper", "ureq"];

#[test]
fn crates_build_on_the_layers_below_them() {
    for (name, below) in LAYERS {
        let manifest = read(&format!("{name}/Cargo.toml"));
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).expect("a table");
        let mut found: Vec<_> =
            dependencies.keys().filter_map(|dependency| dependency.strip_prefix("vouchsafe-")).collect();
        let mut allowed = below.to_vec();
        found.sort_unstable();
        allowed.sort_unstable();
        assert_eq!(found, allowed, "dependencies of {name} on this workspace");
    }
}

#[test]
fn prediction_verification_and_decision_depend_on_nothing_that_does_io() {
    for name in PURE {
        let crates = linked(name, &[]);
        let io: Vec<_> = IO.into_iter().filter(|banned| crates.iter().any(|one| one == banned)).collect();
        assert_eq!(io, Vec::<&str>::new(), "dependencies of {name}");
    }
}

/// Whether the guest's small build omits it: Google's SDK, and its dependencies.
fn is_of_google(name: &str) -> bool {
    name.starts_with("google-cloud-")
        || ["tokio", "mio", "hyper", "reqwest", "tonic", "prost"].contains(&name)
}

#[test]
fn the_small_guest_build_links_no_sdk_of_google() {
    let of_google = |options: &[&str]| {
        let crates = linked("guest-client", options);
        crates.into_iter().filter(|name| is_of_google(name)).collect::<Vec<_>>()
    };
    assert_eq!(of_google(&["--no-default-features"]), Vec::<String>::new());
    let default = of_google(&[]);
    for name in ["google-cloud-auth", "google-cloud-confidentialcomputing-v1", "tokio"] {
        assert!(default.iter().any(|one| one == name), "{name} is what the feature is about: {default:?}");
    }
}

/// The TPM library asks for regular expressions, and the linker leaves them out only where nothing calls them.
#[test]
fn the_small_guest_build_connects_to_devices_only() {
    let features = |options: &[&str]| {
        let output = std::process::Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--offline", "--depth", "0", "--prefix", "none", "--format", "{f}"])
            .args(["--package", "vouchsafe-guest-client"])
            .args(options)
            .output()
            .expect("cargo runs");
        String::from_utf8(output.stdout).expect("cargo writes UTF-8")
    };
    assert!(features(&[]).split(',').any(|one| one.trim() == "swtpm"));
    assert_eq!(features(&["--no-default-features"]).trim(), "");
}

#[test]
fn the_small_guest_build_predicts_nothing() {
    let predicts = |options: &[&str]| {
        linked("guest-client", options).iter().any(|one| one == "vouchsafe-reference-values")
    };
    assert!(predicts(&[]));
    assert!(!predicts(&["--no-default-features"]));
}

/// The crates that are linked into a crate of this workspace, itself included.
fn linked(name: &str, options: &[&str]) -> Vec<String> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--package", &format!("vouchsafe-{name}")])
        .args(options)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let crates: Vec<_> =
        tree.lines().filter_map(|line| line.split(' ').next()).map(ToOwned::to_owned).collect();
    assert!(crates.iter().any(|one| one == "aws-lc-rs"), "the whole tree of {name} is listed");
    crates
}
