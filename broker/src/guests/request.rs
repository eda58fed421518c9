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
use crate::body::{Body, BodyReader, NoOpening, Opening};
use crate::broker::Broker;
use crate::failed::Origin;
use crate::pool::{Lane, PoolError};
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
    T: DeserializeOwned + TryInto<Received, Error: Display> + 'static,
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
    let (parsed, arrival) = match body.as_slice().len() {
        0..=PARSED_AT_ONCE => (parse::<T>(&body), arrival),
        // The arrival goes along: a client that leaves meanwhile must not free its challenge and its slot before the work is done.
        _ => {
            let parsed = broker.pool.run(arrival.lane(broker), move || (parse::<T>(&body), arrival)).await;
            parsed.map_err(|error| unread.not_parsed(error))?
        }
    };
    let (received, digest) = parsed.map_err(|error| {
        tried.refused(ReasonCode::MalformedRequest);
        broker.failed.count(Origin::Network(client.network), Instant::now());
        unread.malformed(error)
    })?;
    trace.was(Step::Receive);
    trace.about(decision, &received.namespaces());
    Ok(Incoming { decision, received, digest, arrival, now, trace })
}

/// The request, and the digest of its bytes.
fn parse<T>(body: &Body) -> Result<(Received, RequestDigest), String>
where
    T: DeserializeOwned + TryInto<Received, Error: Display>,
{
    let request: T = body.parse().map_err(|error| error.to_string())?;
    let received = request.try_into().map_err(|error| error.to_string())?;
    Ok((received, RequestDigest::of(body.as_slice())))
}

/// The use of a challenge that is live.
fn begin(broker: &Broker, challenge: &Challenge, client: Client, now: UnixTime) -> Result<Try, RequestError> {
    let accepted = broker.check(challenge, now)?;
    broker.tries.begin(accepted.nonce, challenge.expires_at, now).map_err(|error| {
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

    /// The verifiers have no room for it.
    fn not_parsed(&self, error: PoolError) -> HttpProblem {
        let code = error.code();
        self.refused(code, &error.to_string(), Standing::Unverified);
        let problem = HttpProblem::new(code).under(self.decision);
        error.retry_after().into_iter().fold(problem, HttpProblem::retry_after)
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

/// Bytes. Larger bodies, with unusually long logs, are parsed and hashed by verifiers, where those who send many wait for the others, and
/// not by the threads that serve all connections.
const PARSED_AT_ONCE: usize = 128 * 1024;
/// The parser's message may quote the body.
const LONGEST_REASON: usize = 200;
