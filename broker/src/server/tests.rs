mod bounds;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, NamedGroup, RootCertStore, StreamOwned};

use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_keystore::StoreError;
use vouchsafe_policy::operators::OperatorRole;
use vouchsafe_protocol::ReasonCode;

use super::*;
use crate::problem::HttpProblem;
use crate::testing::{Fixture, PATH};

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

/// Everything up to the end of the connection, even without a TLS close_notify.
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

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_body_held_back_until_its_operator_is_removed_changes_nothing() {
    let fixture = Fixture::new().await;
    let (_, operators, stop) = start(&fixture).await;
    let by = crate::testing::by(crate::testing::Act::ManageOperators);
    for (route, body) in [
        ("operators/add", r#"{"name":"eve","role":"administrator"}"#),
        ("collateral/remove", r#"{"item":"nothing"}"#),
        ("policies/check", r#"{"name":"prod/app","text":""}"#),
    ] {
        let role = OperatorRole::Administrator;
        let kim = fixture.keystore().add_operator(by, "kim", role, &[]).await.expect("added");
        let (token, length) = (kim.expose(), body.len());
        let head = format!(
            "POST /v1/{route} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             authorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut stream = connect(&fixture, operators);
        tokio::task::block_in_place(|| stream.write_all(head.as_bytes()).expect("sent"));
        // Until the token has been checked.
        tokio::time::sleep(Duration::from_millis(500)).await;
        fixture.keystore().remove_operator(by, "kim").await.expect("removed");
        let before = database(&fixture);
        let answer = tokio::task::block_in_place(|| {
            stream.write_all(body.as_bytes()).expect("sent");
            read(&mut stream)
        });
        assert!(answer.starts_with("HTTP/1.1 401"), "{route}: {answer}");
        assert!(answer.contains("invalid or revoked operator token"), "{route}: {answer}");
        assert_eq!(database(&fixture), before, "{route}");
    }
    // The same answer when the keystore finds it, in the transaction.
    let gone = HttpProblem::from(StoreError::AccountGone { operator: "kim".to_owned() });
    assert_eq!(gone.code(), ReasonCode::Unauthorized);
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_a_body_is_not_read_without_a_live_challenge() {
    let fixture = Fixture::new().await;
    let (guests, _, stop) = start(&fixture).await;
    let foreign = vouchsafe_protocol::challenge::ChallengeKey::new(&[9; 32]).issue(
        vouchsafe_protocol::challenge::Nonce([1; 32]),
        crate::clock::now(),
        60,
    );
    let body = format!("{{\"challenge\":{},", serde_json::to_string(&foreign).expect("JSON"));
    // The answer arrives before the rest of the body is sent.
    let head = "POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    let (answer, took) = exchange(connect(&fixture, guests), format!("{head}{body}").into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("challenge-invalid"), "{answer}");
    assert!(took < fixture.broker.config().limits.body, "{took:?}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    // Neither is a body that starts differently, however long it is.
    for body in ["{\"suite\":".to_owned(), " ".repeat(2000)] {
        let (answer, _) = exchange(connect(&fixture, guests), format!("{head}{body}").into_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("malformed-request"), "{answer}");
    }
    let metrics = String::from_utf8(fixture.broker.metrics.text().expect("text")).expect("text");
    assert!(
        !metrics.contains("vouchsafe_body_bytes{listener=\"guests\"}"),
        "no room was ever taken: {metrics}"
    );
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_held_bodies_have_their_room_and_no_more() {
    let fixture = Fixture::with(|limits| {
        (limits.bodies, limits.bodies_per_address, limits.body) = (32, 2, Duration::from_secs(2));
    })
    .await;
    let (guests, _, stop) = start(&fixture).await;
    let challenge = serde_json::to_string(&fixture.challenge()).expect("JSON");
    let opening = format!("{{\"challenge\":{challenge},");
    let mebibyte = 1024 * 1024;
    let head = format!("POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: {mebibyte}\r\n\r\n{opening}");
    let held = |number: usize| exchange(connect(&fixture, guests), head.repeat(number).into_bytes());
    let (one, two) = tokio::join!(held(1), held(1));
    for (answer, took) in [one, two] {
        assert!(answer.starts_with("HTTP/1.1 408"), "two have room and run into the deadline: {answer}");
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
    let mut streams: Vec<_> = (0..2).map(|_| connect(&fixture, guests)).collect();
    for stream in &mut streams {
        stream.write_all(head.as_bytes()).expect("sent");
    }
    let taken = 2 * i64::from(1024 * 1024);
    let room = || {
        let text = String::from_utf8(fixture.broker.metrics.text().expect("text")).expect("text");
        let line =
            text.lines().find_map(|line| line.strip_prefix("vouchsafe_body_bytes{listener=\"guests\"} "));
        line.and_then(|line| line.parse::<i64>().ok()).unwrap_or_default()
    };
    while room() < taken {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (answer, took) = held(1).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("overloaded"), "{answer}");
    assert!(answer.contains("retry-after: 1") && took < Duration::from_secs(2), "at once: {answer}");
    drop(streams);
    while room() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_an_operators_body_is_read_under_a_valid_token_only() {
    let fixture = Fixture::new().await;
    let (_, operators, stop) = start(&fixture).await;
    let head = "POST /v1/collateral/import HTTP/1.1\r\nhost: x\r\ncontent-length: 30000000\r\n";
    let (answer, took) = exchange(connect(&fixture, operators), format!("{head}\r\n").into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(took < fixture.broker.config().limits.body, "{took:?}");
    let metrics = String::from_utf8(fixture.broker.metrics.text().expect("text")).expect("text");
    assert!(!metrics.contains("vouchsafe_body_bytes{listener=\"operators\"}"), "{metrics}");
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_a_connection_carries_so_many_requests() {
    let fixture = Fixture::with(|limits| limits.requests = 3).await;
    let (guests, _, stop) = start(&fixture).await;
    // The connection is closed after the last of them.
    let (answers, took) =
        exchange(connect(&fixture, guests), get("/livez", false).repeat(3).into_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    assert_eq!(answers.to_ascii_lowercase().matches("connection: close").count(), 1, "{answers}");
    assert!(took < fixture.broker.config().limits.idle, "{took:?}");
    // Requests after that are not even read.
    let many = get("/livez", false).repeat(2000).into_bytes();
    let (answers, _) = exchange(connect(&fixture, guests), many).await;
    let (served, window) =
        (answers.matches("HTTP/1.1 200").count(), connection::WINDOW / get("/livez", false).len());
    assert!((3..=window + 3).contains(&served), "{served} of {window}");
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_a_connection_lives_so_long() {
    let fixture = Fixture::with(|limits| limits.connection = Duration::from_secs(1)).await;
    let (guests, _, stop) = start(&fixture).await;
    let mut stream = connect(&fixture, guests);
    let answers = tokio::task::spawn_blocking(move || {
        stream.write_all(get("/livez", false).as_bytes()).expect("sent");
        std::thread::sleep(Duration::from_millis(1500));
        stream.write_all(get("/livez", false).as_bytes()).expect("sent");
        let started = Instant::now();
        (read(&mut stream), started.elapsed())
    });
    let (answers, took) = answers.await.expect("runs");
    assert!(took < fixture.broker.config().limits.idle, "{took:?}");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    assert_eq!(answers.to_ascii_lowercase().matches("connection: close").count(), 1, "{answers}");
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_one_address_cannot_hold_all_connections() {
    let fixture =
        Fixture::with(|limits| (limits.connections, limits.connections_per_address) = (20, 15)).await;
    let (guests, _, stop) = start(&fixture).await;
    // Neither sends a byte: they are counted before TLS.
    let from = |last: u8| {
        let socket = socket_from([127, 0, 0, last].into());
        rustix::net::connect(&socket, &guests).map(|()| TcpStream::from(socket))
    };
    let mut held: Vec<TcpStream> = (0..15).map(|_| from(2).expect("connected")).collect();
    let admission = Arc::clone(&fixture.broker.admission.guests);
    while admission.held() < 15 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut more = from(2).expect("connected");
    more.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    let turned_away = tokio::task::spawn_blocking(move || more.read(&mut [0; 1]));
    let end = turned_away.await.expect("runs");
    assert!(
        matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    );
    let (answer, _) = exchange(connect(&fixture, guests), get("/livez", true).into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "an honest address gets in: {answer}");
    // A connection without a handshake is closed after `limits.handshake`.
    held.truncate(0);
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_connections_of_many_guests_at_once_wait_to_be_accepted() {
    let fixture = Fixture::new().await;
    let (address, _socket) = bind(&fixture.broker.config().guests).expect("listening");
    let connected = tokio::task::spawn_blocking(move || {
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(2));
        (0..500).map(connect).collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(connected.await.expect("runs").expect("nobody is left out").len(), 500);
}

fn socket_from(address: std::net::IpAddr) -> std::os::fd::OwnedFd {
    use rustix::net::{AddressFamily, SocketType, bind, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddr::new(address, 0)).expect("a loopback address");
    socket
}
