//! A broker with scripted answers, and helpers for testing a client without a network.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use vouchsafe_guest_client::client::Pace;
use vouchsafe_guest_client::evidence::CollectError;
use vouchsafe_guest_client::transport::{Response, Transport, TransportError};
use vouchsafe_guest_client::{CollectRequest, EvidenceSource};
use vouchsafe_protocol::RequestDigest;
use vouchsafe_protocol::challenge::ChallengeKey;
use vouchsafe_protocol::messages::{
    ChallengeAnswer, ProposalRequest, ReleaseAnswer, ReleaseRequest, VolumeRequest, WrappedSecret,
};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::wrap::SecretLabel;
use vouchsafe_protocol::{
    Body, BoundRequest, BrokerIdentity, DecisionId, Digest32, Evidence, GuestPublicKey, IdentityKey, Nonce,
    PlaintextSecret, ReasonCode, SevSnpEvidence, Transcript, UnixTime,
};
use zeroize::Zeroizing;

/// Decision id of every answer and refusal.
pub(crate) const DECISION: DecisionId = DecisionId([0xdd; 16]);

/// Lifetime of challenges, in seconds.
pub(crate) const LIFETIME: u64 = 60;

/// The answer to one release request.
pub(crate) type Act = Box<dyn FnOnce(&Asked<'_>) -> Option<Response> + Send>;

/// The answer to one request about a volume.
pub(crate) type VolumeAct =
    Box<dyn FnOnce(&IdentityKey, &BoundRequest, &RequestDigest) -> Option<Response> + Send>;

/// A release request as the broker sees it.
pub(crate) struct Asked<'a> {
    /// The broker's own key.
    pub(crate) identity: &'a IdentityKey,
    /// The request.
    pub(crate) request: ReleaseRequest,
    /// Digest of the request as sent.
    pub(crate) digest: RequestDigest,
    /// The request with its bindings.
    pub(crate) bound: BoundRequest,
}

/// The broker.
pub(crate) struct FakeBroker {
    identity: IdentityKey,
    challenges: ChallengeKey,
    /// The identity in challenges; normally its own.
    pub(crate) announced: BrokerIdentity,
    /// Answers to release requests, in order; after them every request is granted.
    pub(crate) script: VecDeque<Act>,
    /// Answers to requests for a challenge, in order; `None` is no response; after them challenges are
    /// issued.
    pub(crate) challenge_script: VecDeque<Option<Response>>,
    /// Answers to requests about volumes, in order; after them each answer is lost.
    pub(crate) volume_script: VecDeque<VolumeAct>,
    /// Answers to proposals for a baseline, in order; after them each answer is lost.
    pub(crate) proposal_script: VecDeque<VolumeAct>,
    /// The answer to requests for statements; `None` from a broker of an earlier version.
    pub(crate) succession: Option<Response>,
    /// A URL that the script does not apply to: requests there are granted.
    pub(crate) exempt: Option<String>,
    /// Every request: URL and body.
    pub(crate) log: Vec<(String, Vec<u8>)>,
}

/// The identity for a number.
pub(crate) fn identity(seed: u8) -> IdentityKey {
    IdentityKey::from_seed(&Zeroizing::new([seed; 32])).expect("any seed makes a key")
}

/// The secret at a path.
pub(crate) fn secret_of(path: &str) -> Vec<u8> {
    format!("secret of {path}").into_bytes()
}

impl FakeBroker {
    /// A broker with this identity.
    pub(crate) fn new(seed: u8) -> Self {
        let identity = identity(seed);
        Self {
            announced: identity.identity(),
            identity,
            challenges: ChallengeKey::new(&[9; 32]),
            script: VecDeque::new(),
            challenge_script: VecDeque::new(),
            volume_script: VecDeque::new(),
            proposal_script: VecDeque::new(),
            succession: None,
            exempt: None,
            log: vec![],
        }
    }

    /// Answers a request, or loses the answer.
    pub(crate) fn answer(&mut self, url: &str, body: &[u8]) -> Option<Response> {
        self.log.push((url.to_owned(), body.to_vec()));
        if url.ends_with("/v1/challenge") {
            return self.challenge_script.pop_front().unwrap_or_else(|| Some(self.challenge()));
        }
        if url.ends_with("/v1/succession") {
            let absent = Response { status: 404, retry_after: None, body: vec![] };
            return Some(self.succession.clone().unwrap_or(absent));
        }
        if url.ends_with("/v1/volumes") {
            return self.volume_answer(body);
        }
        if url.ends_with("/v1/baseline-proposals") {
            return self.proposal_answer(body);
        }
        assert!(url.ends_with("/v1/release"), "{url}");
        let request: ReleaseRequest = serde_json::from_slice(body).expect("a release request");
        let nonce = self
            .challenges
            .check(&self.identity.identity(), &request.challenge, UnixTime(1000))
            .expect("our own challenge");
        let key = GuestPublicKey::new(request.suite, &request.public_key).expect("a key");
        let body_of = request.body().expect("headers of requested paths");
        let bound = BoundRequest::new(&self.identity.identity(), nonce, key, body_of);
        let digest = RequestDigest::of(body);
        let asked = Asked { identity: &self.identity, request, digest, bound };
        let exempt = self.exempt.as_ref().is_some_and(|exempt| url.starts_with(exempt));
        match self.script.pop_front().filter(|_| !exempt) {
            Some(act) => act(&asked),
            None => Some(ok(&asked.granted())),
        }
    }

    fn volume_answer(&mut self, body: &[u8]) -> Option<Response> {
        let request: VolumeRequest = serde_json::from_slice(body).expect("a request about a volume");
        let nonce = self
            .challenges
            .check(&self.identity.identity(), &request.challenge, UnixTime(1000))
            .expect("our own challenge");
        let key = GuestPublicKey::new(request.suite, &request.public_key).expect("a key");
        let bound = BoundRequest::new(&self.identity.identity(), nonce, key, Body::Volume(request.action));
        let digest = RequestDigest::of(body);
        match self.volume_script.pop_front() {
            Some(act) => act(&self.identity, &bound, &digest),
            None => None,
        }
    }

    fn proposal_answer(&mut self, body: &[u8]) -> Option<Response> {
        let request: ProposalRequest = serde_json::from_slice(body).expect("a proposal for a baseline");
        let nonce = self
            .challenges
            .check(&self.identity.identity(), &request.challenge, UnixTime(1000))
            .expect("our own challenge");
        let key = GuestPublicKey::new(request.suite, &request.public_key).expect("a key");
        let body_of = Body::Proposal(request.proposal);
        let bound = BoundRequest::new(&self.identity.identity(), nonce, key, body_of);
        match self.proposal_script.pop_front() {
            Some(act) => act(&self.identity, &bound, &RequestDigest::of(body)),
            None => None,
        }
    }

    fn challenge(&self) -> Response {
        ok(&self.challenge_answer())
    }

    /// A fresh challenge.
    pub(crate) fn challenge_answer(&self) -> ChallengeAnswer {
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce).expect("randomness");
        let challenge =
            self.challenges.issue(&self.identity.identity(), Nonce(nonce), UnixTime(1000), LIFETIME);
        ChallengeAnswer { challenge, identity: self.announced }
    }

    /// Release requests so far.
    pub(crate) fn requests(&self) -> Vec<ReleaseRequest> {
        let releases = self.log.iter().filter(|(url, _)| url.ends_with("/v1/release"));
        releases.map(|(_, body)| serde_json::from_slice(body).expect("a release request")).collect()
    }
}

impl Asked<'_> {
    /// All requested secrets, wrapped to the guest's key, not signed yet.
    pub(crate) fn sealed(&self) -> (vouchsafe_protocol::Bytes, Vec<WrappedSecret>) {
        self.sealed_for(self.bound.key(), &self.bound.transcript())
    }

    /// The same, wrapped to another key or under another transcript.
    pub(crate) fn sealed_for(
        &self,
        key: &GuestPublicKey,
        transcript: &Transcript,
    ) -> (vouchsafe_protocol::Bytes, Vec<WrappedSecret>) {
        let paths = self.request.paths.as_slice();
        let secrets: Vec<_> = paths
            .iter()
            .map(|path| PlaintextSecret::new(secret_of(path.as_str())).expect("a secret"))
            .collect();
        let labelled: Vec<_> =
            paths.iter().map(|path| SecretLabel { path, version: 3 }).zip(secrets.iter()).collect();
        let wrapped = key.wrap(transcript, &labelled).expect("a valid key");
        let secrets = paths.iter().zip(wrapped.ciphertexts).map(|(path, ciphertext)| WrappedSecret {
            path: path.clone(),
            version: 3,
            policy_digest: Digest32([5; 32]),
            ciphertext,
        });
        (wrapped.enc, secrets.collect())
    }

    /// The broker's answer if it grants the request.
    pub(crate) fn granted(&self) -> ReleaseAnswer {
        self.signed_by(self.identity)
    }

    /// The same, signed by another identity.
    pub(crate) fn signed_by(&self, key: &IdentityKey) -> ReleaseAnswer {
        let (enc, secrets) = self.sealed();
        ReleaseAnswer::sign(key, &self.bound.transcript(), &self.digest, DECISION, enc, secrets)
    }

    /// A refusal with the broker's signature.
    pub(crate) fn refusal(&self, code: ReasonCode) -> Problem {
        Problem::signed(self.identity, &self.bound.nonce(), &self.digest, code, DECISION)
    }
}

/// Status 200 with this JSON.
pub(crate) fn ok(body: &impl serde::Serialize) -> Response {
    Response { status: 200, retry_after: None, body: serde_json::to_vec(body).expect("JSON") }
}

/// A problem with its own status.
pub(crate) fn problem(problem: &Problem) -> Response {
    let body = serde_json::to_vec(problem).expect("JSON");
    Response { status: problem.status, retry_after: None, body }
}

/// The same with `Retry-After`.
pub(crate) fn later(response: Response, seconds: u64) -> Response {
    Response { retry_after: Some(Duration::from_secs(seconds)), ..response }
}

/// An unsigned problem.
pub(crate) fn unsigned(code: ReasonCode) -> Response {
    problem(&Problem::new(code))
}

/// One step of a script.
pub(crate) fn act(act: impl FnOnce(&Asked<'_>) -> Option<Response> + Send + 'static) -> Act {
    Box::new(act)
}

/// An answer that is lost.
pub(crate) fn lost() -> Act {
    act(|_| None)
}

/// A broker shared by several parts of a test.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<FakeBroker>>);

impl Shared {
    /// Shares the value between threads.
    pub(crate) fn new(broker: FakeBroker) -> Self {
        Self(Arc::new(Mutex::new(broker)))
    }

    /// The broker.
    pub(crate) fn lock(&self) -> MutexGuard<'_, FakeBroker> {
        self.0.lock().expect("no test panics while it holds the broker")
    }
}

impl Transport for Shared {
    fn post(&mut self, url: &str, body: &[u8], _: Duration) -> Result<Response, TransportError> {
        self.lock().answer(url, body).ok_or_else(|| TransportError {
            url: url.to_owned(),
            source: Box::new(ureq::Error::Io(io::ErrorKind::ConnectionReset.into())),
        })
    }

    fn get(&mut self, url: &str, timeout: Duration) -> Result<Response, TransportError> {
        self.post(url, b"", timeout)
    }
}

/// A clock that only advances in pauses.
#[derive(Clone, Default)]
pub(crate) struct Pauses(Arc<Mutex<Vec<Duration>>>);

impl Pauses {
    /// Every pause so far, except empty ones.
    pub(crate) fn taken(&self) -> Vec<Duration> {
        self.0.lock().expect("no test panics here").iter().copied().filter(|pause| !pause.is_zero()).collect()
    }
}

impl Pace for Pauses {
    fn elapsed(&self) -> Duration {
        self.taken().iter().sum()
    }

    fn now(&self) -> UnixTime {
        UnixTime(1000)
    }

    fn sleep(&mut self, time: Duration) {
        self.0.lock().expect("no test panics here").push(time);
    }

    fn random(&mut self) -> f64 {
        0.5
    }
}

/// Evidence that contains only the transcript it is bound to.
#[derive(Clone, Default)]
pub(crate) struct Echo {
    /// Transcripts that evidence was collected for.
    pub(crate) collected: Arc<Mutex<Vec<[u8; 32]>>>,
    /// Audiences of these collections.
    pub(crate) audiences: Arc<Mutex<Vec<String>>>,
    /// Errors of the next collections.
    pub(crate) passing: Arc<Mutex<Vec<CollectError>>>,
    /// Nothing can be collected.
    pub(crate) broken: bool,
}

impl EvidenceSource for Echo {
    fn collect(&mut self, request: &CollectRequest<'_>) -> Result<Evidence, CollectError> {
        let CollectRequest { transcript, audience } = *request;
        if self.broken {
            return Err(CollectError::NothingToShow);
        }
        if let Some(passing) = self.passing.lock().expect("no test panics here").pop() {
            return Err(passing);
        }
        self.collected.lock().expect("no test panics here").push(*transcript.as_bytes());
        self.audiences.lock().expect("no test panics here").push(audience.to_owned());
        let report = transcript.as_bytes().as_slice().into();
        let snp = SevSnpEvidence {
            report,
            vek_certificate: None,
            ca_certificates: vec![],
            launch_endorsement: None,
        };
        Ok(Evidence { sev_snp: Some(snp), ..Evidence::default() })
    }
}
