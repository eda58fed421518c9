//! Connections: their TLS, how many there may be, and how long and for how many requests they last.

use rustls::NamedGroup;

use super::*;

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

pub(super) fn socket_from(address: std::net::IpAddr) -> std::os::fd::OwnedFd {
    use rustix::net::{AddressFamily, SocketType, bind, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddr::new(address, 0)).expect("a loopback address");
    socket
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
        sleep(Duration::from_millis(5)).await;
    }
    let mut more = from(2).expect("connected");
    more.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    let turned_away = tokio::task::spawn_blocking(move || more.read(&mut [0; 1]));
    let end = turned_away.await.expect("runs");
    assert!(matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset));
    let (answer, _) = exchange(connect(&fixture, guests), get("/livez", true).into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "an honest address gets in: {answer}");
    // A connection without a handshake is closed after `limits.handshake`.
    held.truncate(0);
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_connections_of_many_guests_at_once_wait_to_be_accepted() {
    let fixture = Fixture::new().await;
    let socket = PreparedSocket::bind("guests", &fixture.broker.config().guests).expect("bound");
    let address = socket.address;
    let _listening = socket.listen().expect("listening");
    let connected = tokio::task::spawn_blocking(move || {
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(2));
        (0..500).map(connect).collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(connected.await.expect("runs").expect("nobody is left out").len(), 500);
}

/// Sends the first of these, waits for its answer, and then drips the other until shortly before its time is over.
async fn asked_and_dripped(mut stream: Tls, first: String, dripped: String) -> (String, Duration) {
    let asked = tokio::task::spawn_blocking(move || {
        stream.write_all(first.as_bytes()).expect("sent");
        let mut byte = [0; 1];
        while !matches!(stream.read(&mut byte), Ok(1)) {}
        let started = Instant::now();
        for byte in dripped.bytes().take(8) {
            stream.write_all(&[byte]).expect("sent");
            std::thread::sleep(Duration::from_millis(100));
        }
        (read(&mut stream), started.elapsed())
    });
    asked.await.expect("runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_a_second_head_has_its_time_too() {
    let fixture = Fixture::with(|limits| limits.head = Duration::from_secs(1)).await;
    let (guests, operators, stop) = start(&fixture).await;
    let first = get("/livez", false);
    let second = format!("{}name: {}", &first[..first.len() - 2], "v".repeat(80));
    let (begun, rest) = second.split_at(10);
    for (address, first, dripped) in [
        (guests, first.clone(), second.clone()),
        (operators, first.clone(), second.clone()),
        // Begun in the bytes of the first one.
        (guests, format!("{first}{begun}"), rest.to_owned()),
    ] {
        let (answer, took) = asked_and_dripped(connect(&fixture, address), first, dripped).await;
        assert!(answer.contains("HTTP/1.1 408") && answer.contains("request-timeout"), "{answer}");
        assert!((900..6000).contains(&took.as_millis()), "{took:?}");
    }
    stop.stop().await;
}
