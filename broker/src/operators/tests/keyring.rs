//! The keyring is rotated while guests are served.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::reload;
use vouchsafe_keystore::Keyring;
use vouchsafe_keystore::keyring::locked::LockedFile;

async fn post(fixture: &Fixture, step: &str, body: &Value) -> (u16, Value) {
    json_of(fixture, &fixture.token, "POST", &format!("/v1/keyring/{step}"), body).await
}

async fn status(fixture: &Fixture) -> Vec<(u64, String, bool)> {
    let (code, all) = json_of(fixture, &fixture.token, "GET", "/v1/keyring", &Value::Null).await;
    assert_eq!(code, 200, "{all}");
    let one = |found: &Value| {
        let state = found["state"].as_str().expect("a state").to_owned();
        let needed = !found["rows"].as_object().expect("rows").is_empty();
        (found["generation"].as_u64().expect("a number"), state, needed)
    };
    all.as_array().expect("a list").iter().map(one).collect()
}

fn of(generation: u64, state: &str, needed: bool) -> (u64, String, bool) {
    (generation, state.to_owned(), needed)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_generation_is_rotated_away_while_guests_are_served() {
    let fixture = Fixture::configured(|config| config.challenge_ttl = Duration::from_secs(2)).await;
    let none = json!({});
    let served = async |challenge, id| {
        let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, challenge, &[PATH]);
        fixture.release(DecisionId([id; 16]), asked.request).await.is_ok()
    };
    assert_eq!(status(&fixture).await, [of(1, "primary", true)]);
    assert_eq!(post(&fixture, "add", &none).await, (200, json!({ "generation": 2 })));
    assert_eq!(status(&fixture).await, [of(1, "primary", true), of(2, "pending", false)]);
    let before = fixture.challenge();
    assert_eq!(post(&fixture, "promote", &none).await, (200, json!({ "generation": 2 })));
    assert!(served(before, 1).await, "a challenge that was issued under the generation before");
    assert!(served(fixture.challenge(), 2).await);
    let (code, early) = post(&fixture, "remove", &json!({ "generation": 1 })).await;
    assert_eq!((code, &early["code"]), (409, &json!("conflict")), "{early}");
    let (code, done) = post(&fixture, "reseal", &none).await;
    assert_eq!((code, &done["generation"], &done["remaining"]), (200, &json!(2), &json!(0)), "{done}");
    assert!(served(fixture.challenge(), 3).await);
    assert_eq!(status(&fixture).await, [of(1, "retired", false), of(2, "primary", true)]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (code, refused) = post(&fixture, "remove", &json!({ "generation": 2 })).await;
    assert_eq!((code, &refused["code"]), (409, &json!("conflict")), "{refused}");
    let (code, unknown) = post(&fixture, "remove", &json!({ "generation": 7 })).await;
    assert_eq!((code, &unknown["code"]), (404, &json!("not-found")), "{unknown}");
    assert_eq!(post(&fixture, "remove", &json!({ "generation": 1 })).await.0, 204);
    assert_eq!(status(&fixture).await, [of(2, "primary", true)]);
    assert!(served(fixture.challenge(), 4).await);
    let (_, records) =
        json_of(&fixture, &fixture.token, "GET", "/v1/decisions?outcome=operator", &Value::Null).await;
    let records = records["records"].as_array().expect("records").iter();
    let changes: Vec<_> = records
        .map(|found| &found["record"]["operator"])
        .filter(|change| change["action"].as_str().is_some_and(|action| action.starts_with("keyring.")))
        .map(|change| {
            assert_eq!(change["authority"]["role"], "administrator");
            format!("{} {}", change["action"].as_str().expect("an action"), change["target"])
        })
        .collect();
    let expected =
        ["keyring.remove \"1\"", "keyring.reseal \"2\"", "keyring.promote \"2\"", "keyring.add \"2\""];
    assert_eq!(changes, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_only_administrators_touch_the_keyring() {
    let fixture = Fixture::new().await;
    for (name, role) in [("ed", OperatorRole::Editor), ("ann", OperatorRole::Auditor)] {
        let namespaces = ["prod".to_owned()];
        let lifetime = TokenLifetime::default();
        let added = fixture
            .keystore()
            .add_operator(by(Act::ManageOperators), name, role, &namespaces, lifetime)
            .await;
        let token = added.expect("added");
        for (method, uri, body) in [
            ("GET", "/v1/keyring", Value::Null),
            ("POST", "/v1/keyring/add", json!({})),
            ("POST", "/v1/keyring/promote", json!({})),
            ("POST", "/v1/keyring/reseal", json!({})),
            ("POST", "/v1/keyring/remove", json!({ "generation": 1 })),
        ] {
            let (code, answer) = json_of(&fixture, token.expose(), method, uri, &body).await;
            assert_eq!((code, &answer["code"]), (403, &json!("forbidden")), "{role} {uri}");
        }
    }
    assert_eq!(status(&fixture).await.len(), 1);
}

fn put(file: &Path, keyring: &Keyring) {
    let locked = LockedFile::lock(file).expect("locked");
    locked.prepare(keyring).expect("written").put_in_place().expect("in place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_that_was_changed_elsewhere_is_taken_with_a_reload() {
    let fixture = Fixture::new().await;
    let home = fixture.broker.config().keyring();
    let file = home.file().expect("a file").to_owned();
    let text = std::fs::read(&file).expect("the keyring");
    let (changed, _) = Keyring::load(&file).expect("loads").with_pending(crate::clock::now()).expect("added");
    put(&file, &changed);
    let (code, answer) = post(&fixture, "add", &json!({})).await;
    assert_eq!((code, &answer["code"]), (409, &json!("conflict")));
    assert!(answer["detail"].as_str().expect("a detail").contains("SIGHUP"), "{answer}");
    reload::reload_keyring(&fixture.broker).await;
    assert_eq!(status(&fixture).await, [of(1, "primary", true), of(2, "pending", false)]);
    // What cannot be used changes nothing.
    std::fs::write(&file, "{}").expect("written");
    reload::reload_keyring(&fixture.broker).await;
    let other = Keyring::generate(crate::clock::now()).expect("a keyring");
    put(&file, &other);
    reload::reload_keyring(&fixture.broker).await;
    assert_eq!(status(&fixture).await.len(), 2);
    std::fs::write(&file, text).expect("written");
    reload::reload_keyring(&fixture.broker).await;
    assert_eq!(status(&fixture).await.len(), 1, "nothing needs the pending one yet");
}
