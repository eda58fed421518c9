//! Requests to the operators' listener: HTTPS to a pinned CA, with the token that belongs to that server.
//!
//! Server, CA and token come from one source, an operator file or the command line, and are never mixed: a
//! planted operator file names its own server, and cannot refer to a token from another source (T55).

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Uri;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_system::http;
use zeroize::{Zeroize as _, Zeroizing};

use super::failure::Failure;
use super::{output, trusted_file};
use crate::tls;

/// The broker to connect to, and the operator's credentials.
#[derive(Debug, Args)]
pub(super) struct Connection {
    /// Operator file (TOML: server, ca as PEM or file, token); default: ~/.config/vouchsafe/operator.toml. It must belong to
    /// you or root, and no other user may be able to read it.
    #[arg(long, value_name = "FILE", global = true)]
    operator: Option<PathBuf>,
    /// URL of the operators' listener, such as https://127.0.0.1:8444. With --ca and --token-file it replaces the
    /// operator file.
    #[arg(long, value_name = "URL", global = true)]
    server: Option<String>,
    /// CA of the broker's TLS certificate, PEM. Needs --server and --token-file.
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
    /// File with the operator's token for that server. Needs --server and --ca.
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorFile {
    server: String,
    /// The certificates themselves, or the file that has them.
    ca: String,
    token: String,
}

/// The CA of a server: PEM, and the file that it comes from.
struct Ca {
    pem: String,
    file: PathBuf,
}

/// A token, and the server that it is for.
struct Credential {
    server: String,
    ca: Ca,
    token: Zeroizing<String>,
}

/// A connection to one broker.
pub(super) struct Client {
    agent: Agent,
    server: String,
    ca: String,
    authorization: Zeroizing<String>,
}

impl Connection {
    /// Reads the operator file, or the credentials that the command line names instead.
    pub(super) fn open(&self) -> Result<Client, Failure> {
        Client::new(self.credential()?)
    }

    fn credential(&self) -> Result<Credential, Failure> {
        match (&self.operator, &self.server, &self.ca, &self.token_file) {
            (None, Some(server), Some(ca), Some(token_file)) => {
                let token = trusted_file::read_private(token_file)?;
                let token = Zeroizing::new(token.trim().to_owned());
                Ok(Credential { server: server.clone(), ca: Ca::read(ca)?, token })
            }
            (Some(file), None, None, None) => credential_of(file),
            (None, None, None, None) => credential_of(&default_file()?),
            _ => Err(Failure::Usage(
                "server, CA and token belong together: give --operator FILE, or all of --server, --ca and --token-file"
                    .to_owned(),
            )),
        }
    }
}

fn credential_of(path: &Path) -> Result<Credential, Failure> {
    let text = trusted_file::read_private(path)?;
    let file: OperatorFile = toml::from_str(&text).map_err(|error| {
        // The parser shows the line, which may be the one with the token.
        Failure::file(path, format!("not an operator file (server, ca, token): {}", error.message()))
    })?;
    let ca = if file.ca.contains(BEGIN) {
        Ca { pem: file.ca, file: path.to_owned() }
    } else {
        Ca::read(&path.parent().unwrap_or(Path::new("")).join(file.ca))?
    };
    Ok(Credential { server: file.server, ca, token: Zeroizing::new(file.token) })
}

fn default_file() -> Result<PathBuf, Failure> {
    in_home(std::env::home_dir())
}

/// The operator file in a home directory, whose path must not depend on the working directory.
fn in_home(home: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let home = home.filter(|home| home.is_absolute());
    let default = home.as_deref().unwrap_or(Path::new("~")).join(".config/vouchsafe/operator.toml");
    if home.is_some() && default.exists() { Ok(default) } else { Err(Failure::NoOperatorFile { default }) }
}

/// An operator file with this token for the given server and CA (PEM), complete in itself: it can be moved to another machine.
pub(super) fn operator_file(server: &str, ca: &str, token: &str) -> Zeroizing<String> {
    // With room for all of it, so that no copy of the token stays behind.
    let mut text = Zeroizing::new(String::with_capacity(2 * ca.len() + 1024));
    text.push_str("# Operator file of `vouchsafe`: --operator FILE, or ~/.config/vouchsafe/operator.toml. Keep it private.\n");
    for (key, value) in [("server", server), ("ca", ca), ("token", token)] {
        let mut value = toml::Value::String(value.to_owned()).to_string();
        text.extend([key, " = ", &value, "\n"]);
        value.zeroize();
    }
    text
}

impl Ca {
    fn read(file: &Path) -> Result<Self, Failure> {
        let pem = String::from_utf8(trusted_file::read_unwritable(file)?);
        let pem = pem.map_err(|_| Failure::file(file, "not a PEM file"))?;
        Ok(Self { pem, file: file.to_owned() })
    }
}

impl Client {
    fn new(credential: Credential) -> Result<Self, Failure> {
        let Credential { server, ca, token } = credential;
        let https =
            server.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
        if !https {
            return Err(Failure::Usage(format!("{server} is not an https:// URL")));
        }
        let roots = tls::certificates_in(&ca.file, ca.pem.as_bytes())
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let config = http::pinned(&roots)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("vouchsafe/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            agent: config.into(),
            server: server.trim_end_matches('/').to_owned(),
            ca: ca.pem,
            authorization: Zeroizing::new(format!("Bearer {}", token.as_str())),
        })
    }

    /// An operator file for another operator of this server.
    pub(super) fn operator_file(&self, token: &str) -> Zeroizing<String> {
        operator_file(&self.server, &self.ca, token)
    }

    /// Sends a GET. `query` is a query type of [`crate::api`], or `()`.
    pub(super) fn get(&self, route: &str, query: &impl Serialize) -> Result<Value, Failure> {
        let url = format!("{}{route}", self.server);
        let request = self.agent.get(&url).header(AUTHORIZATION, self.authorization.as_str());
        let request = request.query_pairs(parameters(query)?);
        let response = request.call().map_err(|error| unreachable(&url, &error))?;
        answer(&url, response)
    }

    /// Sends a change, and names the server on standard error.
    pub(super) fn post(&self, route: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.ask(route, body).inspect(|_| self.tell())
    }

    /// Sends a query that is too long for a URL; it changes nothing.
    pub(super) fn ask(&self, route: &str, body: &impl Serialize) -> Result<Value, Failure> {
        let body =
            serde_json::to_vec(body).map_err(|_| Failure::Usage("the request is no JSON".to_owned()))?;
        self.send(route, &(), "application/json", &Zeroizing::new(body))
    }

    /// Sends a file as it is, and names the server on standard error.
    pub(super) fn post_file(
        &self,
        route: &str,
        query: &impl Serialize,
        file: &[u8],
    ) -> Result<Value, Failure> {
        self.send(route, query, "application/octet-stream", file).inspect(|_| self.tell())
    }

    /// Errors already name the server.
    fn tell(&self) {
        output::note(&format!("vouchsafe: done at {}", self.server));
    }

    fn send(&self, route: &str, query: &impl Serialize, kind: &str, body: &[u8]) -> Result<Value, Failure> {
        let url = format!("{}{route}", self.server);
        let request = self.agent.post(&url).header(AUTHORIZATION, self.authorization.as_str());
        let request = request.query_pairs(parameters(query)?);
        let response =
            request.header(CONTENT_TYPE, kind).send(body).map_err(|error| unreachable(&url, &error))?;
        answer(&url, response)
    }
}

/// The members of a query type as parameters of a URL.
fn parameters(query: &impl Serialize) -> Result<Vec<(String, String)>, Failure> {
    let value = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    match serde_json::to_value(query) {
        Ok(Value::Null) => Ok(Vec::new()),
        Ok(Value::Object(members)) => {
            Ok(members.into_iter().map(|(name, member)| (name, value(member))).collect())
        }
        Ok(_) | Err(_) => Err(Failure::Usage("the query has no names".to_owned())),
    }
}

fn answer(url: &str, mut response: ureq::http::Response<ureq::Body>) -> Result<Value, Failure> {
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
    let body = body.map_err(|error| unreachable(url, &error))?;
    let malformed = |_| Failure::Answer { url: url.to_owned() };
    match status {
        204 => Ok(Value::Null),
        200 => serde_json::from_slice(&body).map_err(malformed),
        _ => {
            let problem: Problem = serde_json::from_slice(&body).map_err(malformed)?;
            Err(Failure::Refused { url: url.to_owned(), problem: Box::new(problem) })
        }
    }
}

fn unreachable(url: &str, error: &ureq::Error) -> Failure {
    Failure::Unreachable { url: url.to_owned(), detail: error.to_string() }
}

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER: u64 = 64 * 1024 * 1024;
/// In every PEM file with certificates, and in no path.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t55_only_an_absolute_home_has_an_operator_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".config/vouchsafe/operator.toml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let default = |home: Option<&Path>| match in_home(home.map(Path::to_owned)) {
            Ok(found) => panic!("{}", found.display()),
            Err(Failure::NoOperatorFile { default }) => default,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(default(Some(folder.path())), file);
        std::fs::write(&file, b"").unwrap();
        assert_eq!(in_home(Some(folder.path().to_owned())).unwrap(), file);
        // The same directory, relative to the working directory.
        let depth = std::env::current_dir().unwrap().components().count() - 1;
        let up: PathBuf = std::iter::repeat_n("..", depth).collect();
        let relative = up.join(folder.path().strip_prefix("/").unwrap());
        assert!(relative.join(".config/vouchsafe/operator.toml").exists());
        for home in [Some(relative.as_path()), Some(Path::new("")), None] {
            assert_eq!(default(home), Path::new("~/.config/vouchsafe/operator.toml"));
        }
    }
}
