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
            sleep(Duration::from_millis(5)).await;
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
    let mut refused = 0;
    let (status, retry, body) = loop {
        let (status, retry, body) = release(2, worthless(&fixture)).await;
        if status == 429 {
            break (status, retry, body);
        }
        assert_eq!((status, body["code"].as_str()), (403, Some("evidence-refused")));
        refused += 1;
        assert!(refused < 200, "no limit");
    };
    assert!(refused >= 20, "{refused}");
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
    // Wherever it is.
    let mut denied = 0;
    let (retry, body) = loop {
        let (status, retry, body) = release(2 + denied % 3, "prod/db/none").await;
        if status == 429 {
            break (retry, body);
        }
        assert_eq!((status, body["code"].as_str()), (403, Some("not-granted")));
        denied += 1;
        assert!(denied < 200, "no limit");
    };
    assert!(denied >= 20, "{denied}");
    assert_eq!(body["code"], "rate-limited");
    let wait = retry.expect("a time");
    assert!((1..=2).contains(&wait), "{wait}");
    sleep(Duration::from_secs(wait.into())).await;
    assert_eq!(release(9, PATH).await.0, 200, "the time is right");
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_an_address_that_sends_too_many_requests_waits_and_others_do_not() {
    let fixture = Fixture::with(|limits| {
        (limits.connections_per_address, limits.requests_per_minute) = (2, 60);
    })
    .await;
    let (guests, operators, stop) = start(&fixture).await;
    let ask = async |from, to| {
        let started = Instant::now();
        let (status, retry, body) = post(&fixture, to, from, "/livez", b"").await;
        (status, retry, body, started.elapsed())
    };
    for _ in 0..4 {
        let (status, _, _, took) = ask(2, guests).await;
        assert!(status == 405 && took < Duration::from_millis(700), "{took:?}");
        // The share of connections is as small: they are opened one after the other.
        fixture.broker.admission.guests.forget_opened();
    }
    let (status, _, _, took) = ask(2, guests).await;
    assert!(status == 405 && took > Duration::from_millis(300), "{took:?}");
    let (status, _, _, took) = ask(3, guests).await;
    assert!(status == 405 && took < Duration::from_millis(700), "{took:?}");
    let network = Network::from(address(2));
    while fixture.broker.admission.guests.request(network, 0, Instant::now()).is_ok() {}
    fixture.broker.admission.guests.forget_opened();
    let (status, retry, body, _) = ask(2, guests).await;
    assert_eq!((status, body["code"].as_str()), (503, Some("overloaded")));
    assert!(matches!(retry, Some(5 | 6)), "{retry:?}");
    let (status, ..) = ask(2, operators).await;
    assert_ne!(status, 503, "operators are not paced");
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_slow_bodies_of_a_few_addresses_make_room_for_others() {
    let fixture = Fixture::with(|limits| (limits.bodies, limits.bodies_per_address) = (32, 32)).await;
    let (guests, _, stop) = start(&fixture).await;
    let opening = format!("{{\"challenge\":{},", serde_json::to_string(&fixture.challenge()).expect("JSON"));
    let head = format!("POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 2 * 1024 * 1024);
    // A body that never ends, and others of the same address in the rest of the room.
    let mut slow = connect(&fixture, guests);
    slow.write_all(format!("{head}{opening}").as_bytes()).expect("sent");
    while body_bytes(&fixture.broker) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let rest = 30 * 1024 * 1024;
    let room = fixture.broker.admission.guests.body(Network::from(address(1)), rest).expect("room");
    assert!(room.keep(), "it has been read");
    let (status, _, answer) =
        post(&fixture, guests, 2, "/v1/release", &honest(&fixture, Kinds::BOTH, PATH)).await;
    assert_eq!(status, 200, "{answer}");
    let answer = tokio::task::spawn_blocking(move || read(&mut slow)).await.expect("runs");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after"), "{answer}");
    bounds::until(|| body_bytes(&fixture.broker) == i64::try_from(rest).expect("small")).await;
    drop(room);
    stop.stop().await;
}
