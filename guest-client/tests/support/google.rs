//! Google's API and a metadata server on one loopback port, over plain HTTP.
//!
//! The metadata server answers like a real one, including three things that its clients require: the header
//! `Metadata-Flavor`, a universe domain, and an id token with an expiry.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use vouchsafe_guest_client::config::GoogleTokenConfig;

/// The access token of the VM's service account.
pub(crate) const ACCESS: &str = "an-access-token";
/// The token that Google issues. Its claims: `{"hwmodel":"GCP_AMD_SEV","secboot":true}`.
pub(crate) const TOKEN: &str = "header.eyJod21vZGVsIjoiR0NQX0FNRF9TRVYiLCJzZWNib290Ijp0cnVlfQ.signature";
/// Google's nonce.
pub(crate) const NONCE: [u8; 32] = [0x6e; 32];
/// The challenge.
pub(crate) const CHALLENGE: &str = "projects/a-project/locations/europe-west4/challenges/c-1";

/// Routes, by the end of their path.
pub(crate) const PROJECT: &str = "/project/project-id";
pub(crate) const ZONE: &str = "/instance/zone";
pub(crate) const INSTANCE: &str = "/instance/id";
pub(crate) const ACCESS_TOKEN: &str = "/default/token";
pub(crate) const ID_TOKEN: &str = "/default/identity";
pub(crate) const CREATE: &str = "/challenges";
pub(crate) const VERIFY: &str = ":verifyAttestation";

/// The response on a route.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Status, and a body.
    With(u16, String),
    /// The same, without the header of a metadata server.
    Plain(u16, String),
    /// No response at all.
    Silence,
    /// Status and body for requests that contain this text; others get the usual response.
    Where(&'static str, u16, String),
}

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Path, without the query.
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The body.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the API is sent JSON")
    }
}

/// The server. It ends with the test's process.
pub(crate) struct Google {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

struct State {
    answers: Vec<(&'static str, Answer)>,
    received: Vec<Received>,
}

impl Google {
    /// Starts it with the responses of a healthy one.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(Mutex::new(State { answers: healthy(), received: vec![] }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, state }
    }

    /// The same with another response on this route.
    pub(crate) fn with(self, route: &'static str, answer: Answer) -> Self {
        self.state().answers.insert(0, (route, answer));
        self
    }

    /// The guest's configuration for it.
    pub(crate) fn config(&self) -> GoogleTokenConfig {
        let url = format!("http://{}", self.address);
        GoogleTokenConfig {
            endpoint: url.parse().expect("an endpoint"),
            metadata: url.parse().expect("a metadata server"),
            timeout: Duration::from_secs(20),
            ..GoogleTokenConfig::default()
        }
    }

    /// Every request so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// Drops the received requests.
    pub(crate) fn forget(&self) {
        self.state().received.clear();
    }

    /// The only request on this route.
    pub(crate) fn only(&self, route: &str) -> Received {
        let mut found: Vec<_> = self.received().into_iter().filter(|one| one.path.ends_with(route)).collect();
        assert_eq!(found.len(), 1, "requests on {route}");
        found.remove(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the server")
    }
}

fn healthy() -> Vec<(&'static str, Answer)> {
    let text = |text: &str| Answer::With(200, text.to_owned());
    let json = |value: Value| Answer::With(200, value.to_string());
    vec![
        (PROJECT, text("a-project")),
        (ZONE, text("projects/1234/zones/europe-west4-a")),
        (INSTANCE, text("5678")),
        ("/universe/universe-domain", text("googleapis.com")),
        (ACCESS_TOKEN, json(json!({"access_token": ACCESS, "expires_in": 3600, "token_type": "Bearer"}))),
        (ID_TOKEN, text(&id_token())),
        (CREATE, json(json!({"name": CHALLENGE, "tpmNonce": STANDARD.encode(NONCE), "used": false}))),
        (VERIFY, json(json!({"oidcClaimsToken": TOKEN}))),
    ]
}

/// An id token that expires late.
pub(crate) fn id_token() -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"aud": CHALLENGE, "email": "vm@a-project.iam", "iat": 1, "exp": 4_000_000_000_u64});
    format!("{}.{}.{}", part(json!({"alg": "RS256"})), part(claims), URL_SAFE_NO_PAD.encode("signature"))
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    while let Some(request) = read(&mut reader) {
        let answer = {
            let mut state = state.lock().expect("no test panics here");
            state.received.push(request.clone());
            state
                .answers
                .iter()
                .find(|(route, answer)| request.path.ends_with(route) && applies(answer, &request))
                .map(|(_, answer)| answer.clone())
        };
        let (status, body, flavor) = match answer {
            Some(Answer::With(status, body) | Answer::Where(_, status, body)) => {
                (status, body, "metadata-flavor: Google\r\n")
            }
            Some(Answer::Plain(status, body)) => (status, body, ""),
            Some(Answer::Silence) => {
                std::thread::sleep(Duration::from_secs(30));
                return;
            }
            None => (404, "not found".to_owned(), "metadata-flavor: Google\r\n"),
        };
        let kind = if body.starts_with('{') { "application/json" } else { "text/plain" };
        let head = format!(
            "HTTP/1.1 {status} Status\r\ncontent-type: {kind}\r\n{flavor}content-length: {}\r\n\r\n",
            body.len()
        );
        if (&stream).write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn applies(answer: &Answer, request: &Received) -> bool {
    match answer {
        Answer::Where(text, ..) => String::from_utf8_lossy(&request.body).contains(text),
        _ => true,
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(Ok(0), |length| length.parse()).ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Received { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}
