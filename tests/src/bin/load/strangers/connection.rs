//! A stranger's connection: TLS from a given address, and raw HTTP.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use vouchsafe_protocol::messages::ChallengeAnswer;
use vouchsafe_tests::broker::Broker;

use super::Counts;

/// A broker, as seen by strangers with one address.
pub(crate) struct Target {
    broker: SocketAddr,
    from: Ipv4Addr,
    config: Arc<ClientConfig>,
}

impl Target {
    pub(crate) fn new(broker: &Broker, from: Ipv4Addr) -> anyhow::Result<Self> {
        use rustls::pki_types::pem::PemObject as _;
        let mut roots = RootCertStore::empty();
        for ca in rustls::pki_types::CertificateDer::pem_file_iter(broker.ca())? {
            roots.add(ca?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { broker: broker.guests_address(), from, config: Arc::new(config) })
    }
}

/// One connection.
pub(crate) struct Connection(StreamOwned<ClientConnection, TcpStream>);

impl Connection {
    /// Opens it, TLS included.
    pub(crate) fn open(target: &Target) -> io::Result<Self> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddr::new(IpAddr::V4(target.from), 0))?;
        connect(&socket, &target.broker)?;
        let socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(TICK))?;
        socket.set_nodelay(true)?;
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let connection = ClientConnection::new(Arc::clone(&target.config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            match stream.conn.complete_io(&mut stream.sock) {
                Err(error) if is_tick(&error) => {}
                done => drop(done?),
            }
        }
        Ok(Self(stream))
    }

    /// `GET /readyz` without a pause.
    pub(crate) fn ask_for_readiness(&mut self, counts: &Counts, over: &AtomicBool) -> io::Result<()> {
        while !over.load(Ordering::Relaxed) {
            self.0.write_all(b"GET /readyz HTTP/1.1\r\nhost: broker\r\n\r\n")?;
            self.answer(over)?;
            counts.answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// A release request with a live challenge, which stops before the evidence.
    pub(crate) fn hold_a_body(&mut self, counts: &Counts, over: &AtomicBool) -> io::Result<()> {
        self.0.write_all(b"POST /v1/challenge HTTP/1.1\r\nhost: broker\r\ncontent-length: 0\r\n\r\n")?;
        let answer: ChallengeAnswer = serde_json::from_slice(&self.answer(over)?)?;
        let opening = format!("{{\"challenge\":{},", serde_json::to_string(&answer.challenge)?);
        let head =
            format!("POST /v1/release HTTP/1.1\r\nhost: broker\r\ncontent-length: {HELD_BODY}\r\n\r\n");
        self.0.write_all(format!("{head}{opening}").as_bytes())?;
        self.answer(over)?;
        counts.answered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Sends nothing.
    pub(crate) fn hold(&mut self, over: &AtomicBool) -> io::Result<()> {
        self.more(&mut Vec::new(), over)
    }

    /// The body of the next answer.
    fn answer(&mut self, over: &AtomicBool) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let (head, body) = bytes.split_at(end + 4);
                let head = String::from_utf8_lossy(head).to_ascii_lowercase();
                let length =
                    head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if let Some(body) = length.and_then(|length: usize| body.get(..length)) {
                    return Ok(body.to_vec());
                }
            }
            self.more(&mut bytes, over)?;
        }
    }

    /// Waits for more bytes, or the end of the run.
    fn more(&mut self, bytes: &mut Vec<u8>, over: &AtomicBool) -> io::Result<()> {
        let mut part = [0; 1024];
        while !over.load(Ordering::Relaxed) {
            match self.0.read(&mut part) {
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
/// Only the first bytes of it are sent.
const HELD_BODY: usize = 1024 * 1024;
