//! Resources of a request, and which of them are released when its client is turned away or disconnects.

use std::sync::mpsc::{Sender, channel};

use vouchsafe_keystore::record::DecisionFilter;
use vouchsafe_keystore::record::Outcome;

use super::*;
use crate::pool::Lane;
use crate::testing::client;

/// Keeps the only verifier busy until the returned sender is dropped.
pub(super) fn occupy(broker: &Broker) -> Sender<()> {
    let (free, freed) = channel::<()>();
    let (started, running) = channel();
    broker
        .pool
        .spawn(Lane::Operators, move |_| {
            started.send(()).expect("somebody waits");
            assert!(freed.recv().is_err(), "nothing is ever sent");
        })
        .expect("room");
    running.recv().expect("it runs");
    free
}

pub(super) async fn until(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(20), "it never comes to that");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_a_client_that_leaves_gives_nothing_back_before_its_work_is_gone() {
    // It waits to be verified, or to be parsed.
    for blanks in [0, 200_000] {
        leave(blanks).await;
    }
}

/// A client that leaves while its request, with these blanks after it, waits for a verifier.
async fn leave(blanks: usize) {
    let fixture = Fixture::with(|limits| (limits.verifiers, limits.releases) = (Some(1), 1)).await;
    let (guests, _, stop) = start(&fixture).await;
    let broker = &fixture.broker;
    let free = occupy(broker);
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::BOTH, fixture.challenge(), &[PATH]);
    let body = serde_json::to_string(&asked.request).expect("JSON") + &" ".repeat(blanks);
    let request =
        format!("POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut stream = connect(&fixture, guests);
    let left = tokio::task::spawn_blocking(move || {
        stream.write_all(request.as_bytes()).expect("sent");
        stream
    });
    let stream = left.await.expect("runs");
    until(|| broker.pool.waiting() == 1).await;
    drop(stream);
    until(|| broker.admission.guests.held() == 0).await;
    assert_eq!(broker.gate.releases(), 1, "its work still waits");
    assert!(!broker.gate.admits(client()), "no other challenge is issued to it meanwhile");
    assert_eq!(body_bytes(broker), i64::try_from(body.len()).expect("small"));
    drop(free);
    until(|| broker.gate.releases() == 0).await;
    until(|| body_bytes(broker) == 0).await;
    assert_eq!(broker.metrics.grants.get(), 0);
    let granted = DecisionFilter { outcome: Some(Outcome::Granted), ..DecisionFilter::default() };
    let granted = crate::testing::records(fixture.keystore(), granted).await;
    assert!(granted.is_empty(), "nobody waited for it, so that its challenge is not spent");
    stop.stop().await;
}

/// Sends the whole body in chunks, as over a network, and returns what is received; `None` if the connection
/// was reset before all was sent.
async fn sent_in_pieces(
    fixture: &Fixture,
    address: SocketAddr,
    head: String,
    length: usize,
) -> Option<String> {
    let mut stream = connect(fixture, address);
    let sent = tokio::task::spawn_blocking(move || {
        stream.write_all(head.as_bytes()).ok()?;
        let piece = [b' '; 16 * 1024];
        for _ in 0..length / piece.len() {
            std::thread::sleep(Duration::from_millis(3));
            stream.write_all(&piece).ok()?;
        }
        Some(read(&mut stream))
    });
    sent.await.expect("runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_a_client_turned_away_while_sending_gets_an_answer() {
    let fixture = Fixture::with(|limits| limits.bodies_per_address = 1).await;
    let (guests, operators, stop) = start(&fixture).await;
    let challenge = serde_json::to_string(&fixture.challenge()).expect("JSON");
    let (mebibyte, sent) = (1024 * 1024, 256 * 1024);
    let client = client();
    let room = fixture.broker.admission.guests.body(client, mebibyte).expect("room");
    let head = |route: &str, opening: &str, length: usize| {
        let length = opening.len() + length;
        format!("POST {route} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{opening}")
    };
    let opening = format!("{{\"challenge\":{challenge},");
    for (address, head, length, status) in [
        // There is not enough room for it.
        (guests, head("/v1/release", &opening, sent), sent, "503"),
        // It is not a request.
        (guests, head("/v1/release", "[", sent), sent, "400"),
        // No guest sends this much.
        (guests, head("/v1/release", "{", 3 * mebibyte), sent, "413"),
        // The token is unknown.
        (operators, head("/v1/policies/put", "{", sent), sent, "401"),
        // Nor is an error in the query reported.
        (operators, head("/v1/collateral/import?unknown=1", "{", sent), sent, "401"),
    ] {
        let answer = sent_in_pieces(&fixture, address, head, length).await;
        let answer = answer.unwrap_or_else(|| panic!("no {status}: the connection was reset"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
    }
    // The body was discarded: it used no room.
    assert_eq!(body_bytes(&fixture.broker), i64::try_from(mebibyte).expect("small"));
    drop(room);
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_no_more_than_a_request_is_received_in_passing() {
    let fixture = Fixture::new().await;
    let (guests, _, stop) = start(&fixture).await;
    let sixteen = 16 * 1024 * 1024;
    let head =
        format!("POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: {sixteen}\r\n\r\n{{\"suite\":");
    let answer = sent_in_pieces(&fixture, guests, head, sixteen).await;
    assert!(answer.is_none(), "whoever goes on sending is cut off");
    stop.stop().await;
}

/// Holds the collateral folder, as the import of a large bundle does, until the returned sender is dropped.
fn work_on_collateral(broker: &Arc<Broker>) -> Sender<()> {
    let (end, ended) = channel::<()>();
    let (held, holds) = channel();
    let broker = Arc::clone(broker);
    std::thread::spawn(move || {
        let _folder = broker.collateral_service().hold();
        held.send(()).expect("somebody waits");
        // Ends even if the test fails.
        let _dropped = ended.recv_timeout(Duration::from_secs(15));
    });
    holds.recv().expect("it runs");
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_long_work_on_collateral_holds_up_neither_metrics_nor_operators() {
    let fixture = Fixture::with(|limits| limits.probe = Duration::from_secs(3600)).await;
    crate::health::probe(&fixture.broker).await;
    let (_, operators, stop) = start(&fixture).await;
    let end = work_on_collateral(&fixture.broker);
    let token = &fixture.token;
    let status = format!(
        "GET /v1/collateral HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let waiting: Vec<_> = (0..4)
        .map(|_| tokio::spawn(exchange(connect(&fixture, operators), status.clone().into_bytes())))
        .collect();
    sleep(Duration::from_millis(300)).await;
    for route in ["/metrics", "/livez", "/readyz", "/metrics"] {
        let asked = exchange(connect(&fixture, operators), get(route, true).into_bytes()).await;
        let (answer, took) = asked;
        assert!(answer.starts_with("HTTP/1.1 200"), "{route}: {answer}");
        assert!(took < Duration::from_secs(8), "{route}: {took:?}");
        if route == "/metrics" {
            assert!(answer.contains("\nvouchsafe_crls 2\n"), "the last probe saw them: {answer}");
            assert!(answer.contains("vouchsafe_collateral_items{kind=\"crl\"} 2"), "{answer}");
        }
    }
    drop(end);
    for waited in waiting {
        let (answer, _) = waited.await.expect("runs");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    stop.stop().await;
}
