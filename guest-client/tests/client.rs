//! Which answers the client accepts, and when it asks again.

#[path = "client/answers.rs"]
mod answers;
#[path = "client/identities.rs"]
mod identities;
#[path = "client/proposals.rs"]
mod proposals;
#[path = "client/refusals.rs"]
mod refusals;
#[path = "client/retries.rs"]
mod retries;
mod support;
#[path = "client/volumes.rs"]
mod volumes;

use std::time::Duration;

use support::{
    Act, DECISION, Echo, FakeBroker, LIFETIME, Pauses, Shared, act, identity, later, lost, ok, problem,
    secret_of, unsigned,
};
use vouchsafe_guest_client::client::AttemptError;
use vouchsafe_guest_client::config::{ClientConfig, Limits};
use vouchsafe_guest_client::evidence::CollectError;
use vouchsafe_guest_client::google_token::{Call, TokenError};
use vouchsafe_guest_client::transport::Response;
use vouchsafe_guest_client::{Client, FetchError, Release};
use vouchsafe_protocol::answer::AnswerError;
use vouchsafe_protocol::messages::ReleaseAnswer;
use vouchsafe_protocol::wrap::WrapError;
use vouchsafe_protocol::{
    BoundRequest, DecisionId, Evidence, GuestKey, Nonce, ReasonCode, ReleasePaths, RequestDigest, SecretPath,
    Suite,
};

const OURS: u8 = 1;
const STRANGER: u8 = 66;

/// A client, its broker, and what happened.
struct Try {
    broker: Shared,
    source: Echo,
    pauses: Pauses,
    config: ClientConfig,
}

impl Try {
    fn new() -> Self {
        Self {
            broker: Shared::new(FakeBroker::new(OURS)),
            source: Echo::default(),
            pauses: Pauses::default(),
            config: ClientConfig {
                brokers: vec!["https://broker.test".parse().expect("a URL")],
                identities: vec![identity(OURS).identity()],
                suite: Suite::XWing,
                limits: Limits { attempts: 3, ..Limits::default() },
            },
        }
    }

    fn with(script: Vec<Act>) -> Self {
        let one = Self::new();
        one.broker.lock().script.extend(script);
        one
    }

    fn always(make: impl Fn() -> Act) -> Self {
        Self::with((0..9).map(|_| make()).collect())
    }

    fn fetch(&self) -> Result<Release, FetchError> {
        let (broker, pauses) = (Box::new(self.broker.clone()), Box::new(self.pauses.clone()));
        Client::with_parts(self.config.clone(), broker, self.source.clone(), pauses).fetch(&paths())
    }

    #[expect(clippy::panic, reason = "shows what came instead")]
    fn gave_up(&self) -> AttemptError {
        match self.fetch() {
            Err(FetchError::GaveUp { attempts: 3, last }) => *last,
            other => panic!("{other:?}"),
        }
    }

    /// The permanent fault.
    #[expect(clippy::panic, reason = "shows what came instead")]
    fn unusable(&self) -> AttemptError {
        match self.fetch() {
            Err(FetchError::Unusable { fault }) => *fault,
            other => panic!("{other:?}"),
        }
    }

    fn nonces(&self) -> Vec<Nonce> {
        self.broker.lock().requests().iter().map(|request| request.challenge.nonce).collect()
    }
}

fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).expect("a path")
}

fn paths() -> ReleasePaths {
    ReleasePaths::sort(vec![path("prod/b"), path("prod/a")]).expect("paths")
}

/// A granted answer, changed by `change` before the broker signs it.
fn grant_with(change: fn(&mut ReleaseAnswer)) -> Act {
    act(move |asked| {
        let mut answer = asked.granted();
        change(&mut answer);
        let transcript = asked.bound.transcript();
        let ReleaseAnswer { decision, enc, secrets, .. } = answer;
        Some(ok(&ReleaseAnswer::sign(asked.identity, &transcript, &asked.digest, decision, enc, secrets)))
    })
}

#[expect(clippy::panic, reason = "shows what came instead")]
fn answer_error(outcome: Result<Release, FetchError>) -> AnswerError {
    match outcome {
        Err(FetchError::Answer { decision: DECISION, source }) => source,
        other => panic!("{other:?}"),
    }
}
