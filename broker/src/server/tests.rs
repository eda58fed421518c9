use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, NamedGroup, RootCertStore, StreamOwned};

use super::*;
use crate::testing::Fixture;

type Tls = StreamOwned<ClientConnection, TcpStream>;

async fn start(fixture: &Fixture) -> (SocketAddr, SocketAddr, Stop) {
    let servers = Servers::start(&fixture.broker).expect("listening");
    let (guests, operators, stop) = (servers.guests, servers.operators, servers.stop());
    tokio::spawn(servers.run());
    (guests, operators, stop)
}

fn connect(fixture: &Fixture, address: SocketAddr) -> Tls {
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
    let socket = TcpStream::connect(address).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    StreamOwned::new(connection, socket)
}

/// Everything up to the end of the connection, which may end without a goodbye.
fn read(stream: &mut Tls) -> String {
    let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        text.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8(text).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_a_dripped_body_ends() {
    let fixture = Fixture::with(|limits| limits.body = Duration::from_secs(1)).await;
    let (guests, _, stop) = start(&fixture).await;
    let mut stream = connect(&fixture, guests);
    let dripped = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        stream
            .write_all(b"POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n")
            .expect("sent");
        for _ in 0..3 {
            stream.write_all(b" ").expect("sent");
            std::thread::sleep(Duration::from_millis(200));
        }
        (read(&mut stream), started.elapsed())
    });
    let (answer, elapsed) = dripped.await.expect("runs");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("application/problem+json") && answer.contains("request-timeout"), "{answer}");
    assert!((1..5).contains(&elapsed.as_secs()), "{elapsed:?}");
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_1_3_with_post_quantum_key_exchange_and_no_tickets() {
    let fixture = Fixture::new().await;
    let (guests, operators, stop) = start(&fixture).await;
    for address in [guests, operators] {
        let mut stream = connect(&fixture, address);
        let checked = tokio::task::spawn_blocking(move || {
            stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
            let answer = read(&mut stream);
            let group = stream.conn.negotiated_key_exchange_group().expect("negotiated").name();
            (answer, group, stream.conn.protocol_version(), stream.conn.tls13_tickets_received())
        });
        let (answer, group, version, tickets) = checked.await.expect("runs");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!((group, tickets), (NamedGroup::X25519MLKEM768, 0));
        assert_eq!(version, Some(rustls::ProtocolVersion::TLSv1_3));
    }
    stop.stop().await;
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
