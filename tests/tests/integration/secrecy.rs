//! Places where secrets and their names must not appear.

use std::fs;
use std::path::Path;

use vouchsafe_attestation::test_util::vm::Kinds;

use crate::world::{World, holds, simulated};

const PATH: &str = "prod/unmistakable-name/token";
const VALUE: &[u8] = b"an unmistakable value 4c3f2b1a";

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn t34_a_secret_is_nowhere_but_in_the_hands_of_the_guest() {
    let world = World::bare("[log]\nlevel = \"debug\"\n");
    world.policy("prod/app", &["--for", "app"]);
    world.put(PATH, "prod/app", VALUE);
    let asked = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    let reply = world.send(&asked);
    assert_eq!(reply.open(&asked)[0].secret.expose(), VALUE);
    assert!(!holds(&reply.body, VALUE));
    let shown = world.run(&["secret", "show", PATH]);
    assert!(!holds(shown.as_bytes(), VALUE), "{shown}");

    let mut all = Vec::new();
    files(world.folder(), &mut all);
    for name in ["keystore.db", "broker.log", "keyring.json"] {
        assert!(all.iter().any(|path| path.ends_with(name)), "{name}: {all:?}");
    }
    let forms = [VALUE.to_vec(), hex::encode(VALUE).into_bytes(), base64(VALUE)];
    for path in all {
        let content = fs::read(&path).unwrap();
        for form in &forms {
            assert!(!holds(&content, form), "{} has the secret", path.display());
        }
        assert!(
            !path.ends_with("broker.log") || !holds(&content, world.broker.token().as_bytes()),
            "the log has a token"
        );
    }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    // Without the last group, which depends on padding.
    let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
    text.as_bytes()[..text.len() - 4].to_vec()
}

#[test]
fn t34_the_process_shows_nothing_and_dumps_no_core() {
    let world = World::start();
    world.put(PATH, "prod/app", VALUE);
    let process = format!("/proc/{}", world.broker.process_id());
    let command = fs::read(format!("{process}/cmdline")).unwrap();
    let command = String::from_utf8(command).unwrap();
    let arguments: Vec<_> = command.split_terminator('\0').skip(1).collect();
    assert_eq!(arguments[..2], ["serve", "--config"], "{command:?}");
    assert_eq!(arguments.len(), 3, "{command:?}");
    assert!(!command.contains(world.broker.token()));
    let limits = fs::read_to_string(format!("{process}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let values: Vec<_> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(values, ["0", "0"], "{core}");
    // Files in /proc of a non-dumpable process belong to root.
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("{process}/limits")).unwrap());
    assert_eq!(owner, 0, "the broker can be dumped or debugged");
}

#[test]
fn t34_keys_and_tokens_are_the_brokers_users_only() {
    let world = World::start();
    let mode = |path: &Path| {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    };
    let data = world.broker.data();
    assert_eq!(mode(&data), 0o700);
    for file in ["keyring.json", "tls/key.pem", "operator.toml"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&world.folder().join("operator.token")), 0o600);
}

#[test]
fn t46_names_of_secrets_are_neither_in_metrics_nor_in_the_log() {
    let world = World::start();
    world.put(PATH, "prod/app", VALUE);
    assert_eq!(world.value(&simulated(), PATH), VALUE);
    world.assert_denied(&simulated(), "prod/unmistakable-name/absent", "there is no such secret");
    let (status, metrics) = world.get(&format!("{}/metrics", world.broker.operators_url()), None);
    assert_eq!(status, 200);
    assert!(metrics.contains("vouchsafe_grants_total 1"), "{metrics}");
    assert!(metrics.contains("vouchsafe_refusals_total{code=\"not-granted\"} 1"), "{metrics}");
    let log = world.broker.read_log();
    assert!(log.contains("release.granted") && log.contains("release.refused"), "{log}");
    for text in [metrics, log] {
        assert!(!text.contains("unmistakable"), "{text}");
    }
}

#[test]
fn t44_one_instance_that_asks_too_often_waits_and_others_do_not() {
    let world = World::bare("[limits]\nreleases_per_instance = 3\n");
    world.policy("prod/app", &["--for", "app"]);
    world.put(PATH, "prod/app", VALUE);
    for _ in 0..3 {
        assert_eq!(world.value(&simulated(), PATH), VALUE);
    }
    let asked = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    world.assert_refused(&asked, vouchsafe_protocol::ReasonCode::RateLimited, "too many requests");
    let spec = vouchsafe_attestation::test_util::ca::AkCertificateSpec {
        instance_id: 7,
        ..vouchsafe_attestation::test_util::ca::AkCertificateSpec::default()
    };
    let other = vouchsafe_attestation::test_util::vm::SimulatedVm::booted(&spec, &crate::world::boot());
    assert_eq!(world.value(&other, PATH), VALUE);
}
