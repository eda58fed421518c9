//! Tokens end, say so in time, and are replaced.

use std::time::Duration;

use vouchsafe_keystore::registry::OperatorToken;

use super::*;
use crate::api::operators::TOKEN_EXPIRES_IN;
use crate::clock;

async fn add(fixture: &Fixture, name: &str, role: OperatorRole, lifetime: TokenLifetime) -> String {
    let namespaces = ["prod".to_owned()];
    let namespaces: &[String] = if role == OperatorRole::Administrator { &[] } else { &namespaces };
    let added =
        fixture.keystore().add_operator(by(Act::ManageOperators), name, role, namespaces, lifetime).await;
    added.expect("added").expose().to_owned()
}

/// Status, problem code and the seconds that the token is still valid.
async fn ask(fixture: &Fixture, token: &str, uri: &str) -> (u16, Option<Problem>, Option<u64>) {
    let request = test::TestRequest::get()
        .uri(uri)
        .peer_addr(strangers::another_client())
        .insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
    let response = test::call_service(&service(fixture).await, request.to_request()).await;
    let left = response.headers().get(TOKEN_EXPIRES_IN);
    let left = left.map(|left| left.to_str().expect("text").parse().expect("a number"));
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body()).await.expect("a body");
    (status, serde_json::from_slice(&body).ok(), left)
}

async fn rotate(fixture: &Fixture, token: &str, new: &OperatorToken, members: Value) -> (u16, Value) {
    let hashed = new.hashed();
    let mut body = json!({ "token_id": hashed.id, "token_hash": hashed.hash });
    body.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
    json_of(fixture, token, "POST", "/v1/operators/rotate", &body).await
}

async fn metrics(fixture: &Fixture) -> String {
    let (_, text) = call(fixture, None, "GET", "/metrics", &Value::Null).await;
    String::from_utf8(text).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_token_that_has_ended_is_refused_and_its_bearer_is_told() {
    let fixture = Fixture::new().await;
    let end = clock::now().plus(2);
    let token = add(&fixture, "kim", OperatorRole::Editor, TokenLifetime::Seconds(2)).await;
    let (status, _, left) = ask(&fixture, &token, "/v1/secrets").await;
    assert!(status == 200 && left.is_some_and(|left| left <= 2), "{status} {left:?}");
    while clock::now() < end.plus(1) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (lines, _guard) = crate::testing::lines::Lines::of_this_thread();
    let (status, problem, left) = ask(&fixture, &token, "/v1/secrets").await;
    let problem = problem.expect("a problem");
    assert_eq!((status, problem.code.as_str(), left), (401, "token-expired", None));
    let detail = problem.detail.expect("for operators");
    assert!(detail.starts_with("the token of operator kim ended at 20"), "{detail}");
    let written = lines.with("operator.login_refused");
    assert!(written.len() == 1 && written[0].contains("expired"), "{written:?}");
    assert!(metrics(&fixture).await.contains("vouchsafe_logins_refused_total{reason=\"expired\"} 1\n"));
    // With another key the same id is that of nobody.
    let mut other = token.clone();
    let last = if other.pop() == Some('A') { 'B' } else { 'A' };
    other.push(last);
    let (status, problem, _) = ask(&fixture, &other, "/v1/secrets").await;
    assert_eq!((status, problem.expect("a problem").code.as_str()), (401, "unauthorized"));
    // An administrator replaces it.
    let new = OperatorToken::generate().expect("a token");
    assert_eq!(rotate(&fixture, &fixture.token, &new, json!({ "name": "kim" })).await.0, 200);
    assert_eq!(ask(&fixture, new.expose(), "/v1/secrets").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_say_how_long_the_token_is_valid() {
    let fixture = Fixture::new().await;
    let ends = add(&fixture, "kim", OperatorRole::Auditor, TokenLifetime::Seconds(3600)).await;
    let never = add(&fixture, "robot", OperatorRole::Auditor, TokenLifetime::Never).await;
    // Whatever the answer is.
    for (uri, expected) in
        [("/v1/secrets", 200), ("/v1/operators", 403), ("/v1/secrets/show?path=prod/no", 404)]
    {
        let (status, _, left) = ask(&fixture, &ends, uri).await;
        assert_eq!(status, expected, "{uri}");
        assert!(left.is_some_and(|left| (3590..=3600).contains(&left)), "{uri}: {left:?}");
        assert_eq!(ask(&fixture, &never, uri).await.2, None, "{uri}");
    }
    assert_eq!(ask(&fixture, "nonsense", "/v1/secrets").await.2, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_rotated_token_is_refused_with_the_next_request() {
    let fixture = Fixture::new().await;
    let service = service(&fixture).await;
    let client = strangers::another_client();
    let ask = async |token: &str| {
        let request = test::TestRequest::get()
            .uri("/v1/secrets")
            .peer_addr(client)
            .insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
        test::call_service(&service, request.to_request()).await.status().as_u16()
    };
    for role in OperatorRole::ALL {
        let name = format!("kim-{role}");
        let old = add(&fixture, &name, role, TokenLifetime::default()).await;
        // The broker remembers tokens that were valid.
        assert_eq!(ask(&old).await, 200);
        let new = OperatorToken::generate().expect("a token");
        let (status, answer) = rotate(&fixture, &old, &new, json!({ "expires_in": 600 })).await;
        assert_eq!((status, &answer["name"], answer.get("previous_until")), (200, &json!(name), None));
        assert_eq!(ask(&old).await, 401, "{role}");
        assert_eq!(ask(new.expose()).await, 200, "{role}");
        // The answer was lost: the same again, under the new token.
        assert_eq!(rotate(&fixture, new.expose(), &new, json!({})).await, (200, answer));
    }
    let (_, page) =
        json_of(&fixture, &fixture.token, "GET", "/v1/decisions?outcome=operator&limit=1", &Value::Null)
            .await;
    let record = &page["records"][0]["record"]["operator"];
    assert_eq!([&record["action"], &record["operator"]], ["operator.rotate", "kim-auditor"], "{page}");
    assert!(record["token"]["expires_at"].is_u64(), "{page}");
    assert!(!page.to_string().contains("vouchsafe-operator."), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_each_wrong_rotation_has_its_problem() {
    let fixture = Fixture::new().await;
    let kim = add(&fixture, "kim", OperatorRole::Editor, TokenLifetime::default()).await;
    let new = OperatorToken::generate().expect("a token");
    let hashed = new.hashed();
    let admin = fixture.token.clone();
    for (token, members, status, code, detail) in [
        (&kim, json!({ "name": "admin" }), 403, "forbidden", "may not manage-operators"),
        (&kim, json!({ "name": "nobody" }), 403, "forbidden", "may not manage-operators"),
        (&admin, json!({ "name": "nobody" }), 404, "not-found", "no operator nobody"),
        (&admin, json!({ "name": "admin" }), 409, "conflict", "leave the name out"),
        (&kim, json!({ "expires_in": 0 }), 422, "invalid-object", "0 seconds are not possible"),
        (&kim, json!({ "expires_in": 31_622_401 }), 422, "invalid-object", "1 second to 366 days"),
        (&kim, json!({ "expires_in": 7_776_001 }), 403, "forbidden", "granted for 7776000 seconds"),
        (&kim, json!({ "expires_in": "never" }), 403, "forbidden", "an administrator gives a longer one"),
        (&kim, json!({ "overlap": 604_801 }), 422, "invalid-object", "at most 7 days"),
        (&kim, json!({ "expires_in": "always" }), 400, "malformed-request", "never"),
        (&kim, json!({ "token_id": "XYZ" }), 400, "malformed-request", "16 lower-case hex digits"),
        (&kim, json!({ "token_hash": "00" }), 400, "malformed-request", "hex"),
        (&kim, json!({ "token": "x" }), 400, "malformed-request", "token"),
    ] {
        let (found, problem) = rotate(&fixture, token, &new, members.clone()).await;
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{members} {problem}");
        assert!(problem["detail"].as_str().expect("a detail").contains(detail), "{members} {problem}");
    }
    // A token that was replaced replaces nothing, though it is valid for a while.
    assert_eq!(rotate(&fixture, &kim, &new, json!({ "overlap": 600 })).await.0, 200);
    let third = OperatorToken::generate().expect("a token");
    let (status, problem) = rotate(&fixture, &kim, &third, json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")), "{problem}");
    assert_eq!(ask(&fixture, &kim, "/v1/secrets").await.0, 200);
    // Nor is a token used twice.
    let body = json!({ "name": "kim", "token_id": hashed.id, "token_hash": Digest32([0; 32]) });
    let (status, problem) = json_of(&fixture, &admin, "POST", "/v1/operators/rotate", &body).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")), "{problem}");
    let (_, listed) = json_of(&fixture, &admin, "GET", "/v1/operators", &Value::Null).await;
    assert!(listed[1]["previous_until"].is_u64() && listed[1]["expires_at"].is_u64(), "{listed}");
}
