//! Requests to the operators' listener: HTTPS to a pinned CA, with the token that belongs to that server.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Uri;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_system::http;
use zeroize::Zeroizing;

use super::credential::Credential;
pub(super) use super::credential::{Connection, operator_file};
use super::failure::Failure;
use super::{output, when};
use crate::api::operators::{TOKEN_EXPIRES_IN, TOKEN_NOTICE};
use crate::{clock, tls};

/// A connection to one broker.
pub(super) struct Client {
    agent: Agent,
    server: String,
    ca: String,
    authorization: Zeroizing<String>,
    /// What an interrupted rotation of the token may have left.
    successor: Option<PathBuf>,
    /// Whether to say that the token ends soon: once.
    warns: Cell<bool>,
}

impl Connection {
    /// Reads the operator file, or the credentials that the command line names instead.
    pub(super) fn open(&self) -> Result<Client, Failure> {
        Client::new(&self.credential()?)
    }
}

impl Client {
    pub(super) fn new(credential: &Credential) -> Result<Self, Failure> {
        let Credential { server, ca, token, .. } = credential;
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
            ca: ca.pem.clone(),
            authorization: Zeroizing::new(format!("Bearer {}", token.as_str())),
            successor: credential.successor().ok(),
            warns: Cell::new(true),
        })
    }

    /// For replacing the token: that it ends soon need not be said, nor that a rotation may have been interrupted.
    pub(super) fn for_rotation(mut self) -> Self {
        self.warns.set(false);
        self.successor = None;
        self
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
        self.answer(&url, response)
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
        self.answer(&url, response)
    }

    fn answer(&self, url: &str, response: ureq::http::Response<ureq::Body>) -> Result<Value, Failure> {
        let left =
            response.headers().get(TOKEN_EXPIRES_IN).and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(left) = left.filter(|left| *left < TOKEN_NOTICE)
            && self.warns.replace(false)
        {
            let at = clock::human(clock::now().plus(left));
            output::note(&format!(
                "vouchsafe: your token ends in {} ({at}): replace it with `vouchsafe operator rotate`",
                when::human_duration(left)
            ));
        }
        answer(url, response).map_err(|failure| self.explain(failure))
    }

    /// After an interrupted rotation the token in the operator file may be the old one.
    fn explain(&self, mut failure: Failure) -> Failure {
        if failure.rejects_token()
            && let Some(left) = self.successor.as_ref().filter(|left| left.exists())
            && let Failure::Refused { problem, .. } = &mut failure
        {
            let detail = problem.detail.as_deref().unwrap_or(&problem.title);
            problem.detail = Some(format!(
                "{detail}; {} is left from an interrupted rotation, which `vouchsafe operator rotate` completes",
                left.display()
            ));
        }
        failure
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
    let advice = if http::certificate_fault(error).is_some_and(http::is_validity_period) {
        "The broker's certificate has to be renewed: put a new one in its place and send SIGHUP to the broker. Or this machine's clock is wrong."
    } else {
        "Is the broker running, and are the server and the CA of your operator file right?"
    };
    Failure::Unreachable { url: url.to_owned(), detail: error.to_string(), advice }
}

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER: u64 = 64 * 1024 * 1024;
