//! A client without a valid token learns nothing but that; what operators and VMs do is recorded with their address.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::testing::lines::Lines;

/// An address that no request before came from, and that has not failed to log in.
pub(super) fn another_client() -> SocketAddr {
    static CLIENTS: AtomicU32 = AtomicU32::new(1);
    client(CLIENTS.fetch_add(1, Ordering::Relaxed))
}

fn client(number: u32) -> SocketAddr {
    (Ipv4Addr::from_bits(0x0a00_0000 + number), 1).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_nothing_is_parsed_for_an_unknown_token() {
    let fixture = Fixture::new().await;
    let service = service(&fixture).await;
    let ask = async |token: &str, method: &str, uri: &str, length: Option<&str>, body: &[u8]| {
        let mut request = test::TestRequest::default()
            .method(method.parse::<Method>().expect("a method"))
            .uri(uri)
            .peer_addr(another_client())
            .insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
            .set_payload(body.to_vec());
        if let Some(length) = length {
            request = request.insert_header((header::CONTENT_LENGTH, length));
        }
        let response = test::call_service(&service, request.to_request()).await;
        let status = response.status().as_u16();
        (status, to_bytes(response.into_body()).await.expect("a body"))
    };
    let unknown = "vouchsafe-operator-unknown";
    let (_, expected) = ask(unknown, "GET", "/v1/secrets", None, b"").await;
    for (method, uri) in ROUTES {
        let path = uri.split('?').next().expect("a path");
        for (query, length, body) in [
            ("", None, &b"{"[..]),
            ("?", Some("x"), b"{}"),
            ("?limit=-1&colour=red", None, b"\xff\xff"),
            ("?version=99999999999999999999", Some("99999999999999999999"), b"[]"),
            ("?name=..&path=..&id=..&volume=..&signed_by=..&baseline=..", Some("99999999"), b""),
            ("?%ff=%zz", Some("-1"), b""),
        ] {
            let (status, body) = ask(unknown, method, &format!("{path}{query}"), length, body).await;
            assert_eq!((status, &body), (401, &expected), "{method} {path}{query} {length:?}");
        }
        // With a valid token the same is examined.
        let bad = if *method == "GET" { "?colour=red" } else { "" };
        let (status, _) = ask(&fixture.token, method, &format!("{path}{bad}"), Some("x"), b"{").await;
        assert_ne!(status, 401, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_query_where_none_is_described_is_malformed() {
    let fixture = Fixture::new().await;
    for (method, uri) in ROUTES {
        let more = if uri.contains('?') { "&" } else { "?" };
        let uri = format!("{uri}{more}unheard_of=1");
        let (status, answer) = json_of(&fixture, &fixture.token, method, &uri, &json!({})).await;
        assert_eq!((status, &answer["code"]), (400, &json!("malformed-request")), "{method} {uri}: {answer}");
        assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains("unheard_of")), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheme_of_a_token_may_be_in_lower_case() {
    let fixture = Fixture::new().await;
    let service = service(&fixture).await;
    let ask = async |value: String| {
        let request = test::TestRequest::get().uri("/v1/secrets").peer_addr(another_client());
        let request = request.insert_header((header::AUTHORIZATION, value)).to_request();
        test::call_service(&service, request).await.status().as_u16()
    };
    let token = &fixture.token;
    for (value, status) in [
        (format!("Bearer {token}"), 200),
        (format!("bearer {token}"), 200),
        (format!("BEARER {token}"), 200),
        (format!("Bearer  {token}"), 401),
        (format!("Bearer\t{token}"), 401),
        (format!("Basic {token}"), 401),
        (token.clone(), 401),
    ] {
        assert_eq!(ask(value.clone()).await, status, "{value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_an_address_that_fails_to_log_in_is_counted_logged_and_limited() {
    let fixture = Fixture::new().await;
    let service = service(&fixture).await;
    let ask = async |client: SocketAddr, token: Option<&str>| {
        let mut request = test::TestRequest::get().uri("/v1/secrets").peer_addr(client);
        if let Some(token) = token {
            request = request.insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
        }
        let response = test::call_service(&service, request.to_request()).await;
        let wait =
            response.headers().get(header::RETRY_AFTER).map(|wait| wait.to_str().expect("text").to_owned());
        (response.status().as_u16(), wait)
    };
    let (lines, _guard) = Lines::of_this_thread();
    let (stranger, neighbour) = (another_client(), another_client());
    let unused = editor(&fixture, "dev").await;
    // The administrator works from the address that the stranger shares.
    assert_eq!(ask(stranger, Some(&fixture.token)).await, (200, None));
    for _ in 0..20 {
        assert_eq!(ask(stranger, Some("guess")).await, (401, None));
        assert_eq!(ask(stranger, None).await, (401, None));
    }
    let (status, wait) = ask(stranger, Some("guess")).await;
    let seconds: u64 = wait.expect("a Retry-After").parse().expect("seconds");
    assert!(status == 429 && (1..=6).contains(&seconds), "{status} {seconds}");
    assert_eq!(ask(stranger, Some(&fixture.token)).await, (200, None), "its token was valid before");
    assert_eq!(ask(stranger, Some(unused.as_str())).await.0, 429, "it has to wait, like any guess");
    assert_eq!(ask(neighbour, Some(unused.as_str())).await, (200, None));
    assert_eq!(ask(stranger, Some(unused.as_str())).await, (200, None));
    let (_, metrics) = call(&fixture, None, "GET", "/metrics", &Value::Null).await;
    let metrics = String::from_utf8(metrics).expect("text");
    for (reason, count) in [("invalid", 20), ("missing", 20), ("rate", 2)] {
        let line = format!("vouchsafe_logins_refused_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
    let written = lines.with("operator.login_refused");
    assert!(written.len() == 1 && written[0].contains(&stranger.ip().to_string()), "{written:?}");
    assert!(!lines.text().contains("guess"), "{}", lines.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_changes_and_decisions_are_on_record_with_the_address_of_the_client() {
    let fixture = Fixture::new().await;
    let service = service(&fixture).await;
    // An address that a socket for both families shows.
    let mapped: SocketAddr = "[::ffff:192.0.2.7]:1".parse().expect("an address");
    let request = test::TestRequest::post()
        .uri("/v1/secrets/retire")
        .peer_addr(mapped)
        .insert_header((header::AUTHORIZATION, format!("Bearer {}", fixture.token)))
        .set_payload(json!({ "path": PATH }).to_string());
    assert_eq!(test::call_service(&service, request.to_request()).await.status().as_u16(), 204);
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &[PATH]);
    assert!(fixture.release(DecisionId([7; 16]), asked.request).await.is_err(), "the secret is retired");
    let restore = json!({ "path": PATH });
    assert_eq!(json_of(&fixture, &fixture.token, "POST", "/v1/secrets/restore", &restore).await.0, 204);
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &[PATH]);
    assert!(fixture.release(DecisionId([8; 16]), asked.request).await.is_ok());
    let uri = |id: DecisionId| format!("/v1/decisions/show?id={id}");
    for (number, kind) in [(7, "refusal"), (8, "grant")] {
        let uri = uri(DecisionId([number; 16]));
        let (_, shown) = json_of(&fixture, &fixture.token, "GET", &uri, &Value::Null).await;
        assert_eq!(shown["record"][kind]["peer"], json!("127.0.0.1"), "{shown}");
    }
    let (_, page) =
        json_of(&fixture, &fixture.token, "GET", "/v1/decisions?outcome=operator", &Value::Null).await;
    let records = page["records"].as_array().expect("records");
    let retired = records.iter().map(|shown| &shown["record"]["operator"]);
    let retired: Vec<_> = retired.filter(|change| change["action"] == "secret.retire").collect();
    assert_eq!(retired.len(), 1, "{page}");
    assert_eq!(retired[0]["peer"], json!("192.0.2.7"), "{page}");
}
