//! Requests to the operators' listener: HTTPS to a pinned CA, with the token of a private file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Uri;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use vouchsafe_protocol::problem::Problem;
use zeroize::Zeroizing;

use super::Failure;
use crate::tls;

/// Which broker, and who asks.
#[derive(Debug, Args)]
pub(super) struct Connection {
    /// Operator file (TOML: server, ca, token_file). Unless given, ./vouchsafe-operator.toml, then
    /// ~/.config/vouchsafe/operator.toml.
    #[arg(long, value_name = "FILE", global = true)]
    operator: Option<PathBuf>,
    /// The operators' listener, such as https://127.0.0.1:8444, instead of the operator file's.
    #[arg(long, value_name = "URL", global = true)]
    server: Option<String>,
    /// CA of the broker's TLS certificate, PEM, instead of the operator file's.
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
    /// File with the operator's token, instead of the operator file's.
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorFile {
    server: Option<String>,
    ca: Option<PathBuf>,
    token_file: Option<PathBuf>,
}

/// A broker to talk to.
pub(super) struct Client {
    agent: Agent,
    server: String,
    authorization: Zeroizing<String>,
}

impl Connection {
    /// Reads the operator file and the token.
    pub(super) fn open(&self) -> Result<Client, Failure> {
        let complete = self.server.is_some() && self.ca.is_some() && self.token_file.is_some();
        let file = if complete && self.operator.is_none() { OperatorFile::default() } else { self.file()? };
        let missing = |what: &str| {
            Failure::Usage(format!("the operator file names no {what}, and there is no --{what}"))
        };
        let server = self.server.clone().or(file.server).ok_or_else(|| missing("server"))?;
        let ca = self.ca.clone().or(file.ca).ok_or_else(|| missing("ca"))?;
        let token_file = self.token_file.clone().or(file.token_file).ok_or_else(|| missing("token-file"))?;
        Client::new(&server, &ca, &token_file)
    }

    fn file(&self) -> Result<OperatorFile, Failure> {
        let path = match &self.operator {
            Some(path) => path.clone(),
            None => default_file()?,
        };
        let text = fs::read_to_string(&path).map_err(|error| Failure::file(&path, error))?;
        let mut file: OperatorFile = toml::from_str(&text).map_err(|error| Failure::file(&path, error))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for named in [&mut file.ca, &mut file.token_file].into_iter().flatten() {
            *named = folder.join(&*named);
        }
        Ok(file)
    }
}

fn default_file() -> Result<PathBuf, Failure> {
    let here = PathBuf::from("vouchsafe-operator.toml");
    if here.exists() {
        return Ok(here);
    }
    let home = std::env::home_dir().unwrap_or_default().join(".config/vouchsafe/operator.toml");
    if home.exists() { Ok(home) } else { Err(Failure::NoOperatorFile { default: home }) }
}

impl Client {
    fn new(server: &str, ca: &Path, token_file: &Path) -> Result<Self, Failure> {
        let https =
            server.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
        if !https {
            return Err(Failure::Usage(format!("{server} is no https:// address")));
        }
        let token =
            Zeroizing::new(fs::read_to_string(token_file).map_err(|error| Failure::file(token_file, error))?);
        if let Some(mode) = tls::readable_by_others(token_file) {
            return Err(Failure::file(token_file, format!("has mode {mode:03o}: chmod 600 it")));
        }
        let roots = tls::certificates(ca).map_err(|error| Failure::Usage(error.to_string()))?;
        let roots: Vec<_> = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::new_with_certs(&roots))
            .build();
        let config = Agent::config_builder()
            .https_only(true)
            .tls_config(tls)
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("vouchsafe/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            agent: config.into(),
            server: server.trim_end_matches('/').to_owned(),
            authorization: Zeroizing::new(format!("Bearer {}", token.trim())),
        })
    }

    /// Reads.
    pub(super) fn get(&self, route: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        let url = format!("{}{route}", self.server);
        let mut request = self.agent.get(&url).header(AUTHORIZATION, self.authorization.as_str());
        for (name, value) in query {
            request = request.query(*name, value);
        }
        let response = request.call().map_err(|error| unreachable(&url, &error))?;
        answer(&url, response)
    }

    /// Changes something.
    pub(super) fn post(&self, route: &str, body: &impl Serialize) -> Result<Value, Failure> {
        let body =
            serde_json::to_vec(body).map_err(|_| Failure::Usage("the request is no JSON".to_owned()))?;
        self.send(route, &[], "application/json", &Zeroizing::new(body))
    }

    /// Sends a file as it is.
    pub(super) fn post_file(
        &self,
        route: &str,
        query: &[(&str, String)],
        file: &[u8],
    ) -> Result<Value, Failure> {
        self.send(route, query, "application/octet-stream", file)
    }

    fn send(&self, route: &str, query: &[(&str, String)], kind: &str, body: &[u8]) -> Result<Value, Failure> {
        let url = format!("{}{route}", self.server);
        let mut request = self.agent.post(&url).header(AUTHORIZATION, self.authorization.as_str());
        for (name, value) in query {
            request = request.query(*name, value);
        }
        let response =
            request.header(CONTENT_TYPE, kind).send(body).map_err(|error| unreachable(&url, &error))?;
        answer(&url, response)
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
            Err(Failure::Refused { problem: Box::new(problem) })
        }
    }
}

fn unreachable(url: &str, error: &ureq::Error) -> Failure {
    Failure::Unreachable { url: url.to_owned(), detail: error.to_string() }
}

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER: u64 = 64 * 1024 * 1024;
