//! The broker's identity is rotated, for guests that pin the one before, the next one, or both.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use vouchsafe_attestation::test_util::vm::Kinds;
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_tests::broker::guest;

use crate::refusals::{PATH, VALUE, world};
use crate::world::{World, simulated, text};

/// Exit code of a guest whose configuration fits no broker.
const UNUSABLE: i32 = 15;

/// A guest's configuration that pins these identities.
fn pins(config: &Path, identities: &[&str]) -> PathBuf {
    let changed = fs::read_to_string(config).unwrap().lines().fold(String::new(), |all, line| {
        let line = if line.starts_with("identities") {
            format!("identities = {identities:?}")
        } else {
            line.to_owned()
        };
        format!("{all}{line}\n")
    });
    fs::write(config, format!("{changed}\n[limits]\nattempts = 2\n")).unwrap();
    config.to_owned()
}

/// What the guest says while it gets the secret.
fn gets(config: &Path) -> String {
    let output = guest(config, ["fetch", PATH]).unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), VALUE), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// What it says when it refuses the broker.
fn refuses(config: &Path) -> String {
    let output = guest(config, ["fetch", PATH]).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(UNUSABLE), 0), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The finding of the guest's doctor.
fn doctor(config: &Path) -> serde_json::Value {
    let output = guest(config, ["doctor", "--json"]).unwrap();
    let diagnosis: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = diagnosis["findings"].as_array().unwrap();
    findings.iter().find(|one| one["id"] == "identity").unwrap().clone()
}

fn identity(world: &World, state: &str) -> String {
    let all = world.json(&["identity", "status"]);
    let found = all.as_array().unwrap().iter().find(|one| one["state"] == state).unwrap();
    found["identity"].as_str().unwrap().to_owned()
}

/// Removes it, once no challenge is accepted that it has to answer.
fn remove(world: &World, identity: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let output = world.broker.operator(&["identity", "remove", identity], b"").unwrap();
        if output.status.success() {
            return;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("try again after that") && Instant::now() < deadline, "{said}");
        thread::sleep(Duration::from_millis(300));
    }
}

fn killed_and_started(world: &mut World) {
    world.broker.kill().unwrap();
    world.broker.run().unwrap();
}

#[test]
fn t43_guests_are_led_through_a_rotation_and_not_beyond_it() {
    let mut world = world();
    let file = world.broker.config();
    let written = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("challenge_ttl = 15\n{written}")).unwrap();
    killed_and_started(&mut world);
    let old = world.broker.identity().to_owned();
    let (_vm, config) = world.vm("vm", AkAlgorithm::Ecc);
    let with = |identities: &[&str]| {
        let folder = config.parent().unwrap().join(format!("pins-{}", identities.len()));
        fs::create_dir_all(&folder).unwrap();
        let copy = folder.join("guest.toml");
        fs::copy(&config, &copy).unwrap();
        pins(&copy, identities)
    };
    assert_eq!(gets(&with(&[&old])), "");

    // Nothing changes for guests before the promotion.
    world.run(&["identity", "add"]);
    killed_and_started(&mut world);
    let new = identity(&world, "next");
    assert_eq!(gets(&with(&[&old])), "");
    assert_eq!(gets(&with(&[&old, &new])), "");
    assert!(refuses(&with(&[&new])).contains("not pinned"));
    let (_, statements) = world.get(&format!("{}/v1/succession", world.broker.guests_url()), None);
    assert_eq!(statements, r#"{"statements":[]}"#);

    // A request is under way while the identity is replaced, and the broker killed.
    let pending = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    let said = world.run(&["identity", "promote", &new, "--overlap", "3d"]);
    assert!(said.contains(&format!("The broker signs as {new} now")), "{said}");
    killed_and_started(&mut world);
    assert_eq!(pending.bound.broker().to_string(), old);
    assert_eq!(world.send(&pending).open(&pending)[0].secret.expose(), VALUE);

    let told = gets(&with(&[&old]));
    assert!(
        told.contains(&format!("the broker's identity is now {new}: the pinned {old} named it")),
        "{told}"
    );
    // Three days less what the steps before took, unless that is not even a second.
    assert!(
        ["2 d", "3 d"].iter().any(|left| told.contains(&format!("accepted for another {left}"))),
        "{told}"
    );
    assert_eq!(gets(&with(&[&old, &new])), "");
    assert_eq!(gets(&with(&[&new])), "");
    let found = doctor(&with(&[&old]));
    assert_eq!(found["status"], "warning", "{found}");
    assert!(found["what"].as_str().unwrap().starts_with(&new), "{found}");
    let found = doctor(&with(&[&old, &new]));
    assert!(
        found["what"].as_str().unwrap().ends_with(&format!("so is {old}, which it succeeded")),
        "{found}"
    );
    // Another broker's identity is no successor.
    let stranger = "ed25519:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA";
    assert!(refuses(&with(&[stranger])).contains("not pinned"));

    remove(&world, &old);
    killed_and_started(&mut world);
    assert!(refuses(&with(&[&old])).contains("vouchsafe identity status"));
    assert_eq!(gets(&with(&[&new])), "");
    assert_eq!(identity(&world, "primary"), new);
    assert_eq!(identity(&world, "removed"), old);
}

/// The identities with their states, of which one signs.
fn states(world: &World) -> Vec<(String, String)> {
    let all = world.json(&["identity", "status"]);
    let member = |one: &serde_json::Value, name: &str| one[name].as_str().unwrap().to_owned();
    let found = all.as_array().unwrap().iter();
    let found: Vec<_> = found.map(|one| (member(one, "identity"), member(one, "state"))).collect();
    assert_eq!(found.iter().filter(|(_, state)| state == "primary").count(), 1, "{found:?}");
    found
}

/// Takes a step while the broker is killed after this time; returns whether the operator was told that it was taken.
fn killed_during(world: &mut World, step: &[&str], after: Duration) -> bool {
    let token = world.folder().join(".config/vouchsafe/operator.toml");
    let mut command = std::process::Command::new(vouchsafe_tests::broker::program("vouchsafe").unwrap());
    command.args(step).arg("--operator").arg(token).stdout(std::process::Stdio::null());
    let mut running = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    thread::sleep(after);
    world.broker.kill().unwrap();
    let told = running.wait().unwrap().success();
    world.broker.run().unwrap();
    told
}

#[test]
fn a_step_of_a_rotation_that_is_killed_is_taken_whole_or_not_at_all() {
    let mut world = world();
    let mut taken = [0, 0];
    // The command takes some tens of milliseconds.
    for after in [5, 15, 25, 35, 50, 80, 120, 200, 3000].map(Duration::from_millis) {
        let before = states(&world);
        let told = killed_during(&mut world, &["identity", "add"], after);
        let added = states(&world);
        let is_there = added.len() > before.len();
        assert!(is_there || !told, "{before:?} {added:?}");
        assert_eq!(added[..before.len()], before);
        taken[usize::from(is_there)] += 1;
        if !is_there {
            world.run(&["identity", "add"]);
        }
        let (next, signs) = (identity(&world, "next"), identity(&world, "primary"));
        let pending = world.request(&simulated(), Kinds::VTPM, &[PATH]);
        let told = killed_during(&mut world, &["identity", "promote", &next], after);
        let now = identity(&world, "primary");
        assert!(now == next || (now == signs && !told), "{now}");
        taken[usize::from(now == next)] += 1;
        // Whichever signs, the request from before is answered as its challenge said.
        assert_eq!(pending.bound.broker().to_string(), signs);
        assert_eq!(world.send(&pending).open(&pending)[0].secret.expose(), VALUE);
        assert_eq!(world.value(&simulated(), PATH), VALUE);
        if now != next {
            world.run(&["identity", "remove", &next]);
        }
        if states(&world).iter().filter(|(_, state)| state == "previous").count() == 4 {
            break;
        }
    }
    assert!(taken.iter().all(|count| *count > 0), "not taken and taken: {taken:?}");
}

#[test]
fn decisions_and_checkpoints_of_a_removed_identity_are_verified() {
    let mut world = world();
    let old = world.broker.identity().to_owned();
    let before = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    let before = world.send(&before).answer().decision.to_string();
    world.run(&["identity", "add"]);
    let new = identity(&world, "next");
    world.run(&["identity", "promote", &new]);
    let after = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    let after = world.send(&after).answer().decision.to_string();
    world.broker.stop().unwrap();
    world.broker.run().unwrap();

    let (audit, export) = (world.folder().join("broker.log"), world.folder().join("audit.json"));
    let (config, anchors) = (world.broker.config(), world.folder().join("anchors.pem"));
    let verified = |broker: &str| {
        let audit =
            ["audit", "verify", "--config", text(&config), "--checkpoint", text(&audit), "--broker", broker];
        world.broker.operator(&audit, b"").unwrap()
    };
    let output = verified(&old);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("It is the log of all "), "{output:?}");
    // The earlier checkpoints are by an identity that this one does not name.
    let output = verified(&new);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("a checkpoint of another broker"), "{output:?}");

    world.run(&["collateral", "export", "--out", text(&export)]);
    for decision in [before, after] {
        let file = world.folder().join(format!("{decision}.json"));
        world.run(&["decisions", "evidence", &decision, "--out", text(&file)]);
        let fixed =
            ["verify", "decision", text(&file), "--collateral", text(&export), "--anchor", text(&anchors)];
        world.run(&[&fixed[..], &["--broker", &old, "--broker", &new]].concat());
    }
}

#[test]
fn a_restored_broker_goes_on_with_the_rotation() {
    let mut world = world();
    let old = world.broker.identity().to_owned();
    world.run(&["identity", "add"]);
    let (next, copy) = (identity(&world, "next"), world.folder().join("copy.db"));
    let config = world.broker.config();
    world.run(&["backup", "--config", text(&config), "--out", text(&copy)]);
    world.run(&["identity", "promote", &next]);
    assert_eq!(world.challenge().identity.to_string(), next);
    world.broker.stop().unwrap();
    // It is from before the promotion, which is lost with it, and has the same next identity.
    world.run(&["restore", text(&copy), "--config", text(&config), "--accept-loss"]);
    world.broker.run().unwrap();
    assert_eq!(world.challenge().identity.to_string(), old);
    world.run(&["identity", "promote", &next]);
    assert_eq!(world.challenge().identity.to_string(), next);
    assert_eq!(world.value(&simulated(), PATH), VALUE);
}
