//! Google Cloud KMS: wraps and unwraps root keys with a key that never leaves it.
//!
//! Guaranteed: what is unwrapped is what was wrapped, for this place in the keyring; requests go to the configured endpoint
//! alone, over TLS to a configured CA or one of the system's. Answers are limited in size and time, and checksums are sent and
//! verified in both directions, as Google asks for. A failure that may pass is tried again for a limited time.
//!
//! The client is our own: Google's follows proxies of the environment and redirects, and with them the token.

use std::time::{Duration, Instant};

use serde::Serialize;
use ureq::Agent;
use ureq::http::{HeaderValue, Response};
use vouchsafe_keystore::Keyring;
use vouchsafe_keystore::keyring::wrapped::{WrappedKeyring, Wrapper, WrapperError, Wrapping};
use vouchsafe_system::http;
use zeroize::Zeroizing;

use self::credentials::Credentials;
use self::messages::{DecryptRequest, EncryptRequest};
use crate::config::kms::KmsConfig;
use crate::service_cas;

mod body;
mod checksum;
mod credentials;
mod error;
mod key;
mod messages;
mod problem;

pub use credentials::CredentialsError;
pub use error::KmsError;
pub use key::{KmsKey, KmsKeyError};
pub use messages::{decrypted, encrypted, refused};
pub use problem::Problem;

/// A client of the service.
#[derive(Debug)]
pub struct CloudKms {
    agent: Agent,
    endpoint: String,
    credentials: Credentials,
    timeout: Duration,
}

/// What is being done with one key, until when.
struct Operation<'c> {
    kms: &'c CloudKms,
    key: KmsKey,
    started: Instant,
    authorization: Option<HeaderValue>,
    /// Whether the token was refused once, and another one taken.
    renewed: bool,
}

impl CloudKms {
    /// A client. No request is sent.
    ///
    /// # Errors
    /// [`KmsError::Cas`] or [`KmsError::Credentials`]: a file that the configuration names cannot be used.
    pub fn new(config: &KmsConfig) -> Result<Self, KmsError> {
        let roots = service_cas::load("kms", config.ca.as_deref())?;
        let agent = http::pinned(&roots).user_agent(concat!("vouchsafe/", env!("CARGO_PKG_VERSION"))).build();
        Ok(Self {
            agent: agent.into(),
            endpoint: config.endpoint.clone(),
            credentials: Credentials::load(config)?,
            timeout: config.timeout,
        })
    }

    /// One for a change that an operator waits for, who gets the reason before the operators' tool gives up.
    fn for_operator(config: &KmsConfig) -> Result<Self, KmsError> {
        let client = Self::new(config)?;
        Ok(Self { timeout: client.timeout.min(OPERATORS_WAIT), ..client })
    }

    /// Wraps every root key with `key`, and unwraps the result once to see that it can be.
    ///
    /// # Errors
    /// [`KmsError`] says what to do about it.
    pub fn wrap(&self, keyring: &Keyring, key: &KmsKey) -> Result<WrappedKeyring, KmsError> {
        let mut operation = self.operation(key.clone());
        let wrapped = WrappedKeyring::new(keyring, key.as_str(), |wrapping| operation.encrypt(&wrapping))?;
        let again = wrapped.open(|wrapping| operation.decrypt(&wrapping))?;
        if keyring.is_same(&again) { Ok(wrapped) } else { Err(operation.failed(Problem::OtherKeys)) }
    }

    /// Unwraps every root key.
    ///
    /// # Errors
    /// [`KmsError`] says what to do about it.
    pub fn open(&self, wrapped: &WrappedKeyring) -> Result<Keyring, KmsError> {
        let mut operation = self.operation(wrapped.kms().parse()?);
        wrapped.open(|wrapping| operation.decrypt(&wrapping))
    }

    fn operation(&self, key: KmsKey) -> Operation<'_> {
        Operation { kms: self, key, started: Instant::now(), authorization: None, renewed: false }
    }
}

/// For changes of a keyring that is in use. A client is made for each, so that a file that the configuration names is read anew.
impl Wrapper for KmsConfig {
    fn wrap(&self, keyring: &Keyring, kms: &str) -> Result<WrappedKeyring, WrapperError> {
        let wrap = || CloudKms::for_operator(self)?.wrap(keyring, &kms.parse()?);
        wrap().map_err(|error: KmsError| WrapperError(error.into()))
    }

    fn open(&self, wrapped: &WrappedKeyring) -> Result<Keyring, WrapperError> {
        let open = || CloudKms::for_operator(self)?.open(wrapped);
        open().map_err(|error: KmsError| WrapperError(error.into()))
    }
}

impl Operation<'_> {
    fn encrypt(&mut self, wrapping: &Wrapping<'_, [u8; 32]>) -> Result<Vec<u8>, KmsError> {
        let request = EncryptRequest::new(wrapping.key, &wrapping.associated_data);
        let name = self.key.clone();
        self.call("encrypt", &request, |body| encrypted(body, &name))
    }

    fn decrypt(&mut self, wrapping: &Wrapping<'_, [u8]>) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let request = DecryptRequest::new(wrapping.key, &wrapping.associated_data);
        let mut answer = self.call("decrypt", &request, decrypted);
        // The same status says that a value was damaged on its way.
        if matches!(&answer, Err(KmsError::Call { problem: Problem::InvalidArgument { .. }, .. })) {
            answer = self.call("decrypt", &request, decrypted);
        }
        answer.map_err(|error| match error {
            KmsError::Call { key, problem: Problem::InvalidArgument { message } } => {
                let problem = Problem::NotWrappedHere { generation: wrapping.generation, message };
                KmsError::Call { key, problem }
            }
            other => other,
        })
    }

    /// Calls a method until it succeeds, it is clear that it will not, or time is up.
    fn call<T>(
        &mut self,
        method: &str,
        request: &impl Serialize,
        read: impl Fn(&[u8]) -> Result<T, Problem>,
    ) -> Result<T, KmsError> {
        let mut wait = FIRST_WAIT;
        loop {
            let problem = match self.once(method, request, &read) {
                Ok(answer) => return Ok(answer),
                // A token may end meanwhile, or be from before the clock was set.
                Err(Problem::Unauthenticated { .. }) if !self.renewed => {
                    (self.authorization, self.renewed) = (None, true);
                    continue;
                }
                Err(problem) => problem,
            };
            let rest = self.rest();
            if !problem.may_pass() || rest <= wait {
                return Err(self.failed(problem));
            }
            tracing::warn!(event = "kms.retry", key = %self.key, %problem, seconds = wait.as_secs_f32());
            std::thread::sleep(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn once<T>(
        &mut self,
        method: &str,
        request: &impl Serialize,
        read: impl Fn(&[u8]) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let timeout = self.rest().clamp(LEAST_TIMEOUT, LONGEST_TIMEOUT);
        let authorization = match &self.authorization {
            Some(value) => value.clone(),
            None => {
                let value = self.kms.credentials.authorization(timeout)?;
                self.authorization.insert(value).clone()
            }
        };
        let mut body = Zeroizing::new(Vec::with_capacity(body::LARGEST));
        serde_json::to_writer(&mut *body, request).map_err(|_| Problem::Answer("the request is no JSON"))?;
        let url = format!("{}/v1/{}:{method}", self.kms.endpoint, self.key);
        let request = self.kms.agent.post(&url).config().timeout_global(Some(timeout)).build();
        let request = request.header("authorization", authorization).content_type("application/json");
        let response = request.send(body.as_slice()).map_err(|error| Problem::unreachable(&error))?;
        read(&answer(response)?)
    }

    /// How long the operation may still take.
    fn rest(&self) -> Duration {
        self.kms.timeout.saturating_sub(self.started.elapsed())
    }

    fn failed(&self, problem: Problem) -> KmsError {
        KmsError::Call { key: self.key.clone(), problem }
    }
}

/// The body of a successful answer.
fn answer(mut response: Response<ureq::Body>) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let status = response.status().as_u16();
    let body = body::read(response.body_mut())?;
    match status {
        200 => Ok(body),
        300..=399 => Err(Problem::Redirect { status }),
        _ => Err(refused(status, &body)),
    }
}

/// One change has two operations, reading the keyring and wrapping it; the tool waits 30 s.
const OPERATORS_WAIT: Duration = Duration::from_secs(10);
/// The waits between two tries double, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// For one request.
const LEAST_TIMEOUT: Duration = Duration::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(10);
