//! A guest's request that carries evidence: read only under a live challenge, which is in its first bytes.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use serde::de::DeserializeOwned;
use vouchsafe_keystore::record::RefusalRecord;
use vouchsafe_protocol::limits::MAX_OPENING;
use vouchsafe_protocol::messages;
use vouchsafe_protocol::{Challenge, DecisionId, ReasonCode, RequestDigest, UnixTime};

use crate::attested::{Arrival, Incoming, Received, RequestError};
use crate::body::{BodyReader, NoOpening, Opening};
use crate::broker::Broker;
use crate::failed::Origin;
use crate::pool::Lane;
use crate::problem::HttpProblem;
use crate::refusals::Standing;
use crate::release::{Stranger, log_stranger, refuse_challenge};
use crate::server::client::Client;
use crate::traces::Step;
use crate::tries::Try;
use crate::{clock, random};

/// Reads a request of this form.
pub(super) async fn receive<T>(broker: &Arc<Broker>, mut body: BodyReader) -> Result<Incoming, HttpProblem>
where
    T: DeserializeOwned + TryInto<Received, Error: Display>,
{
    let (client, trace) = (body.client(), body.trace());
    let decision = random::decision_id().map_err(|_| HttpProblem::new(ReasonCode::Internal))?;
    let unread = Unread { broker, decision, client };
    let challenge = match body.opening(MAX_OPENING, challenge).await {
        Ok(challenge) => challenge,
        Err(error) => {
            body.discard().await;
            return Err(match error {
                NoOpening::Malformed(reason) => unread.malformed(reason),
                NoOpening::Problem(problem) => unread.not_received(problem, Standing::Malformed),
            });
        }
    };
    let now = clock::now();
    let tried = match begin(broker, &challenge, client, now) {
        Ok(tried) => Arc::new(tried),
        Err(error) => {
            let problem = refuse_challenge(broker, decision, client.peer, now, error);
            body.discard().await;
            return Err(problem);
        }
    };
    trace.under(&challenge.nonce);
    let body = body.whole().await.map_err(|problem| {
        // It counts for the challenge alone: a connection that breaks off says nothing about who sent the request.
        tried.refused(problem.code());
        unread.not_received(problem, Standing::Unverified)
    })?;
    let arrival = Arrival::enter(broker, client, Arc::clone(&tried), body.room());
    let now = clock::now();
    let malformed = |error: &dyn Display| {
        tried.refused(ReasonCode::MalformedRequest);
        broker.failed.count(Origin::Network(client.network), Instant::now());
        unread.malformed(error)
    };
    let request: T = body.parse().map_err(|error| malformed(&error))?;
    let received: Received = request.try_into().map_err(|error| malformed(&error))?;
    trace.was(Step::Receive);
    trace.about(decision, &received.namespaces());
    let digest = RequestDigest::of(body.as_slice());
    Ok(Incoming { decision, received, digest, arrival, now, trace })
}

/// The use of a challenge that is live.
fn begin(broker: &Broker, challenge: &Challenge, client: Client, now: UnixTime) -> Result<Try, RequestError> {
    let nonce = broker.check(challenge, now)?;
    broker.tries.begin(nonce, challenge.expires_at, now).map_err(|error| {
        let seconds = broker.pool.retry_after(Lane::Guests(client.network));
        RequestError::Tried { error, seconds }
    })
}

fn challenge(bytes: &[u8]) -> Opening<Challenge> {
    match messages::Opening::parse(bytes) {
        messages::Opening::Challenge(challenge) => Opening::Found(challenge),
        messages::Opening::Incomplete => Opening::Incomplete,
        messages::Opening::Malformed(reason) => Opening::Malformed(reason),
    }
}

/// A request that is refused before it is read: operators can look up why, the guest gets no detail.
struct Unread<'b> {
    broker: &'b Broker,
    decision: DecisionId,
    client: Client,
}

impl Unread<'_> {
    fn malformed(&self, reason: impl Display) -> HttpProblem {
        let code = ReasonCode::MalformedRequest;
        self.refused(code, &reason.to_string(), Standing::Malformed);
        HttpProblem::new(code).under(self.decision)
    }

    /// Its body did not arrive, or there was no room for it.
    fn not_received(&self, problem: HttpProblem, standing: Standing) -> HttpProblem {
        self.refused(problem.code(), problem.reason(), standing);
        problem.under(self.decision)
    }

    fn refused(&self, code: ReasonCode, reason: &str, standing: Standing) {
        let Self { broker, decision, client } = *self;
        broker.metrics.refused(code);
        let (peer, namespaces, trace) = (client.peer, None, None);
        log_stranger(broker, Stranger { decision, code, peer, namespaces, trace });
        let refusal = RefusalRecord {
            at: clock::now(),
            baseline: None,
            claims: None,
            code,
            decision,
            evidence: Vec::new(),
            instance: None,
            paths: Vec::new(),
            peer: client.peer,
            reasons: vec![reason.chars().take(LONGEST_REASON).collect()],
        };
        broker.refusals.keep(refusal, standing);
    }
}

/// The parser's message may quote the body.
const LONGEST_REASON: usize = 200;
