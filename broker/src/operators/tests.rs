mod diffs;
mod identities;
mod keyring;
mod memory;
mod numbers;
mod pages;
mod strangers;
mod tokens;

use actix_web::body::to_bytes;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::web::Data;
use actix_web::{App, test};
use serde_json::{Value, json};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_keystore::registry::TokenLifetime;
use vouchsafe_policy::operators::OperatorRole;
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{DecisionId, Digest32};
use vouchsafe_system::trusted_file::{Others, examine};

use crate::testing::{Act, Fixture, PATH, POLICY, PROJECT, by, policy, reads_records};

/// The token of a new editor of this namespace.
async fn editor(fixture: &Fixture, namespace: &str) -> String {
    let (role, namespaces, lifetime) =
        (OperatorRole::Editor, [namespace.to_owned()], TokenLifetime::default());
    let added =
        fixture.keystore().add_operator(by(Act::ManageOperators), "ed", role, &namespaces, lifetime).await;
    added.expect("added").expose().to_owned()
}

/// Every route that needs an operator.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "/v1/secrets"),
    ("GET", "/v1/secrets/show?path=prod/db/token"),
    ("POST", "/v1/secrets/put"),
    ("POST", "/v1/secrets/generate"),
    ("POST", "/v1/secrets/set-policy"),
    ("POST", "/v1/secrets/retire"),
    ("POST", "/v1/secrets/restore"),
    ("POST", "/v1/secrets/destroy"),
    ("GET", "/v1/policies"),
    ("GET", "/v1/policies/show?name=prod/app"),
    ("POST", "/v1/policies/check"),
    ("POST", "/v1/policies/diff"),
    ("POST", "/v1/policies/put"),
    ("GET", "/v1/baselines"),
    ("GET", "/v1/baselines/show?name=prod/app"),
    ("POST", "/v1/baselines/put"),
    ("POST", "/v1/baselines/revoke"),
    ("GET", "/v1/guardrails"),
    ("POST", "/v1/guardrails/put"),
    ("POST", "/v1/guardrails/reset"),
    ("GET", "/v1/decisions"),
    ("GET", "/v1/decisions/show?id=00000000000000000000000000000000"),
    ("GET", "/v1/decisions/evidence?id=00000000000000000000000000000000"),
    ("GET", "/v1/chips"),
    ("GET", "/v1/baseline-proposals"),
    ("POST", "/v1/baseline-proposals/approve"),
    ("POST", "/v1/baseline-proposals/reject"),
    ("GET", "/v1/volumes"),
    ("GET", "/v1/volumes/show?volume=prod/db/disk@1/2"),
    ("POST", "/v1/volumes/forget"),
    ("GET", "/v1/collateral"),
    ("POST", "/v1/collateral/import"),
    ("GET", "/v1/collateral/export"),
    ("POST", "/v1/collateral/refresh"),
    ("POST", "/v1/collateral/remove"),
    ("GET", "/v1/identities"),
    ("POST", "/v1/identities/add"),
    ("POST", "/v1/identities/promote"),
    ("POST", "/v1/identities/remove"),
    ("GET", "/v1/operators"),
    ("POST", "/v1/operators/add"),
    ("POST", "/v1/operators/rotate"),
    ("POST", "/v1/operators/remove"),
    ("GET", "/v1/keyring"),
    ("POST", "/v1/keyring/add"),
    ("POST", "/v1/keyring/promote"),
    ("POST", "/v1/keyring/reseal"),
    ("POST", "/v1/keyring/remove"),
];

/// The operators' routes.
async fn service(
    fixture: &Fixture,
) -> impl Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error> + use<> {
    let broker = fixture.broker.clone();
    let app = App::new().app_data(Data::from(broker.clone())).configure(|app| super::configure(&broker, app));
    test::init_service(app).await
}

async fn call(
    fixture: &Fixture,
    token: Option<&str>,
    method: &str,
    uri: &str,
    body: &Value,
) -> (u16, Vec<u8>) {
    let service = service(fixture).await;
    let mut request = test::TestRequest::default()
        .method(method.parse::<Method>().expect("a method"))
        .uri(uri)
        .peer_addr(strangers::another_client());
    if let Some(token) = token {
        request = request.insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
    }
    let response = test::call_service(&service, request.set_payload(body.to_string()).to_request()).await;
    let status = response.status().as_u16();
    (status, to_bytes(response.into_body()).await.expect("a body").to_vec())
}

async fn json_of(fixture: &Fixture, token: &str, method: &str, uri: &str, body: &Value) -> (u16, Value) {
    let (status, body) = call(fixture, Some(token), method, uri, body).await;
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_operator_api_without_token_is_refused() {
    let fixture = Fixture::new().await;
    let almost = format!("{}x", fixture.token);
    for (method, uri) in ROUTES {
        for token in [None, Some(""), Some("nonsense"), Some(almost.as_str())] {
            let (status, body) = call(&fixture, token, method, uri, &json!({})).await;
            let problem: Problem = serde_json::from_slice(&body).expect("a problem");
            assert_eq!((status, problem.code.as_str()), (401, "unauthorized"), "{method} {uri} {token:?}");
        }
        let (status, _) = call(&fixture, Some(&fixture.token), method, uri, &json!({})).await;
        assert!(![401, 403, 404, 405].contains(&status) || uri.contains('?'), "{method} {uri}: {status}");
    }
    // The list above is complete: `openapi.yaml` has the same routes.
    let description = include_str!("../../openapi.yaml");
    let described: std::collections::BTreeSet<_> =
        description.lines().filter_map(|line| line.strip_prefix("  /v1/")?.strip_suffix(':')).collect();
    let guests = ["challenge", "release", "succession", "info"];
    let listed = ROUTES.iter().filter_map(|(_, uri)| uri.split('?').next()?.strip_prefix("/v1/"));
    assert_eq!(described, listed.chain(guests).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_an_operator_acts_in_its_namespaces_only() {
    let fixture = Fixture::new().await;
    let add = |name: &'static str, role, namespaces: Vec<String>| {
        let keystore = fixture.keystore().clone();
        async move {
            keystore
                .add_operator(by(Act::ManageOperators), name, role, &namespaces, TokenLifetime::default())
                .await
                .expect("added")
        }
    };
    let editor = add("ed", OperatorRole::Editor, vec!["dev".to_owned()]).await;
    let auditor = add("ann", OperatorRole::Auditor, vec!["prod".to_owned()]).await;
    let put = json!({ "name": "prod/app", "text": policy(PROJECT) });
    for (token, uri, body, expected) in [
        (editor.expose(), "/v1/policies/put", put.clone(), 403),
        (editor.expose(), "/v1/policies/put", json!({ "name": "dev/app", "text": policy(PROJECT) }), 200),
        (editor.expose(), "/v1/policies/put", json!({ "name": "shared/app", "text": policy(PROJECT) }), 403),
        (editor.expose(), "/v1/secrets/retire", json!({ "path": PATH }), 403),
        (editor.expose(), "/v1/guardrails/put", json!({ "text": "" }), 403),
        (editor.expose(), "/v1/operators/add", json!({ "name": "x", "role": "auditor" }), 403),
        (auditor.expose(), "/v1/policies/put", put, 403),
        (auditor.expose(), "/v1/secrets/destroy", json!({ "path": PATH }), 403),
        (auditor.expose(), "/v1/operators/remove", json!({ "name": "admin" }), 403),
    ] {
        let (status, answer) = json_of(&fixture, token, "POST", uri, &body).await;
        assert_eq!(status, expected, "{uri} {answer}");
    }
    let (_, seen) = json_of(&fixture, editor.expose(), "GET", "/v1/secrets", &Value::Null).await;
    assert_eq!(seen, json!([]));
    let (_, seen) = json_of(&fixture, auditor.expose(), "GET", "/v1/secrets", &Value::Null).await;
    assert_eq!(seen[0]["path"], PATH);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_go_in_and_never_come_out() {
    let fixture = Fixture::new().await;
    let token = fixture.token.clone();
    let value = "b3BlbiBzZXNhbWU";
    let put = json!({ "path": "prod/db/new", "for": "app", "policy": POLICY, "value": value });
    let (status, answer) = json_of(&fixture, &token, "POST", "/v1/secrets/put", &put).await;
    assert_eq!((status, &answer["version"]), (200, &json!(1)));
    let generate = json!({ "path": "prod/db/made", "for": "app", "policy": POLICY, "per_instance": true });
    assert_eq!(json_of(&fixture, &token, "POST", "/v1/secrets/generate", &generate).await.0, 200);
    for uri in ["/v1/secrets", "/v1/secrets/show?path=prod/db/new", "/v1/decisions"] {
        let (status, answer) = json_of(&fixture, &token, "GET", uri, &Value::Null).await;
        assert_eq!(status, 200);
        assert!(
            !answer.to_string().contains(value) && !answer.to_string().contains("open sesame"),
            "{answer}"
        );
    }
    let for_disk = json!({ "path": "prod/db/disk", "for": "disk", "policy": POLICY, "value": value });
    let (status, answer) = json_of(&fixture, &token, "POST", "/v1/secrets/put", &for_disk).await;
    assert_eq!((status, &answer["code"]), (422, &json!("invalid-object")));
    let retire = json!({ "path": "prod/db/new" });
    assert_eq!(json_of(&fixture, &token, "POST", "/v1/secrets/retire", &retire).await.0, 204);
    let unknown = json!({ "path": "prod/db/new", "all": true });
    let (status, answer) = json_of(&fixture, &token, "POST", "/v1/secrets/destroy", &unknown).await;
    assert_eq!((status, &answer["code"]), (400, &json!("malformed-request")), "T38");
}

#[tokio::test(flavor = "multi_thread")]
async fn t46_metrics_carry_no_paths() {
    let fixture = Fixture::new().await;
    for paths in [&[PATH][..], &["prod/db/unknown"]] {
        let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), paths);
        let _either = fixture.release(DecisionId([1; 16]), asked.request).await;
    }
    let (status, metrics) = call(&fixture, None, "GET", "/metrics", &Value::Null).await;
    let metrics = String::from_utf8(metrics).expect("text");
    assert_eq!(status, 200);
    assert!(metrics.contains("vouchsafe_refusals_total{code=\"not-granted\"} 1"), "{metrics}");
    for word in ["prod", "db/", "/token", "unknown", "\"admin\"", "6204"] {
        let leaked = metrics.lines().find(|line| !line.starts_with('#') && line.contains(word));
        assert_eq!(leaked, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_explained_to_operators_who_may_read_it() {
    let fixture = Fixture::new().await;
    let id = DecisionId([7; 16]);
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &["prod/db/unknown"]);
    assert!(fixture.release(id, asked.request).await.is_err());
    let uri = format!("/v1/decisions/show?id={id}");
    let (status, answer) = json_of(&fixture, &fixture.token, "GET", &uri, &Value::Null).await;
    assert_eq!(status, 200);
    assert!(
        answer["record"]["refusal"]["reasons"][0]
            .as_str()
            .is_some_and(|reason| reason.contains("no such secret"))
    );
    let stranger = editor(&fixture, "dev").await;
    let (status, _) = json_of(&fixture, &stranger, "GET", &uri, &Value::Null).await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_evidence_is_returned_to_operators_who_may_read_the_decision() {
    let fixture = Fixture::new().await;
    let id = DecisionId([8; 16]);
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::BOTH, fixture.challenge(), &[PATH]);
    let sent = serde_json::to_value(&asked.request.evidence).expect("JSON");
    assert!(fixture.release(id, asked.request).await.is_ok());
    let uri = format!("/v1/decisions/evidence?id={id}");
    assert_eq!(json_of(&fixture, &fixture.token, "GET", &uri, &Value::Null).await, (200, sent));
    let add = |name, namespace: &str| {
        let (keystore, namespaces) = (fixture.keystore().clone(), vec![namespace.to_owned()]);
        async move {
            keystore
                .add_operator(
                    by(Act::ManageOperators),
                    name,
                    OperatorRole::Editor,
                    &namespaces,
                    TokenLifetime::default(),
                )
                .await
                .expect("added")
        }
    };
    let editor = add("ann", "prod").await;
    assert_eq!(call(&fixture, Some(editor.expose()), "GET", &uri, &Value::Null).await.0, 200);
    let stranger = add("eve", "dev").await;
    let (status, answer) = json_of(&fixture, stranger.expose(), "GET", &uri, &Value::Null).await;
    assert_eq!((status, &answer["code"]), (404, &json!("not-found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_chips_are_listed_for_operators_who_may_read_their_decision() {
    let fixture = Fixture::new().await;
    let id = DecisionId([8; 16]);
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::BOTH, fixture.challenge(), &[PATH]);
    assert!(fixture.release(id, asked.request).await.is_ok());
    let (status, answer) = json_of(&fixture, &fixture.token, "GET", "/v1/chips", &Value::Null).await;
    let chip = &answer["chips"][0];
    assert_eq!((status, &chip["index"], &chip["decision"]), (200, &json!(0), &json!(id)), "{answer}");
    assert_eq!(chip["chip"], json!(format!("sev-snp:{}", "c1".repeat(64))));
    assert_eq!((chip.get("earlier"), answer.get("next")), (None, None));
    let add = |name: &'static str, namespace: &str, role| {
        let (keystore, namespaces) = (fixture.keystore().clone(), vec![namespace.to_owned()]);
        async move {
            keystore
                .add_operator(by(Act::ManageOperators), name, role, &namespaces, TokenLifetime::default())
                .await
                .expect("added")
        }
    };
    for (name, namespace, role, seen) in [
        ("ann", "prod", OperatorRole::Editor, 1),
        ("eve", "dev", OperatorRole::Editor, 0),
        ("aud", "dev", OperatorRole::Auditor, 0),
        ("all", "*", OperatorRole::Auditor, 1),
    ] {
        let token = add(name, namespace, role).await;
        let (status, answer) = json_of(&fixture, token.expose(), "GET", "/v1/chips", &Value::Null).await;
        assert_eq!((status, answer["chips"].as_array().map(Vec::len)), (200, Some(seen)), "{name}");
    }
    for (query, status, seen) in [
        ("instance=1/2", 200, Some(0)),
        ("policy=prod/app", 200, Some(0)),
        ("limit=1", 200, Some(1)),
        ("instance=1/2&policy=prod/app", 400, None),
        ("chip=c1", 400, None),
    ] {
        let uri = format!("/v1/chips?{query}");
        let (found, answer) = json_of(&fixture, &fixture.token, "GET", &uri, &Value::Null).await;
        assert_eq!((found, answer["chips"].as_array().map(Vec::len)), (status, seen), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyring_is_a_private_file() {
    let fixture = Fixture::new().await;
    examine(&fixture.broker.config().data.join("keyring.json"), Others::MayNothing).expect("private");
}
