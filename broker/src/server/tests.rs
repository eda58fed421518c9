//! The running servers, over TLS: routes of each listener, and that requests of strangers change nothing.

mod bodies;
mod bounds;
mod connections;
mod http_errors;
mod prepared;
mod proxies;
mod strangers;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};

use super::*;
use crate::testing::{Fixture, PATH};
use crate::tls;

type Tls = StreamOwned<ClientConnection, TcpStream>;

async fn start(fixture: &Fixture) -> (SocketAddr, SocketAddr, Stop) {
    let servers = Servers::start(&fixture.broker, fixture.listeners()).expect("listening");
    let (guests, operators, stop) = (servers.guests, servers.operators, servers.stop());
    tokio::spawn(servers.run());
    (guests, operators, stop)
}

fn connect(fixture: &Fixture, address: SocketAddr) -> Tls {
    over(fixture, TcpStream::connect(address).expect("connected"))
}

fn over(fixture: &Fixture, socket: TcpStream) -> Tls {
    let mut roots = RootCertStore::empty();
    for ca in tls::certificates(&fixture.folder.path().join("ca.pem")).expect("a CA") {
        roots.add(ca).expect("a CA");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    StreamOwned::new(connection, socket)
}

/// Everything up to the end of the connection, even without a TLS close_notify.
fn read(stream: &mut Tls) -> String {
    let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        text.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8(text).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_the_guests_listener_has_no_operators_routes() {
    let fixture = Fixture::new().await;
    let (guests, _, stop) = start(&fixture).await;
    let mut stream = connect(&fixture, guests);
    let authorization = format!("authorization: Bearer {}", fixture.token);
    let answer = tokio::task::spawn_blocking(move || {
        let head =
            format!("GET /v1/decisions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{authorization}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        read(&mut stream)
    });
    let answer = answer.await.expect("runs");
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("no-such-route"), "{answer}");
    stop.stop().await;
}

/// Sends this and returns everything received.
async fn exchange(mut stream: Tls, request: Vec<u8>) -> (String, Duration) {
    let asked = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        // If the server closes early, the rest cannot be sent.
        let _sent = stream.write_all(&request);
        (read(&mut stream), started.elapsed())
    });
    asked.await.expect("runs")
}

fn get(route: &str, last: bool) -> String {
    let close = if last { "connection: close\r\n" } else { "" };
    format!("GET {route} HTTP/1.1\r\nhost: x\r\n{close}\r\n")
}

/// State of the database: its files with modification times, and its content.
fn database(fixture: &Fixture) -> Vec<(std::path::PathBuf, std::time::SystemTime, Vec<u8>)> {
    let database = fixture.broker.config().database();
    ["", "-wal"]
        .map(|suffix| {
            let path = std::path::PathBuf::from(format!("{}{suffix}", database.display()));
            let written = std::fs::metadata(&path).expect("there").modified().expect("a time");
            let bytes = std::fs::read(&path).expect("readable");
            (path, written, bytes)
        })
        .to_vec()
}

/// Room taken by bodies of guests.
fn body_bytes(broker: &Broker) -> i64 {
    let text = String::from_utf8(broker.metrics.text().expect("text")).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix("vouchsafe_body_bytes{listener=\"guests\"} "));
    line.and_then(|line| line.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_requests_of_strangers_leave_the_database_untouched() {
    let fixture = Fixture::with(|limits| limits.probe = Duration::from_secs(3600)).await;
    let (guests, operators, stop) = start(&fixture).await;
    let challenge = serde_json::to_string(&fixture.challenge()).expect("JSON");
    let mut worthless = serde_json::to_value(
        fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &[PATH]).request,
    )
    .expect("JSON");
    worthless["evidence"]["vtpm"]["signature"] = "AAAA".into();
    let post = |route: &str, body: &str| {
        format!("POST {route} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let before = database(&fixture);
    let mut requests: Vec<(SocketAddr, String)> = Vec::new();
    for address in [guests, operators] {
        requests.extend(
            ["/livez", "/readyz", "/metrics", "/v1/info", "/v1/secrets", "/v1/decisions", "/none"]
                .map(|route| (address, get(route, true))),
        );
        requests.push((address, post("/v1/secrets/put", "{}")));
        requests.push((address, post("/v1/challenge", "")));
        requests.push((address, post("/v1/release", "{")));
        requests.push((address, post("/v1/release", &format!("{{\"challenge\":{challenge},\"suite\":1}}"))));
        requests.push((address, post("/v1/release", &worthless.to_string())));
    }
    requests.extend((0..50).map(|_| (guests, get("/readyz", true))));
    let token = "authorization: Bearer vouchsafe-operator.0123456789abcdef.AAAA\r\n";
    requests.push((
        operators,
        format!("GET /v1/secrets HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{token}\r\n"),
    ));
    for (address, request) in requests {
        let request = request.replacen(
            "\r\nhost: x\r\n",
            "\r\nhost: x\r\nconnection: close\r\n",
            usize::from(!request.contains("connection")),
        );
        let (answer, _) = exchange(connect(&fixture, address), request.clone().into_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 "), "{request:.80}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 5") || request.contains("/readyz"), "{request:.80}: {answer}");
    }
    assert_eq!(database(&fixture), before);
    // An operator's change shows that the comparison is sensitive.
    fixture
        .keystore()
        .retire_secret(
            crate::testing::by(crate::testing::Act::ManageSecrets),
            &crate::testing::path(PATH),
            None,
        )
        .await
        .expect("retired");
    assert_ne!(database(&fixture), before);
    stop.stop().await;
}
