//! A balancer in front of a listener.

use std::net::{IpAddr, Ipv4Addr};

use super::connections::socket_from;
use super::*;

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));

/// A header for a client at this address, with a vector after the addresses.
fn header(command: u8, family: u8, source: &[u8]) -> Vec<u8> {
    let mut rest = [source, source, &[0; 4], &[4, 0, 1, 0]].concat();
    if command == 0x20 {
        rest.clear();
    }
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, &rest].concat()
}

/// What a client gets that connects from this address and sends this before TLS, and the address that is remembered
/// for its request.
async fn ask(
    fixture: &Fixture,
    address: SocketAddr,
    from: IpAddr,
    before: &[u8],
) -> (String, Option<IpAddr>) {
    let socket = socket_from(from);
    rustix::net::connect(&socket, &address).expect("connected");
    let mut socket = TcpStream::from(socket);
    socket.write_all(before).expect("sent");
    let request =
        b"POST /v1/release HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1\r\n\r\n[".to_vec();
    let (answer, _) = exchange(over(fixture, socket), request).await;
    let newest = fixture.broker.refusals.newest(|_| true);
    (answer, newest.first().and_then(|refusal| refusal.peer))
}

async fn behind_proxies(change: impl FnOnce(&mut crate::config::Limits)) -> Fixture {
    Fixture::configured(|config| {
        let listed =
            || vec!["127.0.0.9".parse().expect("an address"), "10.0.0.0/8".parse().expect("a network")];
        (config.guests.proxies, config.operators.proxies) = (listed(), listed());
        change(&mut config.limits);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_the_address_behind_a_listed_proxy_is_the_clients() {
    let fixture = behind_proxies(|limits| limits.connections_per_address = 3).await;
    let (guests, _, stop) = start(&fixture).await;
    let v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    for (header, client) in [
        (header(0x21, 0x11, &[192, 0, 2, 7]), "192.0.2.7"),
        (header(0x21, 0x21, &v6), "2001:db8::7"),
        (header(0x20, 0x00, &[]), "127.0.0.9"),
    ] {
        let (answer, peer) = ask(&fixture, guests, PROXY, &header).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{client}: {answer}");
        assert_eq!(peer, client.parse().ok());
    }
    // Each client has a share of its own.
    let connect = |client: [u8; 4]| {
        let socket = socket_from(PROXY);
        rustix::net::connect(&socket, &guests).expect("connected");
        let mut socket = TcpStream::from(socket);
        socket.write_all(&header(0x21, 0x11, &client)).expect("sent");
        socket
    };
    let _held: Vec<_> = (0..3).map(|_| connect([192, 0, 2, 8])).collect();
    let admission = Arc::clone(&fixture.broker.admission.guests);
    while admission.held() < 3 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ask(&fixture, guests, PROXY, &header(0x21, 0x11, &[192, 0, 2, 8])).await.0, "");
    let (answer, _) = ask(&fixture, guests, PROXY, &header(0x21, 0x11, &[192, 0, 2, 9])).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_a_listed_proxy_sends_exactly_one_header_and_nobody_else_does() {
    let fixture = behind_proxies(|limits| limits.handshake = Duration::from_secs(1)).await;
    let (guests, operators, stop) = start(&fixture).await;
    let good = header(0x21, 0x11, &[192, 0, 2, 7]);
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 8));
    for address in [guests, operators] {
        let (answer, _) = ask(&fixture, address, other, b"").await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        for (from, before) in [
            (PROXY, vec![]),
            (PROXY, good.repeat(2)),
            (PROXY, b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 8443\r\n".to_vec()),
            (PROXY, header(0x21, 0x12, &[192, 0, 2, 7])),
            (PROXY, header(0x21, 0x00, &[192, 0, 2, 7])),
            (PROXY, header(0x22, 0x11, &[192, 0, 2, 7])),
            // Nobody else names an address.
            (other, good.clone()),
        ] {
            let (answer, _) = ask(&fixture, address, from, &before).await;
            assert_eq!(answer, "", "{from} {before:?}");
        }
    }
    assert!(fixture.broker.refusals.newest(|_| true).iter().all(|kept| kept.peer == Some(other)));
    // One that sends no header has as long as a handshake, and holds no connection meanwhile.
    let socket = socket_from(PROXY);
    rustix::net::connect(&socket, &guests).expect("connected");
    let mut socket = TcpStream::from(socket);
    socket.write_all(&good[..10]).expect("sent");
    let started = Instant::now();
    let end = tokio::task::spawn_blocking(move || socket.read(&mut [0; 1])).await.expect("runs");
    assert!(matches!(end, Ok(0)), "{end:?}");
    assert!((900..3000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    stop.stop().await;
}
