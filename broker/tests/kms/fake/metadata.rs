//! A metadata server, as far as the broker uses it.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use super::{Request, TOKEN, http};

/// A metadata server that answers every request alike, and notes what was asked for.
pub(crate) struct FakeMetadata {
    address: SocketAddr,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl FakeMetadata {
    /// One that has a token.
    pub(crate) fn start() -> Self {
        let body = json!({ "access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer" });
        Self::answering("200 OK", "Metadata-Flavor: Google\r\n", &body.to_string())
    }

    pub(crate) fn answering(status: &str, headers: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (answer, asked) = (http(status, headers, body), Arc::new(Mutex::new(Vec::new())));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let request = Request::read(&mut BufReader::new(&stream));
                let Some(Request { line, headers, .. }) = request else { continue };
                let flavor = headers.get("metadata-flavor").cloned().unwrap_or_default();
                noted.lock().expect("a list").push(format!("{line} {flavor}"));
                answer_all(&mut stream, &answer);
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn answer_all(stream: &mut TcpStream, answer: &[u8]) {
    let _closed = stream.write_all(answer);
}
