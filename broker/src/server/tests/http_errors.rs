//! Bytes that are no request are answered with a problem, on both listeners.

use actix_web::http::StatusCode;
use serde_json::Value;

use super::*;

/// What is sent, and the code of the answer.
fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let malformed = [
        ("method", "G@T /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("request line", "\0\u{1}\u{2}\r\n\r\n"),
        ("version", "GET /livez HTTP/9.9\r\nhost: x\r\n\r\n"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("TLS in TLS", "\u{16}\u{3}\u{1}\r\n\r\n"),
        ("target", "GET /live\u{7f}z HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("no host", "GET /livez HTTP/1.1\r\n\r\n"),
        ("header name", "GET /livez HTTP/1.1\r\nhost: x\r\nbad name: y\r\n\r\n"),
        ("header value", "GET /livez HTTP/1.1\r\nhost: x\r\nname: a\u{0}b\r\n\r\n"),
        ("folded header", "GET /livez HTTP/1.1\r\nhost: x\r\nname: a\r\n b\r\n\r\n"),
        ("length", "POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n"),
        ("negative length", "POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n"),
        (
            "two lengths",
            "POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{",
        ),
        (
            "length and chunks",
            "POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ];
    let mut cases: Vec<_> = malformed.map(|(name, text)| (name, text.into(), "malformed-request")).into();
    let fields = "name: value\r\n".repeat(200);
    cases.push((
        "fields",
        format!("GET /livez HTTP/1.1\r\nhost: x\r\n{fields}\r\n").into(),
        "request-too-large",
    ));
    for (name, length) in [("large header", 20_000), ("larger header", 100_000)] {
        let value = "v".repeat(length);
        let text = format!("GET /livez HTTP/1.1\r\nhost: x\r\nname: {value}\r\n\r\n");
        cases.push((name, text.into(), "request-too-large"));
    }
    cases.push(("slow headers", b"GET /livez HTTP/1.1\r\nhost: x\r\nna".into(), "request-timeout"));
    cases
}

fn check(name: &str, answer: &str, code: &str, is_guest: bool) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{name}: no head: {answer:?}"));
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{name}: {answer:?}"));
    assert_eq!(problem["code"], code, "{name}: {answer}");
    let status = problem["status"].as_u64().expect("a status");
    let reason = StatusCode::from_u16(u16::try_from(status).expect("a status")).expect("a status");
    assert!(head.starts_with(&format!("HTTP/1.1 {reason}\r\n")), "{name}: {answer}");
    let lines: Vec<_> = head.split("\r\n").skip(1).map(str::to_ascii_lowercase).collect();
    for line in [
        format!("content-length: {}", body.len()),
        "content-type: application/problem+json".to_owned(),
        "connection: close".to_owned(),
    ] {
        assert_eq!(lines.iter().filter(|found| **found == line).count(), 1, "{name}: {line} in {answer}");
    }
    assert!(lines.iter().any(|line| line.starts_with("date: ")), "{name}: {answer}");
    assert_eq!((problem.get("decision").is_some(), problem.get("detail").is_some()), (is_guest, !is_guest));
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_what_is_no_request_is_answered_with_a_problem() {
    let fixture = Fixture::with(|limits| limits.head = Duration::from_secs(1)).await;
    let (guests, operators, stop) = start(&fixture).await;
    for (address, is_guest) in [(guests, true), (operators, false)] {
        for (name, request, code) in cases() {
            let (answer, took) = exchange(connect(&fixture, address), request).await;
            check(name, &answer, code, is_guest);
            assert!(took < Duration::from_secs(4), "{name}: {took:?}");
        }
        // After an answer to a request, in the same bytes.
        let both = [get("/livez", false).as_bytes(), b"G@T / HTTP/1.1\r\n\r\n"].concat();
        let (answers, _) = exchange(connect(&fixture, address), both).await;
        let second = answers.rfind("HTTP/1.1 ").expect("an answer");
        assert!(second > 0 && answers.starts_with("HTTP/1.1 200"), "{answers}");
        check("second request", &answers[second..], "malformed-request", is_guest);
    }
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_the_largest_head_is_served_and_a_larger_one_is_refused_at_once() {
    let fixture = Fixture::new().await;
    let (guests, _, stop) = start(&fixture).await;
    let request = |length: usize| {
        let rest = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\nname: \r\n\r\n".len();
        let value = "v".repeat(length - rest);
        format!("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\nname: {value}\r\n\r\n").into_bytes()
    };
    let (answer, _) = exchange(connect(&fixture, guests), request(connection::WINDOW)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (answer, took) = exchange(connect(&fixture, guests), request(connection::WINDOW + 1)).await;
    check("too large", &answer, "request-too-large", true);
    assert!(took < fixture.broker.config().limits.head, "{took:?}");
    stop.stop().await;
}
