//! A release, from the request to the signed answer.
//!
//! [`release`] reads top to bottom as the protocol does. Types carry the argument: secrets are unsealed
//! under a grant, a grant comes from verified claims, the key that secrets are wrapped to comes out of those
//! claims, and the answer leaves only after the grant is on record with its nonce spent.

mod error;
mod refuse;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::oneshot;
use vouchsafe_attestation::{Context, Instance, VerifiedClaims, verify_with};
use vouchsafe_keystore::record::{
    EvidencePiece, GrantBinding, GrantRecord, GrantedSecret, GuardrailsRef, NewGrant, RecordError,
};
use vouchsafe_keystore::release::{ConsiderError, Considered};
use vouchsafe_policy::{Denial, ReleaseGrant};
use vouchsafe_protocol::messages::{ReleaseAnswer, ReleaseRequest, WrappedSecret};
use vouchsafe_protocol::wrap::SecretLabel;
use vouchsafe_protocol::{
    BoundRequest, DecisionId, Digest32, Evidence, GuestPublicKey, PlaintextSecret, ReleasePaths, UnixTime,
};

use crate::attested::{Arrival, evidence};
use crate::broker::Broker;
use crate::collateral::{self, Asker, Prospect, Wanted};
use crate::pool::PoolError;

pub(crate) use error::ReleaseError;
pub(crate) use error::retry_in;
use refuse::{Known, Subject, refuse};
pub(crate) use refuse::{Refused, refuse_challenge};

/// Releases what is asked for, or says why not.
///
/// # Errors
/// [`Refused`] is on record, as far as it is worth one, before this returns.
pub(crate) async fn release(
    broker: &Arc<Broker>,
    decision: DecisionId,
    request: ReleaseRequest,
    arrival: Arrival,
    now: UnixTime,
) -> Result<ReleaseAnswer, Refused> {
    let subject = Subject::of(decision, &request, now);
    let case = match Case::open(broker, decision, request, arrival, now) {
        Ok(case) => case,
        Err(error) => return Err(refuse(broker, subject, error)),
    };
    let subject = Subject { nonce: Some(case.bound.nonce()), ..subject };
    match serve(broker, case).await {
        Ok(answer) => Ok(answer),
        Err(failure) => Err(refuse(broker, failure.about(subject), *failure.error)),
    }
}

/// Verifies and decides on the pool, records, answers. Decides again when something changed meanwhile.
async fn serve(broker: &Arc<Broker>, case: Case) -> Result<ReleaseAnswer, Failure> {
    let mut recorded = record(broker, move || case.verify()?.prepare()).await?;
    let mut decisions = 1;
    loop {
        let Recorded { proved, answer, result } = recorded;
        match result {
            Ok(_) => return Ok(answer),
            Err(RecordError::EpochMoved { .. }) if decisions < MAX_DECISIONS => {
                broker.metrics.redecided.inc();
                decisions += 1;
                recorded = record(broker, move || proved.prepare()).await?;
            }
            Err(RecordError::EpochMoved { .. }) => {
                return Err(Failure::new(ReleaseError::KeepsChanging, &proved));
            }
            Err(error) => return Err(Failure::new(error, &proved)),
        }
    }
}

/// Makes a grant ready on the pool and records it from there, so that this task is woken once, at the end.
async fn record(
    broker: &Broker,
    job: impl FnOnce() -> Result<Ready, Failure> + Send + 'static,
) -> Result<Recorded, Failure> {
    let (done, waited) = oneshot::channel();
    let keystore = broker.keystore.clone();
    let job = move || {
        // The connection is gone, and nothing is spent yet.
        if done.is_closed() {
            return;
        }
        // Nobody waits any more when sending fails.
        let _gone = match job() {
            Ok(Ready { proved, grant, answer }) => {
                return keystore.record_then(grant, move |result| {
                    let _gone = done.send(Ok(Recorded { proved, answer, result }));
                });
            }
            Err(failure) => done.send(Err(failure)),
        };
    };
    broker.pool.spawn(job).map_err(ReleaseError::from)?;
    waited.await.map_err(|_| ReleaseError::from(PoolError::Failed))?
}

/// A request under a live challenge of this broker, with the key that the evidence has to commit to.
struct Case {
    broker: Arc<Broker>,
    decision: DecisionId,
    bound: BoundRequest,
    paths: ReleasePaths,
    evidence: Evidence,
    now: UnixTime,
    expires_at: UnixTime,
    /// The last field: it is given back once the evidence is gone.
    arrival: Arrival,
}

/// A case whose evidence was verified.
struct Proved {
    case: Arc<Case>,
    claims: VerifiedClaims,
    claims_digest: Digest32,
    pieces: Vec<EvidencePiece>,
}

/// An answer that may leave once the grant is on record.
struct Ready {
    proved: Proved,
    grant: NewGrant,
    answer: ReleaseAnswer,
}

/// What became of the grant of an answer.
struct Recorded {
    proved: Proved,
    answer: ReleaseAnswer,
    result: Result<u64, RecordError>,
}

impl Case {
    fn open(
        broker: &Arc<Broker>,
        decision: DecisionId,
        request: ReleaseRequest,
        arrival: Arrival,
        now: UnixTime,
    ) -> Result<Self, ReleaseError> {
        let ReleaseRequest { challenge, suite, public_key, paths, evidence } = request;
        let nonce = broker.check(&challenge, now)?;
        let key =
            GuestPublicKey::new(suite, &public_key).map_err(|error| ReleaseError::Key { nonce, error })?;
        let bound = BoundRequest::release(&broker.identity(), nonce, key, &paths);
        let expires_at = challenge.expires_at;
        Ok(Self { broker: Arc::clone(broker), decision, bound, paths, evidence, now, expires_at, arrival })
    }

    fn verify(self) -> Result<Proved, Failure> {
        let broker = &*self.broker;
        let loaded = broker.collateral();
        let config = broker.config();
        let context = Context {
            anchors: &broker.anchors,
            collateral: &loaded.collateral,
            endorsements: &loaded.endorsements,
            audiences: &config.urls,
            now: self.now,
            memory: &broker.memory,
        };
        let mut shown = None;
        let verified = verify_with(&self.evidence, self.bound.clone(), &context, |instance| {
            shown = instance.map(name_of);
            // A certificate is no secret, so that only requests that were proved count.
            broker.rate.peek(shown.as_deref(), self.now).map_err(ReleaseError::from)
        });
        let claims = match verified {
            Ok(claims) => claims,
            Err(error) => {
                let error = Box::new(self.awaiting(error, shown.as_deref()));
                return Err(Failure { error, shown, known: None });
            }
        };
        let pieces = evidence::pieces(&self.evidence);
        let claims_digest = evidence::digest(claims.claims());
        let proved = Proved { case: Arc::new(self), claims, claims_digest, pieces };
        proved.count()?;
        for wanted in collateral::unendorsed(proved.claims.claims()) {
            proved.case.broker.collateral_service().want(wanted, Asker::Verified);
        }
        Ok(proved)
    }

    /// Whose share of fetches this request uses. What it misses is unverified, even where its AK certificate is verified: a
    /// VM that names one chip after the other counts as a stranger (T56).
    fn asker(&self, shown: Option<&str>) -> Asker {
        match shown {
            Some(name) if self.broker.wants.take(Some(name), self.now).is_ok() => Asker::Verified,
            _ => Asker::Anybody(self.arrival.network()),
        }
    }

    /// Has fetched what this verification missed. The guest does not wait for it (T44) and is told when to come again.
    fn awaiting(&self, error: ReleaseError, shown: Option<&str>) -> ReleaseError {
        let ReleaseError::Evidence(error) = error else { return error };
        let Some(wanted) = collateral::wanted(&error, &self.evidence) else { return error.into() };
        let asker = self.asker(shown);
        let is_issuer = matches!(wanted, Wanted::Issuer(_));
        match self.broker.collateral_service().want(wanted, asker) {
            Prospect::Soon(wait) | Prospect::Full(wait) => {
                ReleaseError::Pending { error, seconds: retry_in(wait) }
            }
            Prospect::Gone(_) if is_issuer => ReleaseError::Unobtainable(error),
            Prospect::Gone(wait) => ReleaseError::Pending { error, seconds: retry_in(wait) },
            // An operator has to import it first.
            Prospect::Never => error.into(),
        }
    }
}

impl Proved {
    /// Counts this request as one of its instance, or of all that name none.
    fn count(&self) -> Result<(), Failure> {
        let name = self.instance().map(name_of);
        let counted = self.case.broker.rate.take(name.as_deref(), self.case.now);
        counted.map_err(|limited| Failure::new(limited, self))
    }

    /// A denial. While CRLs that verified certificates name are on their way, another verdict is to be expected.
    fn denied(&self, denial: Denial, considered: &Considered) -> Failure {
        let service = self.case.broker.collateral_service();
        match service.want_crls(self.claims.claims().missing_crls()) {
            Some(wait) => {
                let (denial, seconds) = (Box::new(denial), retry_in(wait));
                Failure::new(ReleaseError::AwaitsCrls { denial, seconds }, self)
            }
            None => Failure::denied(denial, self, considered),
        }
    }

    /// Decides in the epoch of now, and makes everything ready for the record.
    fn prepare(self) -> Result<Ready, Failure> {
        let (considered, decided) = self.decide().map_err(|error| Failure::new(error, &self))?;
        if decided.is_ok() || self.is_of_owner(&considered) {
            self.case.broker.issuers.saw(self.claims.claims(), self.case.now);
        }
        let grant = decided.map_err(|denial| self.denied(denial, &considered))?;
        let answer = self.answer(&grant, &considered).map_err(|error| Failure::new(error, &self))?;
        let grant = self.record_of(grant, considered.guardrails());
        Ok(Ready { grant, answer, proved: self })
    }

    /// Decides; once more when it is a denial that rests on what was, since no record will notice that.
    fn decide(&self) -> Result<(Considered, Result<ReleaseGrant, Denial>), ConsiderError> {
        let Case { broker, now, paths, .. } = &*self.case;
        let keystore = &broker.keystore;
        let considered = broker.runtime.block_on(keystore.consider(paths))?;
        let decided = considered.decide(&self.claims, &broker.identity(), *now);
        if decided.is_ok() || broker.runtime.block_on(keystore.epoch())? == considered.epoch() {
            return Ok((considered, decided));
        }
        broker.metrics.redecided.inc();
        let considered = broker.runtime.block_on(keystore.consider(paths))?;
        let decided = considered.decide(&self.claims, &broker.identity(), *now);
        Ok((considered, decided))
    }

    /// Unseals what the grant names and wraps it to the key that the evidence commits to.
    fn answer(&self, grant: &ReleaseGrant, considered: &Considered) -> Result<ReleaseAnswer, ReleaseError> {
        let broker = &self.case.broker;
        let unsealed = broker.keystore.unseal(grant, considered)?;
        let labels = grant.secrets().iter().map(|s| SecretLabel { path: s.path(), version: s.version() });
        let labelled: Vec<(SecretLabel<'_>, &PlaintextSecret)> = labels.zip(&unsealed).collect();
        let wrapped = grant.wrap_key().wrap(&grant.transcript(), &labelled)?;
        let secrets =
            grant.secrets().iter().zip(wrapped.ciphertexts).map(|(granted, ciphertext)| WrappedSecret {
                path: granted.path().clone(),
                version: granted.version(),
                policy_digest: granted.policy_digest(),
                ciphertext,
            });
        let (enc, secrets) = (wrapped.enc, secrets.collect());
        Ok(ReleaseAnswer::sign(&broker.identity, &grant.transcript(), self.case.decision, enc, secrets))
    }

    /// The grant is spent here: what is left of it is its record.
    fn record_of(&self, grant: ReleaseGrant, guardrails: GuardrailsRef) -> NewGrant {
        let secrets = grant.secrets().iter().map(|granted| GrantedSecret {
            path: granted.path().clone(),
            policy: granted.policy().clone(),
            policy_digest: granted.policy_digest(),
            version: granted.version(),
        });
        let bound = &self.case.bound;
        let binding = GrantBinding {
            broker: *bound.broker(),
            public_key: bound.key().as_bytes().into(),
            suite: bound.key().suite(),
        };
        let record = GrantRecord {
            at: self.case.now,
            binding: Some(binding),
            chips: Vec::new(),
            claims: self.claims_digest,
            decision: self.case.decision,
            epoch: grant.epoch(),
            evidence: Vec::new(),
            guardrails: Some(guardrails),
            instance: grant.instance().map(name_of),
            nonce: grant.nonce(),
            secrets: secrets.collect(),
        };
        let chip = grant.chip().cloned();
        NewGrant { record, chip, evidence: self.pieces.clone(), nonce_expires_at: self.case.expires_at }
    }

    fn instance(&self) -> Option<&Instance> {
        self.claims.claims().instance()
    }

    /// Whether a policy of what was asked for names the owner of this VM.
    fn is_of_owner(&self, considered: &Considered) -> bool {
        self.instance().is_some_and(|instance| considered.names_project(instance.project_number))
    }
}

/// Why a case ended, and what was known of the VM by then.
struct Failure {
    error: Box<ReleaseError>,
    /// The instance of the AK certificate that was shown; nothing proves that it was this VM.
    shown: Option<String>,
    known: Option<Box<Known>>,
}

impl Failure {
    fn new(error: impl Into<ReleaseError>, proved: &Proved) -> Self {
        Self { error: Box::new(error.into()), shown: None, known: Some(Box::new(Known::of(proved, false))) }
    }

    fn denied(denial: Denial, proved: &Proved, considered: &Considered) -> Self {
        let known = Some(Box::new(Known::of(proved, proved.is_of_owner(considered))));
        Self { error: Box::new(ReleaseError::Denied(Box::new(denial))), shown: None, known }
    }

    fn about(&self, subject: Subject) -> Subject {
        Subject { shown: self.shown.clone(), known: self.known.clone(), ..subject }
    }
}

impl From<ReleaseError> for Failure {
    fn from(error: ReleaseError) -> Self {
        Self { error: Box::new(error), shown: None, known: None }
    }
}

/// `project number/instance id`, which is how records name an instance.
fn name_of(instance: &Instance) -> String {
    format!("{}/{}", instance.project_number, instance.instance_id)
}

/// How often a release is decided while operators keep changing things.
const MAX_DECISIONS: usize = 4;
