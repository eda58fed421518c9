//! Strangers from one address, and guests at it and elsewhere.

use std::net::{IpAddr, Ipv4Addr};

use rustix::net::{AddressFamily, SocketType, bind, socket};
use serde_json::Value;
use vouchsafe_protocol::messages::ReleaseRequest;
use vouchsafe_protocol::{Bytes, ReasonCode};

use super::*;
use crate::admission::Network;
use crate::pool::Lane;

/// A client at 127.0.0.`last`.
fn address(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

/// Sends a request from this address over a connection of its own: the status, the seconds of `Retry-After`, and the body.
async fn post(
    fixture: &Fixture,
    to: SocketAddr,
    from: u8,
    route: &str,
    body: &[u8],
) -> (u16, Option<u32>, Value) {
    let connected = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&connected, &SocketAddr::new(address(from), 0)).expect("bound");
    rustix::net::connect(&connected, &to).expect("connected");
    let head = format!(
        "POST {route} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body].concat();
    let (answer, _) = exchange(over(fixture, connected.into()), request).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let retry = head.lines().find_map(|line| line.strip_prefix("retry-after: ")?.parse().ok());
    (status, retry, serde_json::from_str(body).expect("JSON"))
}

/// A release request as a guest sends it.
fn honest(fixture: &Fixture, kinds: Kinds, path: &str) -> Vec<u8> {
    let asked = fixture.ask(&SimulatedVm::new(), kinds, fixture.challenge(), &[path]);
    serde_json::to_vec(&asked.request).expect("JSON")
}

/// The same with a hardware report, and no vTPM, whose signature is wrong.
fn worthless(fixture: &Fixture) -> Vec<u8> {
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::REPORT, fixture.challenge(), &[PATH]);
    let mut request: ReleaseRequest = asked.request;
    let report = request.evidence.sev_snp.as_mut().expect("a report");
    let mut bytes = report.report.to_vec();
    bytes[0x2a0] ^= 1;
    report.report = Bytes::from(bytes);
    serde_json::to_vec(&request).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_one_address_fills_neither_the_gate_nor_the_queue_for_others() {
    let fixture = Fixture::with(|limits| {
        (limits.verifiers, limits.queue, limits.releases, limits.releases_per_address) = (Some(1), 4, 8, 8);
    })
    .await;
    let (guests, _, stop) = start(&fixture).await;
    let (broker, flood) = (&fixture.broker, Network::from(address(2)));
    let free = bounds::occupy(broker);
    // As many requests of one address as there may be, and as many in the queue.
    let held: Vec<_> = (0..8).map(|_| broker.gate.enter(flood)).collect();
    let (displaced, was) = std::sync::mpsc::channel();
    for _ in 0..4 {
        let displaced = displaced.clone();
        broker
            .pool
            .spawn(Lane::Guests(flood), move |turn| displaced.send(turn).expect("read"))
            .expect("room");
    }
    let (status, retry, body) = post(&fixture, guests, 2, "/v1/challenge", b"").await;
    assert_eq!((status, body["code"].as_str()), (503, Some("overloaded")));
    assert_eq!(retry, Some(1), "four short jobs are ahead");
    let (status, _, challenge) = post(&fixture, guests, 3, "/v1/challenge", b"").await;
    assert_eq!(status, 200, "{challenge}");
    let request = honest(&fixture, Kinds::VTPM, PATH);
    let turn = async {
        while was.try_recv().is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(broker.pool.waiting(), 4, "it has the place of one of them");
        drop(free);
    };
    let ((status, _, answer), ()) = tokio::join!(post(&fixture, guests, 3, "/v1/release", &request), turn);
    assert_eq!(status, 200, "{answer}");
    drop(held);
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_worthless_requests_make_an_address_wait_but_not_the_certified_guests_behind_it() {
    let fixture = Fixture::new().await;
    let (guests, _, stop) = start(&fixture).await;
    let release = async |from, request: Vec<u8>| post(&fixture, guests, from, "/v1/release", &request).await;
    for _ in 0..20 {
        let (status, _, body) = release(2, worthless(&fixture)).await;
        assert_eq!((status, body["code"].as_str()), (403, Some("evidence-refused")));
    }
    let (status, retry, body) = release(2, worthless(&fixture)).await;
    assert_eq!((status, body["code"].as_str()), (429, Some("rate-limited")));
    assert!(matches!(retry, Some(1 | 2)), "{retry:?}");
    // It is remembered as cheap, so that it displaces none that were verified.
    let decision = body["decision"].as_str().expect("an id").parse().expect("an id");
    let kept = fixture.broker.refusals.get(decision).expect("remembered");
    assert_eq!(kept.code, ReasonCode::RateLimited);
    assert!(kept.reasons[0].contains("too many"), "{:?}", kept.reasons);
    // A guest with a certified key is served at the same address, if later than others, and all are elsewhere.
    assert_eq!(release(2, honest(&fixture, Kinds::VTPM, PATH)).await.0, 200);
    let (status, _, body) = release(3, worthless(&fixture)).await;
    assert_eq!((status, body["code"].as_str()), (403, Some("evidence-refused")));
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_an_instance_that_is_denied_again_and_again_waits() {
    let fixture = Fixture::with(|limits| limits.releases_per_instance = 1000).await;
    let (guests, _, stop) = start(&fixture).await;
    let release = async |from, path| {
        let request = honest(&fixture, Kinds::VTPM, path);
        post(&fixture, guests, from, "/v1/release", &request).await
    };
    for number in 0..20 {
        let (status, _, body) = release(2 + number % 3, "prod/db/none").await;
        assert_eq!((status, body["code"].as_str()), (403, Some("not-granted")));
    }
    let (status, retry, body) = release(9, PATH).await;
    assert_eq!((status, body["code"].as_str()), (429, Some("rate-limited")), "wherever it is");
    let wait = retry.expect("a time");
    assert!((1..=2).contains(&wait), "{wait}");
    tokio::time::sleep(Duration::from_secs(wait.into())).await;
    assert_eq!(release(9, PATH).await.0, 200, "the time is right");
    stop.stop().await;
}
