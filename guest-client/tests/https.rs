//! The transport over real TLS.

#[path = "support/https.rs"]
mod https;

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use https::Server;
use rustls::NamedGroup;
use tempfile::TempDir;
use vouchsafe_guest_client::config::HttpsConfig;
use vouchsafe_guest_client::transport::{Https, Response, TlsFault, Transport as _};
use vouchsafe_protocol::limits::MAX_ANSWER;

const TIMEOUT: Duration = Duration::from_secs(10);

fn answering(status: u16, body: Vec<u8>) -> Server {
    Server::start(Box::new(move |_, _| Some(Response { status, retry_after: None, body: body.clone() })))
}

/// The CA of `server` in a file.
fn ca_file(server: &Server) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, &server.ca).expect("a file");
    // Whatever the umask.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    (directory, file)
}

fn client(server: &Server) -> Https {
    let (_directory, file) = ca_file(server);
    Https::new(&HttpsConfig { ca: file, connect: TIMEOUT }).expect("a CA")
}

#[test]
fn requests_and_answers_go_through_with_a_post_quantum_key_exchange() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Server::start(Box::new(move |route, body| {
        log.lock().expect("no panic").push((route.to_owned(), body.to_vec()));
        Some(Response { status: 503, retry_after: Some(Duration::from_secs(7)), body: b"later".to_vec() })
    }));
    let mut client = client(&server);
    for body in [b"".as_slice(), b"{}"] {
        let response = client.post(&format!("{}/v1/x", server.url), body, TIMEOUT).unwrap();
        let retry_after = Some(Duration::from_secs(7));
        assert_eq!(response, Response { status: 503, retry_after, body: b"later".to_vec() });
    }
    let expected = [("/v1/x".to_owned(), vec![]), ("/v1/x".to_owned(), b"{}".to_vec())];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert!(server.groups.lock().unwrap().iter().all(|group| *group == NamedGroup::X25519MLKEM768));
}

#[test]
fn a_certificate_of_another_ca_is_refused() {
    let (server, other) = (answering(200, vec![]), answering(200, vec![]));
    let error = client(&other).post(&server.url, b"", TIMEOUT).unwrap_err();
    assert_eq!(error.fault(), Some(TlsFault::UnknownCa), "{error}");
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    assert_eq!(error.url, server.url);
}

#[test]
fn plain_http_is_refused() {
    let server = answering(200, vec![]);
    let url = server.url.replace("https", "http");
    assert!(matches!(
        *client(&server).post(&url, b"", TIMEOUT).unwrap_err().source,
        ureq::Error::RequireHttpsOnly(_)
    ));
}

#[test]
fn redirects_are_answers_and_not_followed() {
    let server = answering(302, b"gone".to_vec());
    let response = client(&server).post(&server.url, b"", TIMEOUT).unwrap();
    assert_eq!((response.status, response.body), (302, b"gone".to_vec()));
}

#[test]
fn t30_answers_are_bounded() {
    let fits = answering(200, vec![b'x'; MAX_ANSWER]);
    assert_eq!(client(&fits).post(&fits.url, b"", TIMEOUT).unwrap().body.len(), MAX_ANSWER);
    let larger = answering(200, vec![b'x'; MAX_ANSWER + 1]);
    let error = client(&larger).post(&larger.url, b"", TIMEOUT).unwrap_err();
    assert!(matches!(*error.source, ureq::Error::BodyExceedsLimit(_)), "{error}");
}

#[test]
fn a_lost_answer_and_a_silent_broker_are_errors() {
    let lost = Server::start(Box::new(|_, _| None));
    assert!(client(&lost).post(&lost.url, b"", TIMEOUT).is_err());
    let silent = Server::start(Box::new(|_, _| {
        thread::sleep(TIMEOUT);
        None
    }));
    let started = Instant::now();
    let error = client(&silent).post(&silent.url, b"", Duration::from_millis(300)).unwrap_err();
    assert!(matches!(*error.source, ureq::Error::Timeout(_)), "{error}");
    assert!(started.elapsed() < TIMEOUT / 2);
}

/// Sends `bytes` one at a time, more slowly than a client should wait for.
fn drip(mut stream: impl Write, bytes: &[u8]) {
    for byte in bytes {
        thread::sleep(Duration::from_millis(50));
        if stream.write_all(&[*byte]).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

#[test]
fn t36_a_dripped_handshake_and_a_dripped_answer_end_with_the_request() {
    let within = |url: &str, mut client: Https| {
        let started = Instant::now();
        let error = client.post(url, b"", Duration::from_millis(500)).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(3), "{error} after {:?}", started.elapsed());
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        // A handshake record of 16383 bytes that never completes.
        drip(stream, &[[0x16, 3, 3, 0x3f, 0xff].as_slice(), &[2; 400]].concat());
    });
    within(&url, client(&answering(200, vec![])));
    let slow = Server::start_raw(|stream| {
        drip(stream, &[b"HTTP/1.1 200 X\r\nContent-Length: 400\r\n\r\n".as_slice(), &[b' '; 400]].concat())
    });
    within(&slow.url, client(&slow));
    let endless =
        Server::start_raw(|stream| while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {});
    within(&endless.url, client(&endless));
}

/// Each fault as a real server causes it.
#[test]
fn permanent_faults_are_distinguished_from_temporary_ones() {
    let fault = |url: &str, ca: &Server| client(ca).post(url, b"", TIMEOUT).unwrap_err();
    let server = answering(200, vec![]);
    let elsewhere = server.url.replace("127.0.0.1", "localhost");
    assert_eq!(fault(&elsewhere, &server).fault(), Some(TlsFault::WrongHost));
    // Plain HTTP.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").unwrap();
        thread::sleep(Duration::from_millis(200));
    });
    assert_eq!(fault(&url, &server).fault(), Some(TlsFault::NotTls));
    // Nobody listens: a server may come up.
    let refused = fault("https://127.0.0.1:1", &server);
    assert_eq!(refused.fault(), None, "{refused}");
    let expired = Server::start_expired();
    let error = fault(&expired.url, &expired);
    assert!(error.fault().is_none() && error.is_validity_period(), "{error}");
    assert!(!refused.is_validity_period());
}
