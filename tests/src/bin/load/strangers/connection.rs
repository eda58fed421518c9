//! A stranger's connection: TLS from a given address, and raw HTTP.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use vouchsafe_protocol::messages::ChallengeAnswer;
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::tls;

use super::crowd::Shared;
use super::worthless::Template;

/// A broker, as seen by strangers.
pub(super) struct Target {
    broker: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Target {
    pub(super) fn new(broker: &Broker) -> anyhow::Result<Self> {
        Ok(Self { broker: broker.guests_address(), config: tls::client(&broker.ca())? })
    }
}

/// One connection.
pub(super) struct Connection<'s> {
    stream: StreamOwned<ClientConnection, TcpStream>,
    shared: &'s Shared,
}

impl<'s> Connection<'s> {
    /// Opens it from this address, TLS included.
    pub(super) fn open(target: &Target, from: Ipv4Addr, shared: &'s Shared) -> io::Result<Self> {
        let socket = tls::connect_from(from, target.broker)?;
        socket.set_read_timeout(Some(TICK))?;
        socket.set_nodelay(true)?;
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let connection = ClientConnection::new(Arc::clone(&target.config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            match stream.conn.complete_io(&mut stream.sock) {
                Err(error) if is_tick(&error) && !shared.is_over() => {}
                done => drop(done?),
            }
        }
        Ok(Self { stream, shared })
    }

    /// `GET /readyz` without a pause.
    pub(super) fn ask_for_readiness(&mut self) -> io::Result<()> {
        while !self.shared.is_over() {
            self.stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: broker\r\n\r\n")?;
            self.answer()?;
        }
        Ok(())
    }

    /// Challenges, and as many requests under each as it is worth.
    pub(super) fn send_worthless(&mut self, template: &Template) -> io::Result<()> {
        while !self.shared.is_over() {
            let body = template.request(&self.challenge()?.challenge).map_err(io::Error::other)?;
            for _ in 0..TRIES {
                self.post(body.len(), &body)?;
                self.answer()?;
            }
        }
        Ok(())
    }

    /// A release request with a live challenge, which stops before the evidence.
    pub(super) fn hold_a_body(&mut self) -> io::Result<()> {
        let challenge = self.challenge()?.challenge;
        let opening = format!("{{\"challenge\":{},", serde_json::to_string(&challenge)?);
        self.post(HELD_BODY, &opening)?;
        self.answer()?;
        Ok(())
    }

    /// Sends nothing.
    pub(super) fn hold(&mut self) -> io::Result<()> {
        self.more(&mut Vec::new())
    }

    fn challenge(&mut self) -> io::Result<ChallengeAnswer> {
        self.stream.write_all(b"POST /v1/challenge HTTP/1.1\r\nhost: broker\r\ncontent-length: 0\r\n\r\n")?;
        Ok(serde_json::from_slice(&self.answer()?)?)
    }

    fn post(&mut self, length: usize, body: &str) -> io::Result<()> {
        let head = format!("POST /v1/release HTTP/1.1\r\nhost: broker\r\ncontent-length: {length}\r\n\r\n");
        let mut rest = [head.as_bytes(), body.as_bytes()].concat();
        while !rest.is_empty() && !self.shared.is_over() {
            match self.stream.write(&rest) {
                Ok(sent) => drop(rest.drain(..sent)),
                Err(error) if is_tick(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.stream.flush()
    }

    /// The body of the next answer.
    fn answer(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let (head, body) = bytes.split_at(end + 4);
                let head = String::from_utf8_lossy(head).to_ascii_lowercase();
                let length =
                    head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if let Some(body) = length.and_then(|length: usize| body.get(..length)) {
                    self.shared.counts.answered.fetch_add(1, Ordering::Relaxed);
                    return Ok(body.to_vec());
                }
            }
            self.more(&mut bytes)?;
        }
    }

    /// Waits for more bytes, or the end of the run.
    fn more(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut part = [0; 1024];
        while !self.shared.is_over() {
            match self.stream.read(&mut part) {
                Ok(0) => break,
                Ok(length) => {
                    bytes.extend_from_slice(part.get(..length).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if is_tick(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn is_tick(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// How often a waiting stranger checks whether the run is over.
const TICK: Duration = Duration::from_millis(500);
/// The refusals that a challenge is worth.
const TRIES: usize = 3;
/// Only the first bytes of it are sent.
const HELD_BODY: usize = 1024 * 1024;
