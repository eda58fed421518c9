//! Requests secrets from brokers, retries while that makes sense, and opens answers signed by a pinned
//! identity.
//!
//! Only two kinds of answers are trusted: one whose signature under a pinned identity covers this request's
//! own transcript, with exactly the requested paths; and a refusal signed for this request. Anything else,
//! from whatever sender, is treated like a lost packet: the client retries. An identity that a pinned one has named its
//! successor counts as pinned, for the time that the statement says.

pub(crate) mod accepted;
mod error;
mod pace;
mod spent;
mod stop;
mod task;

use std::time::Duration;

pub use error::{AttemptError, FetchError};
pub use pace::{Pace, SystemPace};
pub use spent::Spent;
pub use task::{Proposal, Volume};
use vouchsafe_protocol::answer::OpenedSecret;
use vouchsafe_protocol::limits::MAX_CHALLENGE_LIFETIME;
use vouchsafe_protocol::messages::ChallengeAnswer;
use vouchsafe_protocol::request::{CarriedLists, ProposedEvents};
use vouchsafe_protocol::succession::Succeeded;
use vouchsafe_protocol::{
    BaselineProposal, BoundRequest, BrokerIdentity, DecisionId, Digest32, GuestKey, ObjectName,
    PlaintextSecret, ReasonCode, ReleaseBody, ReleasePaths, RequestDigest, SecretPath, VolumeAction,
};

use crate::config::{BrokerUrl, ClientConfig, GuestConfig};
use crate::evidence::{CollectRequest, EvidenceSource};
use crate::transport::{CaError, Https, Response, Transport, TransportError};
use accepted::{SUCCESSION_ROUTE, accepted};
use pace::Budget;
use stop::{Again, Stop, again, no_evidence, refused};
use task::{Parts, Proposing, Task};

/// Secrets that a broker released to this VM.
#[derive(Debug)]
pub struct Release {
    /// The id of the broker's decision.
    pub decision: DecisionId,
    /// In the order of the (sorted) paths.
    pub secrets: Vec<OpenedSecret>,
    /// How long it took.
    pub spent: Spent,
}

impl Release {
    /// The secret at `path`.
    ///
    /// # Panics
    /// When `path` was not requested: an accepted answer has every path of its request.
    #[must_use]
    pub fn secret(&self, path: &SecretPath) -> &PlaintextSecret {
        let opened = self.secrets.iter().find(|secret| secret.path == *path);
        &opened.expect("an accepted answer has every path asked for").secret
    }
}

/// A guest that requests secrets.
pub struct Client<S> {
    config: ClientConfig,
    transport: Box<dyn Transport>,
    source: S,
    pace: Box<dyn Pace>,
    on_retry: OnRetry,
    on_succession: OnSuccession,
    /// The last identity that was accepted as a successor.
    succeeded: Option<Succeeded>,
    spent: Spent,
}

type OnRetry = Box<dyn FnMut(&AttemptError, Duration)>;
type OnSuccession = Box<dyn FnMut(&Succeeded)>;

impl<S: EvidenceSource> Client<S> {
    /// A client with this configuration, over HTTPS.
    ///
    /// # Errors
    /// [`CaError`] when the CAs cannot be read.
    pub fn new(config: &GuestConfig, source: S) -> Result<Self, CaError> {
        let transport = Box::new(Https::new(&config.https)?);
        Ok(Self::with_parts(config.client.clone(), transport, source, Box::new(SystemPace::start())))
    }

    /// A client made of the given parts.
    pub fn with_parts(
        config: ClientConfig,
        transport: Box<dyn Transport>,
        source: S,
        pace: Box<dyn Pace>,
    ) -> Self {
        let (on_retry, on_succession): (OnRetry, OnSuccession) = (Box::new(|_, _| ()), Box::new(|_| ()));
        let (succeeded, spent) = (None, Spent::default());
        Self { config, transport, source, pace, on_retry, on_succession, succeeded, spent }
    }

    /// Calls `observe` before each retry, with the error and the pause.
    #[must_use]
    pub fn on_retry(mut self, observe: impl FnMut(&AttemptError, Duration) + 'static) -> Self {
        self.on_retry = Box::new(observe);
        self
    }

    /// Calls `observe` when a broker signs as an identity that is not pinned, but named by one that is: the configuration
    /// needs the new one soon.
    #[must_use]
    pub fn on_succession(mut self, observe: impl FnMut(&Succeeded) + 'static) -> Self {
        self.on_succession = Box::new(observe);
        self
    }

    /// Requests all of `paths` at once: all or nothing.
    ///
    /// # Errors
    /// [`FetchError`]: a refusal that a pinned identity signed is final, and so is a fault that lasts when every broker has
    /// one; what might pass is tried again within the limits.
    pub fn fetch(&mut self, paths: &ReleasePaths) -> Result<Release, FetchError> {
        self.release(&paths.clone().into())
    }

    /// As [`Self::fetch`], with the headers that volumes are about to be opened with. The secret of a registered
    /// volume is released for its current header, and for the one that was announced, which is the current one from
    /// then on.
    ///
    /// # Errors
    /// Those of [`Self::fetch`].
    pub fn release(&mut self, body: &ReleaseBody) -> Result<Release, FetchError> {
        let started = self.pace.elapsed();
        self.spent = Spent::default();
        let release = self.carry_out(body)?;
        let total = self.pace.elapsed().saturating_sub(started);
        Ok(Release { spent: Spent { total, ..self.spent }, ..release })
    }

    /// Registers the header of this VM's volume that the secret at `path` opens. Doing it again with the same header
    /// changes nothing.
    ///
    /// # Errors
    /// Those of [`Self::fetch`]; refused with [`ReasonCode::Conflict`] while another header is registered.
    pub fn register_volume(&mut self, path: SecretPath, digest: Digest32) -> Result<Volume, FetchError> {
        self.carry_out(&VolumeAction::RegisterVolume { path, digest })
    }

    /// Announces the header that is about to be written. Until a release has presented it, the one registered now,
    /// `from`, is accepted too.
    ///
    /// # Errors
    /// Those of [`Self::fetch`]; refused with [`ReasonCode::Conflict`] unless `from` is the registered one.
    pub fn advance_volume(
        &mut self,
        path: SecretPath,
        from: Digest32,
        to: Digest32,
    ) -> Result<Volume, FetchError> {
        self.carry_out(&VolumeAction::AdvanceVolume { path, from, to })
    }

    /// Proposes the next boot for a baseline of which this VM is a member: whether that boot is allowed, be it by these
    /// component lists, or waits for an operator's approval.
    ///
    /// # Errors
    /// Those of [`Self::fetch`]; refused with [`ReasonCode::NotGranted`] unless this VM may propose, and with
    /// [`ReasonCode::Conflict`] if the baseline cannot allow such a boot or too many proposals are pending.
    pub fn propose_baseline(
        &mut self,
        baseline: ObjectName,
        events: ProposedEvents,
        lists: &CarriedLists,
    ) -> Result<Proposal, FetchError> {
        let proposal = &BaselineProposal { baseline, events, lists: lists.digests() };
        self.carry_out(&Proposing { proposal, lists })
    }

    /// Asks one broker after the other, until one has carried it out.
    fn carry_out<T: Task>(&mut self, task: &T) -> Result<T::Done, FetchError> {
        let mut budget = Budget::new(self.config.limits, self.pace.elapsed());
        // When each broker may be tried again: one that asks to wait does not delay the others.
        let mut brokers: Vec<_> = self.config.brokers.iter().map(Queued::new).collect();
        let mut unsettled = 0;
        for round in 0.. {
            let mut last = None;
            for broker in &mut brokers {
                if broker.not_before > self.pace.elapsed() {
                    continue;
                }
                if let Some(error) = last.take() {
                    self.pause(error, Duration::ZERO, &budget)?;
                }
                match self.attempt(&broker.url, task, &mut budget) {
                    Ok(done) => return Ok(done),
                    Err(Stop::Final(error)) => return Err(error),
                    Err(Stop::Again(Again { error, retry_after })) => {
                        settle(&error, &mut unsettled)?;
                        let asked = retry_after.map(|asked| pace::stretched(asked, self.pace.random()));
                        broker.not_before = self.pace.elapsed() + asked.unwrap_or_default();
                        broker.unusable = error.is_permanent();
                        last = Some(error);
                    }
                }
            }
            let Some(error) = last else { break };
            brokers.retain(|broker| !broker.unusable);
            let Some(soonest) = brokers.iter().map(|broker| broker.not_before).min() else {
                return Err(FetchError::Unusable { fault: Box::new(error) });
            };
            let asked = soonest.saturating_sub(self.pace.elapsed());
            let wait = pace::backoff(round, self.pace.random()).max(asked);
            self.pause(error, wait, &budget)?;
        }
        Err(FetchError::NoBroker)
    }

    /// Waits, or gives up if the limits allow no further request after that.
    fn pause(&mut self, error: AttemptError, wait: Duration, budget: &Budget) -> Result<(), FetchError> {
        if !budget.allows(self.pace.elapsed() + wait) {
            return Err(FetchError::GaveUp { attempts: budget.used(), last: Box::new(error) });
        }
        (self.on_retry)(&error, wait);
        self.pace.sleep(wait);
        Ok(())
    }

    /// One challenge, one collection of evidence, one request (repeated while the broker asks for that).
    fn attempt<T: Task>(&mut self, url: &BrokerUrl, task: &T, budget: &mut Budget) -> Result<T::Done, Stop> {
        let ChallengeAnswer { challenge, identity } = self.challenge(url, budget)?;
        // The guest's clock may be wrong, so only the challenge's remaining lifetime is used.
        let lifetime = challenge.expires_at.since(challenge.issued_at).min(MAX_CHALLENGE_LIFETIME);
        let expires = self.pace.elapsed() + Duration::from_secs(lifetime);
        self.require_accepted(url, identity, budget)?;
        let key = GuestKey::generate(self.config.suite);
        let bound = BoundRequest::new(&identity, challenge.nonce, key.public().clone(), task.body());
        let request = CollectRequest { transcript: &bound.transcript(), audience: url.origin() };
        let before = self.pace.elapsed();
        let evidence = self.source.collect(&request);
        self.spent.evidence += self.pace.elapsed().saturating_sub(before);
        let evidence = evidence.map_err(no_evidence)?;
        let public_key = key.public().as_bytes().into();
        let body = task.encode(Parts { challenge, suite: self.config.suite, public_key, evidence })?;
        let response = self.send(&url.route(T::ROUTE), &body, expires, budget)?;
        let request = RequestDigest::of(&body);
        if response.status == 200 {
            return T::open(&response, &key, &bound, &request);
        }
        Err(refused(&response, &bound, &request))
    }

    fn challenge(&mut self, url: &BrokerUrl, budget: &mut Budget) -> Result<ChallengeAnswer, Stop> {
        budget.spend();
        let route = url.route(CHALLENGE_ROUTE);
        let response = self.post(&route, b"", budget)?;
        read_challenge(route, &response)
            .map_err(|error| Stop::Again(Again { error, retry_after: response.retry_after }))
    }

    /// Requires that answers of `identity` are accepted: it is pinned, or the broker has statements that lead to it from one
    /// that is.
    fn require_accepted(
        &mut self,
        url: &BrokerUrl,
        identity: BrokerIdentity,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let now = self.pace.now();
        let known = self.succeeded.is_some_and(|known| known.by == identity && now < known.expires_at);
        if known || self.config.identities.contains(&identity) {
            return Ok(());
        }
        let response =
            self.timed(budget, |transport, timeout| transport.get(&url.route(SUCCESSION_ROUTE), timeout))?;
        let succeeded = accepted(&response, &self.config.identities, identity, now)
            .map_err(|error| Stop::Again(Again { error, retry_after: response.retry_after }))?;
        (self.on_succession)(&succeeded);
        self.succeeded = Some(succeeded);
        Ok(())
    }

    /// Sends the request, and repeats it while the broker asks for that and the challenge is live. If there
    /// are other brokers, this one gets only its share of the limits, and no long pause.
    fn send(
        &mut self,
        route: &str,
        body: &[u8],
        expires: Duration,
        budget: &mut Budget,
    ) -> Result<Response, Stop> {
        let share = budget.share(self.config.brokers.len(), self.pace.elapsed());
        let expires = expires.min(share.until);
        let mut sent = 0;
        loop {
            let response = self.post(route, body, budget)?;
            sent += 1;
            let Some(asked) = response.retry_after.filter(|_| matches!(response.status, 429 | 503)) else {
                return Ok(response);
            };
            let wait = pace::stretched(asked, self.pace.random());
            let patient = sent < share.requests && wait <= share.pause;
            if !patient || self.pace.elapsed() + wait >= expires {
                return Ok(response);
            }
            self.pause(AttemptError::unsigned(&response), wait, budget)?;
            budget.spend();
        }
    }

    fn post(&mut self, url: &str, body: &[u8], budget: &Budget) -> Result<Response, Stop> {
        self.timed(budget, |transport, timeout| transport.post(url, body, timeout))
    }

    /// One request, within what is left of the time.
    fn timed(
        &mut self,
        budget: &Budget,
        send: impl FnOnce(&mut dyn Transport, Duration) -> Result<Response, TransportError>,
    ) -> Result<Response, Stop> {
        let before = self.pace.elapsed();
        let answer = send(&mut *self.transport, budget.request_timeout(before));
        self.spent.broker += self.pace.elapsed().saturating_sub(before);
        answer.map_err(|error| again(AttemptError::Transport(error)))
    }
}

/// A broker that is still tried.
struct Queued {
    url: BrokerUrl,
    /// When it may be tried again.
    not_before: Duration,
    /// It has a permanent fault.
    unusable: bool,
}

impl Queued {
    fn new(url: &BrokerUrl) -> Self {
        Self { url: url.clone(), not_before: Duration::ZERO, unusable: false }
    }
}

/// Number of quotes that may be refused as unsettled before the refusal is final. The service that extends
/// the PCRs takes less than a second; if it failed half way, they stay unsettled.
const MAX_UNSETTLED: u32 = 5;
/// The route that issues challenges, by `POST` without a body.
pub(crate) const CHALLENGE_ROUTE: &str = "/v1/challenge";
/// HMAC-SHA-256.
const CHALLENGE_MAC: usize = 32;

/// Counts refusals of a quote made while PCRs were being extended: the first few are retried, then it is
/// final.
fn settle(error: &AttemptError, unsettled: &mut u32) -> Result<(), FetchError> {
    if let AttemptError::Busy { code: code @ ReasonCode::EvidenceUnsettled, decision } = error {
        *unsettled += 1;
        if *unsettled == MAX_UNSETTLED {
            return Err(FetchError::Refused { code: *code, decision: *decision });
        }
    }
    Ok(())
}

/// The challenge in the response from `url`. Redirects are not followed.
pub(crate) fn read_challenge(url: String, response: &Response) -> Result<ChallengeAnswer, AttemptError> {
    match response.status {
        200 => {}
        status @ (300..=399 | 404 | 405 | 410) => return Err(AttemptError::NotABroker { url, status }),
        _ => return Err(AttemptError::unsigned(response)),
    }
    let answer: Option<ChallengeAnswer> = serde_json::from_slice(&response.body).ok();
    // It is sent back: a proxy that terminates TLS must not be able to make our request too large.
    let answer = answer.filter(|answer| answer.challenge.mac.len() == CHALLENGE_MAC);
    answer.ok_or(AttemptError::Malformed { status: 200 })
}
