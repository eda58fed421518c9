//! The fake broker behind real TLS: enough of HTTP/1.1 for one client.

use std::io::{self, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{NamedGroup, ServerConfig, ServerConnection, StreamOwned};
use vouchsafe_guest_client::transport::Response;

/// A server's response to a route and a body.
pub(crate) type Answer = Box<dyn FnMut(&str, &[u8]) -> Option<Response> + Send>;

/// A server on 127.0.0.1 that runs until the test ends.
pub(crate) struct Server {
    /// `https://127.0.0.1:PORT`
    pub(crate) url: String,
    /// PEM of the CA that its certificate chains to.
    pub(crate) ca: String,
    /// Key exchange of each handshake.
    pub(crate) groups: Arc<Mutex<Vec<NamedGroup>>>,
}

impl Server {
    /// Starts a server that answers with `answer`.
    pub(crate) fn start(answer: Answer) -> Self {
        let groups = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(Mutex::new(answer)), Arc::clone(&groups));
        let (url, ca) = listen(tls(), move |stream| serve(stream, &answer, &seen));
        Self { url, ca, groups }
    }

    /// Starts a server whose certificate was valid for a day in 2001.
    #[allow(dead_code, reason = "only some tests need it")]
    pub(crate) fn start_expired() -> Self {
        let (not_before, not_after) = (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2001, 1, 2));
        let (url, ca) = listen(
            tls_with(|leaf| (leaf.not_before, leaf.not_after) = (not_before, not_after)),
            |mut stream| io::Read::read(&mut stream, &mut [0]).map(drop),
        );
        Self { url, ca, groups: Arc::default() }
    }

    /// Starts a server that does not wait for a request and sends the output of `write`.
    #[allow(dead_code, reason = "only some tests need it")]
    pub(crate) fn start_raw(write: fn(&mut dyn io::Write)) -> Self {
        let (url, ca) = listen(tls(), move |mut stream| {
            write(&mut stream);
            Ok(())
        });
        Self { url, ca, groups: Arc::default() }
    }
}

type TlsStream = StreamOwned<ServerConnection, TcpStream>;

/// Serves each connection in a thread; returns URL and CA.
fn listen(
    (config, ca): (Arc<ServerConfig>, String),
    serve: impl Fn(TlsStream) -> io::Result<()> + Send + Sync + 'static,
) -> (String, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (config, serve) = (Arc::clone(&config), Arc::clone(&serve));
            thread::spawn(move || {
                let open = || -> io::Result<TlsStream> {
                    stream.set_nodelay(true)?;
                    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
                    Ok(StreamOwned::new(connection, stream))
                };
                // A client that rejects the certificate hangs up, which is fine.
                drop(open().and_then(|stream| serve(stream)));
            });
        }
    });
    (url, ca)
}

fn tls() -> (Arc<ServerConfig>, String) {
    tls_with(|_| ())
}

fn tls_with(change: impl FnOnce(&mut CertificateParams)) -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::new(vec![]).expect("names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().expect("a key");
    let ca = params.self_signed(&ca_key).expect("a certificate").pem();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate().expect("a key");
    let mut leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("names");
    change(&mut leaf);
    let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("a certificate");
    (Arc::new(config), ca)
}

fn serve(stream: TlsStream, answer: &Mutex<Answer>, groups: &Mutex<Vec<NamedGroup>>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let Some((route, body)) = read_request(&mut stream)? else { return Ok(()) };
        let tls = stream.get_mut();
        let group = tls.conn.negotiated_key_exchange_group().map(|group| group.name());
        groups.lock().expect("no panic").extend(group);
        let Some(response) = (answer.lock().expect("no panic"))(&route, &body) else { return Ok(()) };
        write_response(tls, &response)?;
    }
}

fn read_request(stream: &mut impl io::BufRead) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let route = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some((route, body)))
}

fn write_response(stream: &mut impl io::Write, response: &Response) -> io::Result<()> {
    let retry = response.retry_after.map(|time| format!("Retry-After: {}\r\n", time.as_secs()));
    let location = if response.status == 302 { "Location: /elsewhere\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}{location}\r\n",
        response.status,
        response.body.len(),
        retry.unwrap_or_default()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&response.body)?;
    stream.flush()
}
