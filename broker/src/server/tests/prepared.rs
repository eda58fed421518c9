//! Listeners before the broker listens.

use std::fs;
use std::io::ErrorKind;

use super::*;
use crate::BrokerConfig;
use crate::tls::TlsError;

/// The configuration with this address for guests.
fn config(fixture: &Fixture, guests: SocketAddr) -> BrokerConfig {
    let mut config = BrokerConfig::clone(&fixture.broker.config());
    config.guests.listen = guests;
    config
}

/// An error about the guests' address.
fn taken(error: &ServeError, port: SocketAddr) -> bool {
    matches!(error, ServeError::Listen { section: "guests", address, source }
        if *address == port && source.kind() == ErrorKind::AddrInUse)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_connects_before_the_broker_listens() {
    let fixture = Fixture::new().await;
    let prepared = fixture.listeners();
    let addresses = [prepared.guests.address, prepared.operators.address];
    for address in addresses {
        let refused = TcpStream::connect(address).expect_err("not listening");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
    let servers = Servers::start(&fixture.broker, prepared).expect("listening");
    assert_eq!([servers.guests, servers.operators], addresses);
    let stop = servers.stop();
    tokio::spawn(servers.run());
    for address in addresses {
        let (answer, _) = exchange(connect(&fixture, address), get("/livez", true).into_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_reported_when_it_is_bound() {
    let fixture = Fixture::new().await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("an address");
    let error = PreparedListeners::bind(&config(&fixture, port)).err().expect("taken");
    assert!(taken(&error, port), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_two_brokers_bound_is_the_first_ones_to_listen() {
    let fixture = Fixture::new().await;
    let first = fixture.listeners();
    let port = first.guests.address;
    let second = PreparedListeners::bind(&config(&fixture, port)).expect("nobody listens yet");
    let servers = Servers::start(&fixture.broker, first).expect("listening");
    let error = Servers::start(&fixture.broker, second).err().expect("taken");
    assert!(taken(&error, port), "{error}");
    let stop = servers.stop();
    tokio::spawn(servers.run());
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_certificate_is_reported_before_a_taken_port() {
    let fixture = Fixture::new().await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let file = fixture.folder.path().join("certificate.pem");
    fs::write(&file, "no certificate").expect("written");
    let config = config(&fixture, other.local_addr().expect("an address"));
    let error = PreparedListeners::bind(&config).err().expect("no certificate");
    assert!(matches!(&error, ServeError::Tls(TlsError::File { path, .. }) if *path == file), "{error}");
}
