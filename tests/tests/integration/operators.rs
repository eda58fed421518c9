//! Operators' changes take effect at once, and only operators can make them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_anchors};
use vouchsafe_attestation::{Collateral, Endorsements, Expected, VerifyCache, VerifyInputs, inspect_vtpm};
use vouchsafe_policy::Baseline;
use vouchsafe_protocol::{Digest32, ReasonCode, UnixTime};
use vouchsafe_tests::broker::{Broker, program, run_with_input};

use crate::world::{World, amd, boot, google, holds, now, simulated, text};

const PATH: &str = "prod/db/token";

#[test]
fn versions_are_put_retired_restored_and_destroyed_at_once() {
    let world = World::start();
    let vm = simulated();
    world.put(PATH, "prod/app", b"one");
    assert_eq!(world.value(&vm, PATH), b"one");
    world.put(PATH, "prod/app", b"two");
    assert_eq!(world.value(&vm, PATH), b"two");
    world.run(&["secret", "retire", PATH, "--version", "2"]);
    assert_eq!(world.value(&vm, PATH), b"one");
    world.run(&["secret", "retire", PATH]);
    world.assert_denied(&vm, PATH, "the secret is retired");
    world.run(&["secret", "restore", PATH, "--version", "2"]);
    assert_eq!(world.value(&vm, PATH), b"two");
    world.run(&["secret", "destroy", PATH, "--version", "2"]);
    world.assert_denied(&vm, PATH, "the secret is retired");
    let refused = world.refused(&["secret", "restore", PATH, "--version", "2"], b"");
    assert!(refused.contains("conflict"), "{refused}");
    let shown = world.json(&["secret", "show", PATH]);
    let states: Vec<_> = shown["versions"].as_array().unwrap().iter().map(|v| v["state"].clone()).collect();
    assert_eq!(states, ["retired", "destroyed"], "{shown}");
    let done = world.json(&["decisions", "list", "--outcome", "operator", "--limit", "3"]);
    assert_eq!(done["records"].as_array().unwrap().len(), 3, "{done}");
}

#[test]
fn a_policy_is_in_force_with_its_commit() {
    let world = World::start();
    world.put(PATH, "prod/app", b"sesame");
    let vm = simulated();
    assert_eq!(world.value(&vm, PATH), b"sesame");
    world.policy("prod/app", &["--for", "app", "--command-line", "another"]);
    world.assert_denied(&vm, PATH, "command_line");
    world.policy("prod/other", &["--for", "app"]);
    world.run(&["secret", "set-policy", PATH, "--policy", "prod/other"]);
    assert_eq!(world.value(&vm, PATH), b"sesame");
    let old = world.run(&["policy", "show", "prod/app", "--version", "1"]);
    assert!(old.contains(&crate::world::command_line()), "{old}");
}

#[test]
fn t38_policies_that_leave_something_open_are_refused() {
    let world = World::start();
    let put = |policy: &str| world.refused(&["policy", "put", "prod/x", "-"], policy.as_bytes());
    let permit = |condition: &str| {
        format!(
            "@id(\"r\") @for(\"app\") permit (principal is Vm, action == Action::\"release\", resource) {condition};"
        )
    };
    for (policy, because) in [
        (permit(""), "@accepts(\"unconditional\")"),
        (permit("when { principal has technology && principal.technology == Technology::\"sevv\" }"), "sevv"),
        (permit("when { principal.vtpm.secure_boot.enabled }"), "invalid-object"),
        (permit("when { principal in Baseline::\"prod/unknown\" }"), "prod/unknown"),
        ("(".repeat(5000), "invalid-object"),
        (String::new(), "no permit"),
    ] {
        let said = put(&policy);
        assert!(said.contains(because), "{because}: {said}");
    }
    // It had no effect: a secret without a policy cannot exist.
    let said = world.refused(&["secret", "put", PATH, "--policy", "prod/x", "--from", "-"], b"sesame");
    assert!(said.contains("prod/x"), "{said}");
    world.assert_denied(&simulated(), PATH, "there is no such secret");
}

/// The baseline of exactly the boot of [`boot`].
pub(crate) fn baseline(ends_at: u64) -> String {
    let vm = simulated();
    let asked = crate::world::Asked::new(challenge(), &[PATH], |bound| vm.evidence(Kinds::VTPM, bound));
    let (anchors, collateral) = (shared_anchors(), Collateral::empty());
    let (endorsements, cache) = (Endorsements::default(), VerifyCache::default());
    let inputs = VerifyInputs {
        anchors: &anchors,
        collateral: &collateral,
        endorsements: &endorsements,
        audiences: &[],
        now: UnixTime(now()),
        cache: &cache,
    };
    let vtpm = asked.request.evidence.vtpm.unwrap();
    let claims = inspect_vtpm(&vtpm, Expected::Waived, &inputs).unwrap().claims;
    Baseline::capture(&claims, 3, UnixTime(ends_at)).unwrap().to_json()
}

/// A challenge that no broker issued: the evidence for it is only inspected.
fn challenge() -> vouchsafe_protocol::messages::ChallengeAnswer {
    use vouchsafe_protocol::challenge::{ChallengeKey, Nonce};
    let identity = vouchsafe_protocol::BrokerIdentity([3; 32]);
    let challenge = ChallengeKey::new(&[1; 32]).issue(&identity, Nonce([2; 32]), UnixTime(now()), 60);
    vouchsafe_protocol::messages::ChallengeAnswer { challenge, identity }
}

#[test]
fn t28_t49_a_boot_is_in_its_baseline_until_that_is_revoked() {
    let world = World::start();
    let file = world.write("baseline.json", &baseline(now() + 3600));
    let put = world.run(&["baseline", "put", "prod/image", text(&file)]);
    assert!(put.contains("No policy that you may read names it"), "{put}");
    world.policy("prod/closed", &["--for", "app", "--baseline", "prod/image"]);
    world.put(PATH, "prod/closed", b"sesame");
    assert_eq!(world.value(&simulated(), PATH), b"sesame");
    // T49: one more file than is listed.
    let mut more = boot();
    more.insert_before_exit(vouchsafe_attestation::test_util::event_log::BuiltEvent::file("/evil", b"evil"));
    let more = SimulatedVm::booted(&AkCertificateSpec::default(), &more);
    world.assert_denied(&more, PATH, "prod/image");
    // T28: the approved image of an older version.
    let put = world.run(&["baseline", "put", "prod/image", text(&file)]);
    assert!(put.contains("version 2") && put.contains("Policies that name it: prod/closed."), "{put}");
    let revoked = world.run(&["baseline", "revoke", "prod/image"]);
    assert!(revoked.contains("is revoked. Policies that name it: prod/closed."), "{revoked}");
    world.assert_denied(&simulated(), PATH, "prod/image");
    let said = world.refused(&["baseline", "put", "prod/image", text(&file)], b"");
    assert!(said.contains("revoked"), "what is revoked stays so: {said}");
}

#[test]
fn t28_an_image_whose_time_is_over_is_refused() {
    let world = World::start();
    let ended = world.write("ended.json", &baseline(now() - 1));
    let said = world.refused(&["baseline", "put", "prod/image", text(&ended)], b"");
    assert!(said.contains("has expired"), "{said}");
    // Long enough for the steps before expiry.
    let ends_at = now() + 10;
    let file = world.write("baseline.json", &baseline(ends_at));
    world.run(&["baseline", "put", "prod/image", text(&file)]);
    world.policy("prod/closed", &["--for", "app", "--baseline", "prod/image"]);
    world.put(PATH, "prod/closed", b"sesame");
    while now() <= ends_at {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    world.assert_denied(&simulated(), PATH, "prod/image");
}

#[test]
fn generated_secrets_are_of_the_broker_and_per_instance_ones_of_each_vm() {
    let world = World::start();
    world.run(&["secret", "generate", "prod/made", "--policy", "prod/app", "--length", "48"]);
    world.run(&["secret", "generate", "prod/each", "--policy", "prod/app", "--per-instance"]);
    let one = simulated();
    let other = AkCertificateSpec { instance_id: 7, ..AkCertificateSpec::default() };
    let other = SimulatedVm::booted(&other, &boot());
    let made = world.value(&one, "prod/made");
    assert_eq!((made.len(), made == world.value(&other, "prod/made")), (48, true));
    let each = world.value(&one, "prod/each");
    assert_eq!((each.len(), &each), (32, &world.value(&one, "prod/each")), "derived, so the same each time");
    assert_ne!(each, world.value(&other, "prod/each"));
}

#[test]
fn t41_without_a_valid_token_nothing_is_said() {
    let world = World::start();
    world.put(PATH, "prod/app", b"sesame");
    let url = format!("{}/v1/secrets", world.broker.operators_url());
    assert_eq!(world.get(&url, Some(world.broker.token())).0, 200);
    let mut wrong = world.broker.token().to_owned();
    let last = if wrong.pop() == Some('A') { 'B' } else { 'A' };
    wrong.push(last);
    for token in [None, Some(wrong.as_str()), Some(""), Some("admin")] {
        let (status, body) = world.get(&url, token);
        assert_eq!(status, 401, "{token:?}");
        assert!(body.contains("\"unauthorized\"") && !body.contains("prod"), "{body}");
    }
    for path in ["//v1/secrets", "/v1/../v1/secrets", "/v1/secrets/", "/V1/secrets", "/v1/%73ecrets"] {
        let (status, body) = world.get(&format!("{}{path}", world.broker.operators_url()), None);
        assert!(matches!(status, 401 | 404) && !body.contains("prod"), "{path}: {status} {body}");
    }
}

#[test]
fn t41_operators_act_in_their_namespaces_until_they_are_removed() {
    let world = World::start();
    let file = world.folder().join("erin.toml");
    world.run(&["operator", "add", "erin", "--role", "editor", "--namespace", "dev", "--out", text(&file)]);
    let erin = |arguments: &[&str], input: &[u8]| {
        let mut command = Command::new(program("vouchsafe").unwrap());
        command.args(arguments).arg("--operator").arg(&file);
        let output = run_with_input(command, input).unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let put = |path: &str, policy: &str| {
        erin(&["secret", "put", path, "--policy", policy, "--from", "-"], b"sesame")
    };
    world.policy("dev/app", &["--for", "app"]);
    assert_eq!(put("dev/token", "dev/app").0, Some(0));
    let (status, said) = put("prod/token", "prod/app");
    assert_eq!(status, Some(1));
    assert!(said.contains("forbidden"), "{said}");
    let (status, said) = erin(&["operator", "list"], b"");
    assert!(status == Some(1) && said.contains("forbidden"), "{said}");
    world.run(&["operator", "remove", "erin"]);
    let (status, said) = put("dev/token", "dev/app");
    assert_eq!(status, Some(1));
    assert!(said.contains("unauthorized"), "{said}");
}

#[test]
fn t41_operators_routes_are_not_on_the_guests_listener() {
    let world = World::start();
    let token = Some(world.broker.token());
    for route in ["secrets", "policies", "baselines", "decisions", "guardrails", "collateral", "operators"] {
        let (status, body) = world.get(&format!("{}/v1/{route}", world.broker.guests_url()), token);
        assert_eq!(status, 404, "{route}: {body}");
        assert!(body.contains("no-such-route"), "{body}");
    }
    assert_eq!(world.get(&format!("{}/metrics", world.broker.guests_url()), token).0, 404);
    let url = format!("{}/v1/challenge", world.broker.operators_url());
    assert_eq!(world.post(&url, b"").0, 404, "nor the other way round");
}

#[test]
fn t38_an_unknown_key_of_the_configuration_is_refused_at_start() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut broker = Broker::init(folder.path()).unwrap();
    let good = fs::read_to_string(broker.config()).unwrap();
    for (text, named) in [
        (format!("insecure = true\n{good}"), "insecure"),
        (format!("{good}\n[limits]\nbodi = 3\n"), "bodi"),
        (format!("{good}\n[limits]\nbody = 0\n"), "limits.body"),
    ] {
        fs::write(broker.config(), text).unwrap();
        let error = broker.run().unwrap_err().to_string();
        assert!(error.contains("the broker ended (exit status: 2)") && error.contains(named), "{error}");
    }
    fs::write(broker.config(), good).unwrap();
    fs::write(folder.path().join("broker.log"), "").unwrap();
    broker.run().unwrap();
}

#[test]
fn t10_anchors_from_files_are_announced() {
    let world = World::bare("");
    let (_, info) = world.get(&format!("{}/v1/info", world.broker.guests_url()), None);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["identities"][0], world.broker.identity());
    let log = world.broker.read_log();
    for anchor in [google().root_der(), amd().ark_der()] {
        let fingerprint = Digest32::of(anchor).to_string();
        let announced = info["extra_trust_anchors"].as_array().unwrap();
        assert!(announced.iter().any(|one| *one == fingerprint), "{info}");
        let line = log.lines().find(|line| line.contains(&fingerprint)).unwrap();
        assert!(line.contains("broker.extra_trust_anchor") && line.contains("WARN"), "{line}");
    }
}

#[test]
fn t10_an_anchor_from_a_file_never_gives_the_root_google() {
    let world = World::start();
    let policy = world.run(&["policy", "show", "prod/app"]).replace("Root::\"extra\"", "Root::\"google\"");
    world.put_policy_text("prod/production", &policy);
    world.put(PATH, "prod/production", b"sesame");
    world.assert_denied(&simulated(), PATH, "principal.vtpm.root");
}

#[test]
fn t10_without_a_file_no_test_root_is_trusted() {
    let mut world = World::start();
    world.put(PATH, "prod/app", b"sesame");
    assert_eq!(world.value(&simulated(), PATH), b"sesame");
    world.broker.stop().unwrap();
    let config = fs::read_to_string(world.broker.config()).unwrap();
    let plain: Vec<_> = config.lines().filter(|line| !line.starts_with("extra_trust_anchors")).collect();
    fs::write(world.broker.config(), plain.join("\n")).unwrap();
    world.broker.run().unwrap();
    let asked = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    world.assert_refused(&asked, ReasonCode::EvidenceRefused, "ak-chain-unknown-issuer");
    let (_, info) = world.get(&format!("{}/v1/info", world.broker.guests_url()), None);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["extra_trust_anchors"], serde_json::json!([]));
}

#[test]
fn t10_the_programs_contain_no_test_roots() {
    let marker = [b"Fake EK/AK".as_slice(), b" CA Root"].concat();
    let contains = |program: &Path| holds(&fs::read(program).unwrap(), &marker);
    for name in ["vouchsafe", "vouchsafe-guest"] {
        assert!(!contains(&program(name).unwrap()), "{name} has what only tests may have");
    }
    // This binary contains the marker, since it uses the fake CA; so the search would find it.
    assert!(!google().root_der().is_empty());
    assert!(contains(&std::env::current_exe().unwrap()));
}

#[test]
fn completions_and_help_need_no_broker() {
    for (name, arguments) in
        [("vouchsafe", ["completions", "bash"]), ("vouchsafe-guest", ["completions", "fish"])]
    {
        let output = Command::new(program(name).unwrap()).args(arguments).output().unwrap();
        assert!(output.status.success() && holds(&output.stdout, name.as_bytes()), "{output:?}");
    }
    let wrong = Command::new(program("vouchsafe").unwrap()).arg("no-such-command").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn the_guardrail_of_the_administrator_stands_above_policies() {
    let world = World::start();
    world.put(PATH, "prod/app", b"sesame");
    let shipped = world.run(&["guardrails", "show"]);
    let file: PathBuf = world.write(
        "guardrails.cedar",
        &format!(
            "{shipped}\n@id(\"closed\") @reason(\"closed today\")\n\
             forbid (principal is Vm, action == Action::\"release\", resource);\n"
        ),
    );
    world.run(&["guardrails", "put", text(&file)]);
    world.assert_denied(&simulated(), PATH, "closed today");
    let restored = world.write("shipped.cedar", &shipped);
    world.run(&["guardrails", "put", text(&restored)]);
    assert_eq!(world.value(&simulated(), PATH), b"sesame");
}
