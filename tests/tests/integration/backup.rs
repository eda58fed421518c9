//! A backup under load, the loss of the disk, and the restore.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_protocol::ReasonCode;

use crate::world::{World, boot, command_line, simulated, text};

const PATH: &str = "prod/db/token";
const VALUE: &[u8] = b"sesame";

/// Makes a backup while guests ask for secrets, and returns its summary.
fn back_up_under_load(world: &World, out: &str) -> serde_json::Value {
    let config = world.broker.config();
    let ending = AtomicBool::new(false);
    let load = |instance_id: u64| {
        let spec = AkCertificateSpec { instance_id, ..AkCertificateSpec::default() };
        let vm = SimulatedVm::booted(&spec, &boot());
        let mut released = 0;
        while !ending.load(Ordering::Relaxed) {
            assert_eq!(world.value(&vm, PATH), VALUE);
            released += 1;
        }
        released
    };
    thread::scope(|scope| {
        let guests: Vec<_> = (1..4).map(|id| scope.spawn(move || load(id))).collect();
        thread::sleep(Duration::from_millis(500));
        let copied = world.json(&["backup", "--config", text(&config), "--out", out]);
        // Guests are served after it as before.
        thread::sleep(Duration::from_millis(200));
        ending.store(true, Ordering::Relaxed);
        let released: u64 =
            guests.into_iter().map(|guest| guest.join().expect("every release is served")).sum();
        assert!(copied["copy"]["records"].as_u64().unwrap() > 2 && released > 3, "{copied}: {released}");
        copied
    })
}

#[test]
fn t43_a_backup_under_load_brings_the_same_broker_back() {
    let mut world = World::bare("[limits]\nreleases_per_instance = 100000\n");
    world.policy("prod/app", &["--for", "app", "--command-line", &command_line()]);
    world.put(PATH, "prod/app", VALUE);
    let identity = world.broker.identity().to_owned();
    let served = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    let decision = world.send(&served).answer().decision.to_string();
    let out = world.folder().join("backup.db");
    let copied = back_up_under_load(&world, text(&out));
    world.put("prod/db/late", "prod/app", b"not in the copy");
    let pending = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    world.broker.stop().unwrap();

    // The disk is lost; the keyring and the configuration are kept elsewhere.
    for name in ["keystore.db", "keystore.head"] {
        fs::remove_file(world.broker.data().join(name)).unwrap();
    }
    assert!(world.broker.run().unwrap_err().to_string().contains("`vouchsafe restore`"));
    let config = world.broker.config();
    let restored = world.json(&["restore", text(&out), "--config", text(&config)]);
    assert_eq!(restored["copy"]["root"], copied["copy"]["root"], "{restored}");
    assert_eq!(restored["compared"], false, "{restored}");
    world.broker.run().unwrap();

    let (_, info) = world.get(&format!("{}/v1/info", world.broker.guests_url()), None);
    assert!(info.contains(&identity), "{info}");
    assert!(world.run(&["explain", &decision]).contains("On record"));
    assert!(world.run(&["decisions", "list", "--limit", "1"]).contains("keystore.restore"));
    // T05: nonces that were spent after the copy was made are not in it, so no earlier challenge is accepted.
    world.send(&pending).problem(ReasonCode::ChallengeExpired);
    world.send(&served).problem(ReasonCode::ChallengeExpired);
    assert_eq!(world.value(&simulated(), PATH), VALUE);
    world.assert_denied(&simulated(), "prod/db/late", "there is no such secret");
}
