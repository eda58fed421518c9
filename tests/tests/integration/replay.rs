//! Uses of a recorded trust domain or token: learning baselines, and testing other policies.

use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::google_token::TokenKind;
use vouchsafe_attestation::test_util::tdx::TdxQuoteBuilder;
use vouchsafe_attestation::test_util::vm::Kinds;
use vouchsafe_policy::{Baseline, BaselineLog};
use vouchsafe_protocol::Digest48;

use crate::matrix::{policy, vm, world};
use crate::world::{PROJECT, World, text};

const PATH: &str = "prod/db/token";

/// Releases the secret under the policy for these kinds; returns the decision.
fn released(world: &World, kinds: Kinds) -> String {
    world.put_policy_text("prod/cell", &policy(Technology::Tdx, kinds));
    world.put(PATH, "prod/cell", b"sesame");
    let asked = world.request(&vm(world, Technology::Tdx), kinds, &[PATH]);
    let reply = world.send(&asked);
    assert_eq!(reply.open(&asked)[0].secret.expose(), b"sesame");
    reply.answer().decision.to_string()
}

/// What another text of the policy would change.
fn compared(world: &World, other: &str) -> serde_json::Value {
    let file = world.write("other.cedar", other);
    world.json(&["policy", "diff", "prod/cell", text(&file), "--decisions", "10"])
}

/// Asserts that one release was evaluated again, and would be denied for this reason.
fn assert_would_refuse(world: &World, other: &str, because: &str) {
    let found = compared(world, other);
    assert_eq!((&found["replayed"], &found["without_evidence"]), (&1.into(), &0.into()), "{found}");
    let [changed] = found["changed"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&changed["after"], &changed["path"]), (&false.into(), &PATH.into()), "{found}");
    assert!(changed["because"].as_str().unwrap().contains(because), "{found}");
}

#[test]
fn t50_a_recorded_trust_domain_teaches_and_is_replayed() {
    let world = world();
    let decision = released(&world, Kinds::REPORT);
    let learned = world.learn("prod/learned", &["--decision", &decision]);
    let baseline = Baseline::parse(&learned).unwrap();
    assert_eq!((baseline.technology.as_str(), baseline.log), ("tdx", BaselineLog::Ccel));
    assert_eq!(baseline.firmware.tdx_measurements, [Digest48(TdxQuoteBuilder::new().mr_td)]);
    let now = policy(Technology::Tdx, Kinds::REPORT);
    let same = compared(&world, &now.replace("prod/ccel", "prod/learned"));
    assert_eq!(
        same,
        serde_json::json!({ "replayed": 1, "without_evidence": 0, "not_compared": 0, "changed": [] })
    );
    let mr_td = hex::encode(TdxQuoteBuilder::new().mr_td);
    assert_would_refuse(&world, &now.replace(&mr_td, &"4e".repeat(48)), &mr_td);
    let strict = now.replace("evaluation_data_number >= 1", "evaluation_data_number >= 18");
    assert_would_refuse(&world, &strict, "17");
}

#[test]
fn t50_a_recorded_composite_teaches_and_is_replayed() {
    let world = world();
    let kinds = Kinds::BOTH.with_token(TokenKind::Pki);
    let decision = released(&world, kinds);
    let baseline = Baseline::parse(&world.learn("prod/learned", &["--decision", &decision])).unwrap();
    assert_eq!((baseline.technology.as_str(), baseline.log), ("tdx", BaselineLog::Vtpm));
    let now = policy(Technology::Tdx, kinds);
    let member = "principal in Baseline::\"prod/learned\" &&\n  principal has google_token.instance";
    let closed = now.replace("principal has google_token.instance", member);
    assert_ne!(closed, now);
    assert_eq!(compared(&world, &closed)["changed"], serde_json::json!([]));
    let other = now.replace("principal.google_token.secure_boot", "!principal.google_token.secure_boot");
    assert_would_refuse(&world, &other, "secure_boot");
}

#[test]
fn t50_a_recorded_token_is_replayed_and_teaches_no_boot() {
    for kind in [TokenKind::Oidc, TokenKind::Pki] {
        let world = world();
        let kinds = Kinds::token(kind);
        let decision = released(&world, kinds);
        let now = policy(Technology::Tdx, kinds);
        assert_eq!(compared(&world, &now)["changed"], serde_json::json!([]));
        assert_would_refuse(&world, &now.replace(PROJECT, "1"), PROJECT);
        let arguments = ["baseline", "learn", "--decision", &decision];
        let audience = world.broker.guests_url();
        let given = [&arguments[..], &["--audience", &audience]].concat();
        // Without its anchor or its keys it does not verify.
        let output = world.broker.operator(&given, b"").unwrap();
        assert_eq!(output.status.code(), Some(1), "{kind:?}: {output:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("\"refused\""), "{kind:?}");
        // With them it verifies, but has no boot claims.
        let line = world.learning(&["--decision", &decision]);
        let line: Vec<_> = line.iter().map(String::as_str).collect();
        let output = world.broker.operator(&line, b"").unwrap();
        assert_eq!(output.status.code(), Some(2), "{kind:?}: {output:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("there is no boot log"), "{kind:?}");
    }
}
