//! The broker's identity is rotated while guests are served.

use std::fs;
use std::sync::Arc;

use vouchsafe_keystore::Keystore;
use vouchsafe_protocol::{
    BrokerIdentity, Bytes, IdentityKey, Nonce, ReasonCode, RequestDigest, SuccessionAnswer,
};

use super::*;
use crate::api::identities::Identity;
use crate::collateral::{CollateralFolder, CollateralService, CollateralStatus};
use crate::operators::identities::taken::read_again;
use crate::testing::{Asked, VALUE};
use crate::{Broker, health};

async fn step(fixture: &Fixture, step: &str, body: &Value) -> (u16, Value) {
    json_of(fixture, &fixture.token, "POST", &format!("/v1/identities/{step}"), body).await
}

/// Promotes what `add` has answered with.
async fn promote(fixture: &Fixture, added: &Value, overlap: u64) -> (u16, Value) {
    step(fixture, "promote", &json!({ "identity": added["identity"], "overlap": overlap })).await
}

async fn promoted(fixture: &Fixture, overlap: u64) -> BrokerIdentity {
    let (code, added) = step(fixture, "add", &json!({})).await;
    assert_eq!(code, 200, "{added}");
    // The answer of the first one may have been lost.
    for _ in 0..2 {
        let (code, answer) = promote(fixture, &added, overlap).await;
        assert_eq!((code, &answer), (200, &added));
    }
    serde_json::from_value(added["identity"].clone()).expect("an identity")
}

/// Each identity's state, with whether its successor is accepted for a while.
async fn states(fixture: &Fixture) -> Vec<(BrokerIdentity, String, bool)> {
    let (code, all) = json_of(fixture, &fixture.token, "GET", "/v1/identities", &Value::Null).await;
    assert_eq!(code, 200, "{all}");
    let all: Vec<Identity> = serde_json::from_value(all).expect("identities");
    let state =
        |found: Identity| (found.identity, found.state.as_str().to_owned(), found.accepted_until.is_some());
    all.into_iter().map(state).collect()
}

/// The guest's request is answered by the identity that its challenge was issued for.
async fn served(fixture: &Fixture, asked: &Asked) {
    let answer = fixture.release(DecisionId([9; 16]), asked.request.clone()).await.expect("granted");
    let opened = answer.open_with(&asked.key, &asked.bound, &asked.digest()).expect("opens");
    assert_eq!(opened[0].secret.expose(), VALUE);
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_are_served_during_every_step() {
    let fixture = Fixture::new().await;
    let vm = SimulatedVm::new();
    let first = fixture.broker.identity();
    let ask = || fixture.ask(&vm, Kinds::VTPM, fixture.challenge(), &[PATH]);
    // The challenge of one guest is from before each of the steps.
    let before = [ask(), ask()];
    let (_, added) = step(&fixture, "add", &json!({})).await;
    let second: BrokerIdentity = serde_json::from_value(added["identity"].clone()).expect("an identity");
    assert_eq!(fixture.broker.identity(), first);
    served(&fixture, &ask()).await;
    let asked = ask();
    let (code, _) = promote(&fixture, &added, 3600).await;
    assert_eq!((code, fixture.broker.identity()), (200, second));
    for asked in [&asked, &before[0]] {
        assert_eq!(*asked.bound.broker(), first);
        served(&fixture, asked).await;
    }
    let after = ask();
    assert_eq!(*after.bound.broker(), second);
    served(&fixture, &after).await;
    let expected = [(first, "previous".to_owned(), true), (second, "primary".to_owned(), false)];
    assert_eq!(states(&fixture).await, expected);
    let succession = fixture.broker.identities().succession();
    let succeeded = succession.verify(&[first], &second, crate::clock::now()).expect("statements");
    assert!((3590..=3600).contains(&succeeded.remaining), "{succeeded:?}");
    // A refusal of a request from before is signed by the identity of before too.
    let mut bad = before[1].request.clone();
    bad.public_key = Bytes(vec![1; 3]);
    let refused = fixture.release(DecisionId([8; 16]), bad.clone()).await.expect_err("refused");
    let digest = RequestDigest::of(&serde_json::to_vec(&bad).expect("JSON"));
    let problem: Problem = serde_json::from_slice(&refused.problem(&digest).json()).expect("a problem");
    assert_eq!(problem.code, ReasonCode::KeyInvalid);
    assert!(problem.is_signed_by(&first, &before[1].bound.nonce(), &digest));
}

async fn restarted(fixture: Fixture) -> Fixture {
    let Fixture { broker, token, folder } = fixture;
    let config = (*broker.config()).clone();
    broker.close().await;
    drop(broker);
    let broker = Broker::open(config).await.expect("a broker");
    health::watch(&broker).await;
    Fixture { broker, token, folder }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_broker_goes_on_with_the_rotation() {
    let fixture = Fixture::new().await;
    let vm = SimulatedVm::new();
    let first = fixture.broker.identity();
    let asked = fixture.ask(&vm, Kinds::VTPM, fixture.challenge(), &[PATH]);
    let second = promoted(&fixture, 3600).await;
    let fixture = restarted(fixture).await;
    assert_eq!(fixture.broker.identity(), second);
    // A challenge of before is answered as the guest expects.
    assert_eq!(*asked.bound.broker(), first);
    served(&fixture, &asked).await;
    let refused = step(&fixture, "remove", &json!({ "identity": first })).await;
    assert_eq!(refused.0, 409, "{}", refused.1);
    let detail = refused.1["detail"].as_str().expect("a detail");
    assert!(detail.contains("has to answer are accepted for another"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_steps_are_refused() {
    let fixture = Fixture::new().await;
    let (first, nobody) = (fixture.broker.identity(), BrokerIdentity([7; 32]));
    for (name, body, code, said) in [
        ("promote", json!({ "identity": nobody, "overlap": 60 }), 409, "is not the next identity"),
        ("promote", json!({ "identity": first, "overlap": 60 }), 409, "signs already"),
        ("promote", json!({ "identity": nobody, "overlap": 31_622_401 }), 422, "366 days"),
        ("promote", json!({ "identity": nobody }), 400, "overlap"),
        ("promote", json!({ "overlap": 60 }), 400, "identity"),
        ("remove", json!({ "identity": first }), 409, "is the identity that signs"),
        ("remove", json!({ "identity": "ed25519:AA" }), 400, "43 characters"),
        ("remove", json!({ "identity": nobody }), 404, "no identity of this broker"),
    ] {
        let (found, problem) = step(&fixture, name, &body).await;
        assert_eq!(found, code, "{name} {body}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{problem}");
    }
    assert_eq!(states(&fixture).await.len(), 1);
    let (_, added) = step(&fixture, "add", &json!({})).await;
    let (code, problem) = step(&fixture, "add", &json!({})).await;
    assert_eq!(code, 409, "{problem}");
    let (code, removed) = step(&fixture, "remove", &added).await;
    assert_eq!((code, &removed), (200, &json!({ "erased": true })));
    assert_eq!(states(&fixture).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_only_administrators_touch_the_identities() {
    let fixture = Fixture::new().await;
    for (name, role) in [("ed", OperatorRole::Editor), ("al", OperatorRole::Auditor)] {
        let namespaces = ["prod".to_owned()];
        let by = by(Act::ManageOperators);
        let token = fixture.keystore().add_operator(by, name, role, &namespaces, TokenLifetime::Never).await;
        let token = token.expect("added").expose().to_owned();
        for (method, path, body) in [
            ("GET", "/v1/identities", Value::Null),
            ("POST", "/v1/identities/add", json!({})),
            (
                "POST",
                "/v1/identities/promote",
                json!({ "identity": fixture.broker.identity(), "overlap": 60 }),
            ),
            ("POST", "/v1/identities/remove", json!({ "identity": fixture.broker.identity() })),
        ] {
            let (code, _) = json_of(&fixture, &token, method, path, &body).await;
            assert_eq!(code, 403, "{role} {method} {path}");
        }
    }
    assert_eq!(states(&fixture).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn collateral_is_signed_as_the_identity_that_signs() {
    let fixture = Fixture::new().await;
    let service = with_key_set(&fixture);
    let second = promoted(&fixture, 0).await;
    assert_eq!(fixture.broker.identities().succession(), SuccessionAnswer::default());
    let bundle = crate::testing::managed(service).export(crate::clock::now());
    assert_eq!(bundle.signer(), second);
    // The stored key set is signed again: with the new identity alone it is read.
    assert!(has_key_set(&opened(&fixture, fixture.broker.signing_key())));
}

fn with_key_set(fixture: &Fixture) -> &CollateralService {
    let jwks = vouchsafe_attestation::test_util::google_token::FakeAttestationService::shared().jwks();
    let service = fixture.broker.collateral_service();
    crate::testing::managed(service).import(&jwks, None, crate::clock::now()).expect("a key set");
    service
}

/// The stored collateral, as a broker that knows only this identity reads it.
fn opened(fixture: &Fixture, key: Arc<IdentityKey>) -> CollateralStatus {
    let (folder, anchors) = (fixture.broker.config().collateral_folder(), fixture.broker.anchors.clone());
    CollateralFolder::open(&folder, key, &[], anchors).expect("a folder").status().expect("items")
}

fn has_key_set(status: &CollateralStatus) -> bool {
    status.items.iter().any(|item| item.kind.name() == "jwks")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_not_removed_while_a_key_set_is_signed_by_it() {
    let fixture = Fixture::new().await;
    with_key_set(&fixture);
    let first = fixture.broker.identity();
    // The file cannot be written: a folder is in its place.
    let blocked = fixture.broker.config().collateral_folder().join("jwks.extra.json.new");
    fs::create_dir(&blocked).expect("a folder");
    let second = promoted(&fixture, 60).await;
    assert_eq!(fixture.broker.identity(), second);
    let (code, problem) = step(&fixture, "remove", &json!({ "identity": first })).await;
    assert_eq!((code, &problem["code"]), (503, &json!("unavailable")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("jwks.extra.json.new")));
    fs::remove_dir(&blocked).expect("removed");
    // What is left to wait for are challenges.
    let (code, problem) = step(&fixture, "remove", &json!({ "identity": first })).await;
    assert_eq!(code, 409, "{problem}");
    assert!(has_key_set(&opened(&fixture, fixture.broker.signing_key())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_set_of_a_lost_promotion_is_read_after_a_restore() {
    let fixture = Fixture::new().await;
    step(&fixture, "add", &json!({})).await;
    // As it is when the database is from before the promotion, and the folder is not.
    let next = fixture.broker.identities().keys().nth(1).cloned().expect("the next one");
    with_key_set(&fixture).sign_as(next).expect("signed");
    let fixture = restarted(fixture).await;
    assert!(has_key_set(&fixture.broker.collateral_status().expect("items")));
    assert!(has_key_set(&opened(&fixture, fixture.broker.signing_key())));
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_that_cannot_be_read_are_a_reason_and_an_error() {
    let fixture = Fixture::new().await;
    let first = fixture.broker.identity();
    fixture.broker.keystore.close().await;
    let problem = read_again(&fixture.broker).await.expect_err("closed");
    assert_eq!(problem.code(), ReasonCode::Unavailable);
    let detail = problem.reason();
    assert!(detail.starts_with("the step is taken, but this broker has not read it"), "{detail}");
    assert_eq!(fixture.broker.identity(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metric_is_about_the_next_guests_to_be_left() {
    let fixture = Fixture::new().await;
    promoted(&fixture, 60).await;
    promoted(&fixture, 3600).await;
    let (metrics, identities) = (&fixture.broker.metrics, fixture.broker.identities());
    let overlap = |later: u64| {
        metrics.identities.observe(&identities, crate::clock::now().plus(later));
        let text = String::from_utf8(metrics.text().expect("metrics")).expect("text");
        let overlap = text.lines().find_map(|line| line.strip_prefix("vouchsafe_identity_overlap_seconds "));
        overlap.expect("a metric").parse::<u64>().expect("a number")
    };
    assert!((30..=60).contains(&overlap(0)), "{}", overlap(0));
    // Those of the first identity are left; those of the second one will be.
    assert!((3400..=3540).contains(&overlap(60)), "{}", overlap(60));
    assert_eq!(overlap(3600), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_by_another_broker_is_taken_with_the_next_probe() {
    let fixture = Fixture::new().await;
    let (first, config) = (fixture.broker.identity(), fixture.broker.config());
    let keyring = config.load_keyring().expect("the keyring");
    let other = Keystore::open_beside_others(&config.database(), keyring).await.expect("opens");
    let second = other.add_identity(by(Act::ManageKeyring)).await.expect("added");
    health::probe(&fixture.broker).await;
    other.promote_identity(by(Act::ManageKeyring), second, 60).await.expect("promoted");
    assert_eq!(fixture.broker.identity(), first);
    // The other broker has issued a challenge as the new one.
    let now = crate::clock::now();
    let challenge = other.keyring().challenge_key().issue(&second, Nonce([3; 32]), now, 60);
    let accepted = fixture.broker.check(&challenge, now).expect("live");
    assert_eq!(accepted.identity.identity(), second);
    health::probe(&fixture.broker).await;
    assert_eq!(fixture.broker.identity(), second);
    let text = String::from_utf8(fixture.broker.metrics.text().expect("metrics")).expect("text");
    for line in [
        "vouchsafe_identities{state=\"next\"} 0",
        "vouchsafe_identities{state=\"previous\"} 1",
        "vouchsafe_identities{state=\"primary\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    let overlap = text.lines().find_map(|line| line.strip_prefix("vouchsafe_identity_overlap_seconds "));
    let overlap: u64 = overlap.expect("a metric").parse().expect("a number");
    assert!((50..=60).contains(&overlap), "{overlap}");
}
