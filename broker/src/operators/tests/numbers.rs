//! Numbers out of range are the request's fault.

use super::*;
use crate::testing::lines::Lines;

const BEYOND_STORAGE: [&str; 2] = ["9223372036854775808", "18446744073709551615"];
const NOT_NUMBERS: [&str; 6] = ["18446744073709551616", "1e999", "-1", "1.5", "0x1", "NaN"];

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_number_out_of_range_is_a_malformed_request() {
    let fixture = Fixture::new().await;
    let (lines, _guard) = Lines::of_this_thread();
    let get = async |uri: &str| json_of(&fixture, &fixture.token, "GET", uri, &Value::Null).await;
    for (uri, parameter, is_compared) in [
        ("/v1/decisions?since=", "since", true),
        ("/v1/decisions?until=", "until", true),
        ("/v1/decisions?before=", "before", true),
        ("/v1/decisions?limit=", "limit", false),
        ("/v1/chips?before=", "before", true),
        ("/v1/chips?limit=", "limit", false),
        ("/v1/volumes?limit=", "limit", false),
        ("/v1/policies/show?name=prod/app&version=", "version", false),
        ("/v1/baselines/show?name=prod/app&version=", "version", false),
    ] {
        // No document has such a version, and a limit has 32 bits.
        let expected = if parameter == "version" { (404, "not-found") } else { (400, "malformed-request") };
        for number in BEYOND_STORAGE {
            let (status, answer) = get(&format!("{uri}{number}")).await;
            assert_eq!((status, answer["code"].as_str()), (expected.0, Some(expected.1)), "{uri}{number}");
            let detail = answer["detail"].as_str().expect("a detail");
            assert!(detail.contains(parameter) || parameter == "version", "{uri}{number}: {detail}");
            assert_eq!(detail.contains("the largest number is 9223372036854775807"), is_compared, "{detail}");
        }
        for number in NOT_NUMBERS {
            let (status, answer) = get(&format!("{uri}{number}")).await;
            assert_eq!((status, &answer["code"]), (400, &json!("malformed-request")), "{uri}{number}");
            let detail = answer["detail"].as_str().expect("a detail");
            assert!(detail.starts_with(&format!("{parameter}: ")), "{uri}{number}: {detail}");
        }
        let (status, answer) = get(&format!("{uri}{}", i64::MAX)).await;
        assert!(status < 500, "{uri} {answer}");
    }
    assert_eq!(lines.text(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_number_out_of_range_in_a_body_is_the_fault_of_the_request() {
    let fixture = Fixture::new().await;
    let (lines, _guard) = Lines::of_this_thread();
    let id = "0".repeat(64);
    let text = json!(policy(PROJECT));
    for (uri, body) in [
        ("/v1/secrets/retire", format!(r#"{{"path":"{PATH}","version":N}}"#)),
        ("/v1/secrets/restore", format!(r#"{{"path":"{PATH}","version":N}}"#)),
        ("/v1/secrets/destroy", format!(r#"{{"path":"{PATH}","version":N}}"#)),
        (
            "/v1/secrets/generate",
            format!(r#"{{"path":"prod/db/new","for":"app","policy":"{POLICY}","length":N}}"#),
        ),
        ("/v1/policies/diff", format!(r#"{{"name":"{POLICY}","text":{text},"decisions":10,"version":N}}"#)),
        ("/v1/policies/diff", format!(r#"{{"name":"{POLICY}","text":{text},"decisions":N}}"#)),
        (
            "/v1/baseline-proposals/approve",
            format!(r#"{{"baseline":"prod/app","id":"{id}","keep_old":{{"seconds":N}}}}"#),
        ),
    ] {
        for number in BEYOND_STORAGE.iter().chain(&NOT_NUMBERS) {
            let body = body.replace('N', number);
            let (status, answer) = sent(&fixture, &fixture.token, uri, body.clone()).await;
            assert!((400..500).contains(&status) && status != 401, "{uri} {body}: {status} {answer}");
            assert!(answer["detail"].is_string(), "{uri} {body}: {answer}");
        }
    }
    assert_eq!(lines.text(), "");
}

async fn sent(fixture: &Fixture, token: &str, uri: &str, body: String) -> (u16, Value) {
    let service = service(fixture).await;
    let request =
        test::TestRequest::post().uri(uri).insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
    let response = test::call_service(&service, request.set_payload(body).to_request()).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body()).await.expect("a body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}
