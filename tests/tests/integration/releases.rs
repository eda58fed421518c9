//! A VM with a vTPM gets its secrets, with the real programs.

use std::ffi::OsStr;
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use vouchsafe_attestation::test_util::event_log::userspace::UserspaceBuilder;
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_tests::broker::guest;

use crate::world::{World, command_line};

const VALUE: &[u8] = b"hunter2 \xff with a byte that is no text\n";

fn stdout(output: Output) -> Vec<u8> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn fetches_with(key: AkAlgorithm) {
    let world = World::start();
    world.put("prod/db/token", "prod/app", VALUE);
    let (_vm, config) = world.vm("vm", key);
    assert_eq!(stdout(guest(&config, ["fetch", "prod/db/token"]).unwrap()), VALUE);
    let granted = world.json(&["decisions", "list", "--outcome", "granted"]);
    let record = &granted["records"][0]["record"]["grant"];
    assert_eq!(record["secrets"][0]["path"], "prod/db/token", "{granted}");
    assert_eq!(record["instance"], "620438545889/3560342035431930290", "{granted}");
}

#[test]
fn a_vm_with_an_rsa_key_gets_its_secret() {
    fetches_with(AkAlgorithm::Rsa);
}

#[test]
fn a_vm_with_an_ecc_key_gets_its_secret() {
    fetches_with(AkAlgorithm::Ecc);
}

#[test]
fn several_secrets_come_as_json_and_as_files_and_variables() {
    let world = World::start();
    world.put("prod/db/token", "prod/app", VALUE);
    world.put("prod/web/password", "prod/app", b"sesame");
    let (_vm, config) = world.vm("vm", AkAlgorithm::Ecc);

    let json = stdout(guest(&config, ["fetch", "--json", "prod/web/password", "prod/db/token"]).unwrap());
    let json: Value = serde_json::from_slice(&json).unwrap();
    let secret = |index: usize| {
        let secret = &json["secrets"][index];
        (
            secret["path"].as_str().unwrap().to_owned(),
            STANDARD.decode(secret["value"].as_str().unwrap()).unwrap(),
        )
    };
    assert_eq!(secret(0), ("prod/db/token".to_owned(), VALUE.to_vec()));
    assert_eq!(secret(1), ("prod/web/password".to_owned(), b"sesame".to_vec()));

    let script = "cat \"$TOKEN\"; printf %s \"$PASSWORD\"; exit 7";
    let arguments = [
        "exec",
        "--file",
        "TOKEN=prod/db/token",
        "--env",
        "PASSWORD=prod/web/password",
        "--",
        "sh",
        "-c",
        script,
    ];
    let output = guest(&config, arguments).unwrap();
    assert_eq!(output.status.code(), Some(7), "the command's own status: {output:?}");
    assert_eq!(output.stdout, [VALUE, b"sesame"].concat());
}

#[test]
fn all_of_a_request_is_granted_or_nothing() {
    let world = World::start();
    world.put("prod/db/token", "prod/app", VALUE);
    let (_vm, config) = world.vm("vm", AkAlgorithm::Ecc);
    let output = guest(&config, ["fetch", "--json", "prod/db/token", "prod/nothing"]).unwrap();
    assert_eq!(output.status.code(), Some(10), "refused: {output:?}");
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not-granted") && said.contains("vouchsafe explain"), "{said}");
}

#[test]
fn a_policy_is_written_from_captured_evidence() {
    let world = World::start();
    let (_vm, config) = world.vm("vm", AkAlgorithm::Ecc);
    let evidence = world.folder().join("evidence.json");
    let capture = [OsStr::new("evidence"), OsStr::new("--output"), evidence.as_os_str()];
    stdout(guest(&config, capture).unwrap());
    let policy = world.policy_of("prod/disk", "disk", &evidence);
    assert!(policy.contains("panic=-1") && policy.contains("3560342035431930290"), "{policy}");
    let baseline = world.run(&["baseline", "show", "prod/disk"]);
    assert!(baseline.contains(&command_line()), "{baseline}");
    world.run(&["secret", "generate", "prod/vm/disk", "--policy", "prod/disk", "--for", "disk"]);

    let key = stdout(guest(&config, ["fetch", "prod/vm/disk"]).unwrap());
    assert_eq!(key.len(), 32);
}

#[test]
fn t31_the_clients_latch_ends_the_phase_initrd() {
    let world = World::start();
    let (vm, config) = world.vm("vm", AkAlgorithm::Ecc);
    world.policy("prod/disk", &["--for", "disk", "--instance", "3560342035431930290"]);
    world.run(&["secret", "generate", "prod/vm/disk", "--policy", "prod/disk", "--for", "disk"]);
    vm.measure_userspace(&UserspaceBuilder::initrd_262()).unwrap();
    assert_eq!(stdout(guest(&config, ["fetch", "prod/vm/disk"]).unwrap()).len(), 32);
    stdout(guest(&config, ["latch"]).unwrap());
    // After the initrd the key is released to nobody, not even root.
    let phase_of_refusal = || {
        let output = guest(&config, ["fetch", "prod/vm/disk"]).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(10), 0), "{output:?}");
        let line = String::from_utf8(output.stderr).unwrap();
        let decision = line.split("decision ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        world.run(&["explain", &decision])
    };
    let explained = phase_of_refusal();
    assert!(explained.contains("Phase::\"latched\""), "{explained}");
    // systemd extends PCR 15 too; its log, to which the client has added the latch, shows the order.
    vm.measure_userspace(&UserspaceBuilder::after_switch_root()).unwrap();
    let explained = phase_of_refusal();
    assert!(explained.contains("Phase::\"latched\""), "{explained}");
}
