//! The broker is stopped, killed and started again.

use std::net::TcpStream;
use std::process::Command;

use vouchsafe_attestation::test_util::vm::Kinds;
use vouchsafe_protocol::{Digest32, ReasonCode};
use vouchsafe_tests::broker::{Broker, program};

use crate::world::{World, simulated};

const PATH: &str = "prod/db/token";
const VALUE: &[u8] = b"sesame";

/// Everything that must persist over a restart, for a world where `PATH` was released under `decision`.
fn assert_unchanged(world: &World, identity: &str, decision: &str) {
    let (_, info) = world.get(&format!("{}/v1/info", world.broker.guests_url()), None);
    assert!(info.contains(identity), "t43: {info}");
    assert_eq!(world.value(&simulated(), PATH), VALUE);
    assert!(world.run(&["explain", decision]).contains("On record"));
    let status = world.json(&["collateral", "status"]);
    assert_eq!(status["crls"].as_array().unwrap().len(), 2, "{status}");
}

#[test]
fn t43_a_graceful_stop_and_a_start_change_nothing() {
    let mut world = World::start();
    world.put(PATH, "prod/app", VALUE);
    let identity = world.broker.identity().to_owned();
    let served = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    let decision = world.send(&served).answer().decision.to_string();
    let pending = world.request(&simulated(), Kinds::VTPM, &[PATH]);

    world.broker.stop().unwrap();
    let address = world.broker.guests_url().replace("https://", "");
    assert!(TcpStream::connect(address).is_err(), "it serves nobody after it ended");
    assert!(world.broker.read_log().contains("broker.stopped"));
    world.broker.run().unwrap();

    assert_unchanged(&world, &identity, &decision);
    // T05: a spent nonce stays spent, and a live challenge stays valid.
    world.send(&served).signed_problem(&served, ReasonCode::NonceSpent);
    assert_eq!(world.send(&pending).open(&pending)[0].secret.expose(), VALUE);
}

#[test]
fn a_broker_that_is_killed_has_everything_that_it_acknowledged() {
    let mut world = World::start();
    world.put(PATH, "prod/app", VALUE);
    let identity = world.broker.identity().to_owned();
    let served = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    let decision = world.send(&served).answer().decision.to_string();
    world.run(&["secret", "generate", "prod/late", "--policy", "prod/app"]);
    world.broker.kill().unwrap();
    world.broker.run().unwrap();
    assert_unchanged(&world, &identity, &decision);
    world.send(&served).signed_problem(&served, ReasonCode::NonceSpent);
    assert_eq!(world.value(&simulated(), "prod/late").len(), 32);
}

#[test]
fn init_leaves_a_folder_alone_that_is_not_empty() {
    let folder = tempfile::TempDir::new().unwrap();
    let broker = Broker::init(folder.path()).unwrap();
    let keyring = broker.data().join("keyring.json");
    let before = Digest32::of(&std::fs::read(&keyring).unwrap());
    let mut again = Command::new(program("vouchsafe").unwrap());
    let output = again.args(["init", "--data"]).arg(broker.data()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("is not empty"));
    assert_eq!(Digest32::of(&std::fs::read(&keyring).unwrap()), before);
}

#[test]
fn t42_a_keyring_of_another_broker_opens_nothing() {
    let mut world = World::start();
    world.put(PATH, "prod/app", VALUE);
    let other = tempfile::TempDir::new().unwrap();
    let other = Broker::init(other.path()).unwrap();
    world.broker.stop().unwrap();
    let keyring = world.broker.data().join("keyring.json");
    std::fs::copy(other.data().join("keyring.json"), &keyring).unwrap();
    let error = world.broker.run().unwrap_err().to_string();
    assert!(error.contains("the broker ended (exit status: 2)"), "{error}");
}
