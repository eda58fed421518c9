//! A client that sends any bytes over TLS and reads what it gets.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;
use vouchsafe_tests::tls;

use super::answer::Answer;
use super::cases::LENGTH;
use super::examples::CHALLENGE;

/// Every request is answered, or its connection closed, within this time.
pub(crate) const BOUND: Duration = Duration::from_secs(10);

/// One connection.
pub(crate) struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    received: Vec<u8>,
    until: Instant,
    is_over: bool,
}

/// An address that no other client of this process has: brokers count by address.
pub(crate) fn another_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Client {
    /// Connects, TLS included.
    pub(crate) fn connect(config: &Arc<ClientConfig>, from: Ipv4Addr, to: SocketAddr) -> Self {
        let socket = tls::connect_from(from, to).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(TICK)).unwrap();
        socket.set_write_timeout(Some(TICK)).unwrap();
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let until = Instant::now() + BOUND;
        while stream.conn.is_handshaking() {
            match stream.conn.complete_io(&mut stream.sock) {
                Err(error) if is_tick(&error) => assert!(Instant::now() < until, "no handshake"),
                done => drop(done.unwrap()),
            }
        }
        Self { stream, received: Vec::new(), until, is_over: false }
    }

    /// Sends these bytes, as far as the broker takes them.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.until = Instant::now() + BOUND;
        let mut rest = bytes;
        while !rest.is_empty() && Instant::now() < self.until {
            match self.stream.write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if is_tick(&error) => {}
                // A broker that has answered may close.
                Err(_) => return,
            }
        }
        while let Err(error) = self.stream.flush() {
            if !is_tick(&error) || Instant::now() >= self.until {
                return;
            }
        }
    }

    /// Ends the sending half, TLS included.
    pub(crate) fn finish_sending(&mut self) {
        self.stream.conn.send_close_notify();
        let _closed = self.stream.flush();
        let _closed = self.stream.sock.shutdown(std::net::Shutdown::Write);
    }

    /// Leaves without a word: the broker sees a reset.
    pub(crate) fn reset(self) {
        let Self { stream, .. } = self;
        rustix::net::sockopt::set_socket_linger(&stream.sock, Some(Duration::ZERO)).unwrap();
    }

    /// The next answer; `None` if the connection ends without one.
    ///
    /// # Panics
    /// When neither happens in time.
    pub(crate) fn answer(&mut self, to_head: bool) -> Option<Answer> {
        loop {
            if let Some((answer, length)) = Answer::parse(&self.received, to_head) {
                self.received.drain(..length);
                return Some(answer);
            }
            if self.is_over {
                assert!(
                    self.received.is_empty(),
                    "half an answer: {:?}",
                    String::from_utf8_lossy(&self.received)
                );
                return None;
            }
            assert!(Instant::now() < self.until, "neither an answer nor an end after {BOUND:?}");
            self.more();
        }
    }

    /// Waits for the end of the connection, for so long.
    pub(crate) fn ends_within(&mut self, bound: Duration) -> bool {
        let until = Instant::now() + bound;
        while !self.is_over && Instant::now() < until {
            self.more();
        }
        self.is_over
    }

    /// Everything that came and was not an answer yet.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }

    fn more(&mut self) {
        let mut part = [0; 4096];
        let StreamOwned { conn, sock } = &mut self.stream;
        match conn.reader().read(&mut part) {
            Ok(length @ 1..) => return self.received.extend_from_slice(&part[..length]),
            Ok(0) => return self.is_over = true,
            // Nothing is left of what was decrypted.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return self.is_over = true,
        }
        // Reads alone: what could not be sent any more does not keep it from an answer.
        match conn.read_tls(sock) {
            Ok(_) => self.is_over = conn.process_new_packets().is_err(),
            Err(error) if is_tick(&error) => {}
            Err(_) => self.is_over = true,
        }
    }

    /// The request with a live challenge, for which it asks on this connection, and the length of its body.
    pub(crate) fn complete(&mut self, request: &[u8]) -> Vec<u8> {
        let mut request = request.to_vec();
        if position(&request, CHALLENGE.as_bytes()).is_some() {
            let challenge = self.challenge().to_string();
            // With its quotes where it is JSON.
            for stands_for in [format!("\"{CHALLENGE}\""), CHALLENGE.to_owned()] {
                while let Some(at) = position(&request, stands_for.as_bytes()) {
                    request.splice(at..at + stands_for.len(), challenge.bytes());
                }
            }
        }
        if let Some(at) = position(&request, LENGTH.as_bytes()) {
            let end = position(&request, b"\r\n\r\n").unwrap() + 4;
            let length = format!("content-length: {}\r\n", request.len() - end);
            request.splice(at..at + LENGTH.len(), length.bytes());
        }
        request
    }

    /// A live challenge.
    pub(crate) fn challenge(&mut self) -> Value {
        self.send(b"POST /v1/challenge HTTP/1.1\r\nhost: broker\r\ncontent-length: 0\r\n\r\n");
        let answer = self.answer(false).expect("an answer");
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice::<Value>(&answer.body).unwrap()["challenge"].take()
    }
}

/// Where it first is.
pub(crate) fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn is_tick(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// How often a client that waits looks at the time.
const TICK: Duration = Duration::from_millis(100);
