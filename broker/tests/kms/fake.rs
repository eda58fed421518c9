//! Cloud KMS over TLS, and a metadata server, as far as the broker uses them. Every member of every request is checked.

mod metadata;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub(crate) use metadata::FakeMetadata;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde::Deserialize;
use serde_json::{Value, json};
use vouchsafe_broker::clock;
use vouchsafe_broker::tls::SelfSigned;

pub(crate) const KEY: &str = "projects/my-project/locations/europe-west4/keyRings/vouchsafe/cryptoKeys/root";
/// Another key, with the same versions.
pub(crate) const OTHER_KEY: &str =
    "projects/my-project/locations/europe-west4/keyRings/vouchsafe/cryptoKeys/other";
pub(crate) const TOKEN: &str = "ya29.token-of-the-fake";

/// What is wrong with the service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// An error of Google's form: code, status, message.
    Error(u16, &'static str, &'static str),
    /// 503, so many times.
    Busy(u32),
    /// A redirect to a working address.
    Redirect,
    /// An answer larger than any.
    Large,
    /// This body, with status 200.
    Body(&'static str),
    /// A member of the answer is replaced; left out for `null`.
    Member(&'static str, Value),
    /// Every connection is accepted, and nothing is ever answered.
    Silent,
    /// The token is refused, so many times.
    Unauthenticated(u32),
    /// The checksum of the ciphertext is said not to match, so many times.
    Damaged(u32),
}

/// The state that tests set and look at.
#[derive(Default)]
pub(crate) struct State {
    /// Versions of the key with their keys; one without has been destroyed.
    pub(crate) versions: BTreeMap<u32, Option<[u8; 32]>>,
    pub(crate) fault: Fault,
    /// Methods that were called.
    pub(crate) calls: Vec<String>,
    /// What was wrong with requests.
    pub(crate) complaints: Vec<String>,
    /// Checks a token, if it is not [`TOKEN`].
    pub(crate) is_token: Option<fn(&str) -> bool>,
}

/// A running service; it stops accepting when it is dropped.
pub(crate) struct FakeKms {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    ca: String,
    serving: Arc<Mutex<bool>>,
}

impl FakeKms {
    pub(crate) fn start() -> Self {
        let made = SelfSigned::generate(&["localhost".to_owned(), "127.0.0.1".to_owned()], clock::now())
            .expect("TLS");
        let chain =
            CertificateDer::pem_slice_iter(made.certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
        let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config =
            config.expect("versions").with_no_client_auth().with_single_cert(chain.expect("PEM"), key);
        let config = Arc::new(config.expect("a certificate"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            versions: BTreeMap::from([(1, Some([1; 32]))]),
            ..State::default()
        }));
        let serving = Arc::new(Mutex::new(true));
        let (shared, goes_on) = (Arc::clone(&state), Arc::clone(&serving));
        thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                // A service that is away closes connections before it says anything.
                if shared.lock().expect("the state").fault == Fault::Silent {
                    silent.push(stream);
                } else if *goes_on.lock().expect("a flag") {
                    let connection = ServerConnection::new(Arc::clone(&config)).expect("TLS");
                    serve(StreamOwned::new(connection, stream), &shared, address);
                }
            }
        });
        Self { address, state, ca: made.ca.to_string(), serving }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.state().fault = fault;
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Whether it answers at all.
    pub(crate) fn serving(&self, serving: bool) {
        *self.serving.lock().expect("a flag") = serving;
    }

    /// Its CA in a file.
    pub(crate) fn ca(&self, folder: &Path) -> PathBuf {
        let path = folder.join("kms-ca.pem");
        fs::write(&path, &self.ca).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
        path
    }
}

/// One request and its answer.
fn serve(stream: impl Read + Write, state: &Mutex<State>, address: SocketAddr) {
    let mut stream = BufReader::new(stream);
    let Some(request) = Request::read(&mut stream) else { return };
    let answer = state.lock().expect("the state").answer(&request, address);
    let _closed = stream.get_mut().write_all(&answer);
    let _closed = stream.get_mut().flush();
}

struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &mut impl std::io::BufRead) -> Option<Self> {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let mut body =
            vec![0; headers.get("content-length").map_or(0, |length| length.parse().expect("a number"))];
        stream.read_exact(&mut body).ok()?;
        Some(Self { line: line.trim_end().to_owned(), headers, body })
    }
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Type: application/json; charset=UTF-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into_bytes()
}

fn error(code: u16, status: &str, message: &str) -> Vec<u8> {
    let body = json!({ "error": { "code": code, "message": message, "status": status } });
    http(&format!("{code} Error"), "", &body.to_string())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Encrypt {
    plaintext: String,
    additional_authenticated_data: String,
    plaintext_crc32c: String,
    additional_authenticated_data_crc32c: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Decrypt {
    ciphertext: String,
    additional_authenticated_data: String,
    ciphertext_crc32c: String,
    additional_authenticated_data_crc32c: String,
}

impl State {
    fn answer(&mut self, request: &Request, address: SocketAddr) -> Vec<u8> {
        let called = |key| request.line.strip_prefix("POST /v1/")?.strip_prefix(key)?.strip_prefix(':');
        let method =
            called(KEY).or_else(|| called(OTHER_KEY)).and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
        let Some(method) = method.filter(|method| ["encrypt", "decrypt"].contains(method)).map(str::to_owned)
        else {
            self.complaints.push(request.line.clone());
            return error(404, "NOT_FOUND", "no such method");
        };
        self.calls.push(method.clone());
        let token = request.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let is_token = |token: &str| self.is_token.map_or(token == TOKEN, |is_token| is_token(token));
        if !token.is_some_and(is_token) {
            return error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
        }
        match self.fault.clone() {
            Fault::Error(code, status, message) => return error(code, status, message),
            Fault::Busy(times) if times > 0 => {
                self.fault = Fault::Busy(times - 1);
                return error(503, "UNAVAILABLE", "The service is currently unavailable.");
            }
            Fault::Unauthenticated(times) if times > 0 => {
                self.fault = Fault::Unauthenticated(times - 1);
                return error(401, "UNAUTHENTICATED", "The token has expired.");
            }
            Fault::Damaged(times) if times > 0 => {
                self.fault = Fault::Damaged(times - 1);
                return error(
                    400,
                    "INVALID_ARGUMENT",
                    "The checksum in field ciphertext_crc32c did not match.",
                );
            }
            Fault::Redirect => {
                let to = format!("Location: https://{address}/v1/{KEY}:{method}\r\n");
                return http("307 Temporary Redirect", &to, "");
            }
            Fault::Large => return http("200 OK", "", &format!("{{\"name\": \"{}\"}}", "x".repeat(70_000))),
            Fault::Body(body) => return http("200 OK", "", body),
            Fault::None
            | Fault::Busy(_)
            | Fault::Member(..)
            | Fault::Silent
            | Fault::Unauthenticated(_)
            | Fault::Damaged(_) => {}
        }
        let answer = if method == "encrypt" { self.encrypt(request) } else { self.decrypt(request) };
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(refused) => return refused,
        };
        if let Fault::Member(name, value) = &self.fault {
            match value {
                Value::Null => drop(answer.as_object_mut().and_then(|members| members.remove(*name))),
                value => answer[*name] = value.clone(),
            }
        }
        http("200 OK", "", &answer.to_string())
    }

    fn encrypt(&mut self, request: &Request) -> Result<Value, Vec<u8>> {
        let Encrypt {
            plaintext,
            additional_authenticated_data,
            plaintext_crc32c,
            additional_authenticated_data_crc32c,
        } = self.body(request)?;
        let plaintext = self.value(&plaintext, &plaintext_crc32c)?;
        let associated = self.value(&additional_authenticated_data, &additional_authenticated_data_crc32c)?;
        if plaintext.len() != 32 {
            return Err(self.complain("a root key has 32 bytes"));
        }
        let (&version, key) = self.versions.last_key_value().expect("a version");
        let key = key.ok_or_else(|| destroyed(version))?;
        let nonce = [7; NONCE_LEN];
        let mut ciphertext = plaintext;
        cipher(&key)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated),
                &mut ciphertext,
            )
            .expect("encrypted");
        let ciphertext = [version.to_be_bytes().as_slice(), &ciphertext].concat();
        Ok(json!({
            "name": format!("{KEY}/cryptoKeyVersions/{version}"),
            "ciphertext": STANDARD.encode(&ciphertext),
            "ciphertextCrc32c": crc32c(&ciphertext).to_string(),
            "verifiedPlaintextCrc32c": true,
            "verifiedAdditionalAuthenticatedDataCrc32c": true,
            "protectionLevel": "SOFTWARE",
        }))
    }

    fn decrypt(&mut self, request: &Request) -> Result<Value, Vec<u8>> {
        let Decrypt {
            ciphertext,
            additional_authenticated_data,
            ciphertext_crc32c,
            additional_authenticated_data_crc32c,
        } = self.body(request)?;
        let ciphertext = self.value(&ciphertext, &ciphertext_crc32c)?;
        let associated = self.value(&additional_authenticated_data, &additional_authenticated_data_crc32c)?;
        let wrong = || {
            error(
                400,
                "INVALID_ARGUMENT",
                "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
            )
        };
        let (version, body) = ciphertext.split_first_chunk::<4>().ok_or_else(wrong)?;
        let version = u32::from_be_bytes(*version);
        let key = self.versions.get(&version).ok_or_else(wrong)?.ok_or_else(|| destroyed(version))?;
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key([7; NONCE_LEN]);
        let plaintext =
            cipher(&key).open_in_place(nonce, Aad::from(associated), &mut body).map_err(|_| wrong())?;
        let primary = self.versions.last_key_value().is_some_and(|(newest, _)| *newest == version);
        Ok(json!({
            "plaintext": STANDARD.encode(&plaintext),
            "plaintextCrc32c": crc32c(plaintext).to_string(),
            "usedPrimary": primary,
            "protectionLevel": "SOFTWARE",
        }))
    }

    fn body<T: for<'de> Deserialize<'de>>(&mut self, request: &Request) -> Result<T, Vec<u8>> {
        if request.headers.get("content-type").map(String::as_str) != Some("application/json") {
            return Err(self.complain("the body has another type than JSON"));
        }
        serde_json::from_slice(&request.body).map_err(|error| self.complain(&error.to_string()))
    }

    /// A value in base64, if its checksum is right.
    fn value(&mut self, text: &str, checksum: &str) -> Result<Vec<u8>, Vec<u8>> {
        let bytes = STANDARD.decode(text).map_err(|_| self.complain("not base64"))?;
        if crc32c(&bytes).to_string() == checksum {
            Ok(bytes)
        } else {
            Err(self.complain("a wrong checksum"))
        }
    }

    fn complain(&mut self, what: &str) -> Vec<u8> {
        self.complaints.push(what.to_owned());
        error(400, "INVALID_ARGUMENT", what)
    }
}

fn destroyed(version: u32) -> Vec<u8> {
    let message = format!("{KEY}/cryptoKeyVersions/{version} is not enabled, current state is: DESTROYED.");
    error(400, "FAILED_PRECONDITION", &message)
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes"))
}

/// CRC32C bit by bit, RFC 3720, appendix B.4: another implementation than the one under test.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}
