//! A guest's request that carries evidence: read only under a live challenge, which is in its first bytes.

use std::fmt::Display;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use vouchsafe_keystore::record::RefusalRecord;
use vouchsafe_protocol::limits::MAX_OPENING;
use vouchsafe_protocol::messages;
use vouchsafe_protocol::{Challenge, DecisionId, ReasonCode, RequestDigest, UnixTime};

use crate::attested::{Arrival, Incoming, Received};
use crate::body::{BodyReader, NoOpening, Opening};
use crate::broker::Broker;
use crate::problem::HttpProblem;
use crate::refusals::Standing;
use crate::release::refuse_challenge;
use crate::server::client::Client;
use crate::{clock, random};

/// Reads a request of this form.
pub(super) async fn receive<T>(broker: &Arc<Broker>, mut body: BodyReader) -> Result<Incoming, HttpProblem>
where
    T: DeserializeOwned + TryInto<Received, Error: Display>,
{
    let client = body.client();
    let decision = random::decision_id().map_err(|_| HttpProblem::new(ReasonCode::Internal))?;
    let challenge = match body.opening(MAX_OPENING, challenge).await {
        Ok(challenge) => challenge,
        Err(error) => {
            body.discard().await;
            return Err(match error {
                NoOpening::Malformed(reason) => malformed(broker, decision, client, clock::now(), &reason),
                NoOpening::Problem(problem) => problem,
            });
        }
    };
    let now = clock::now();
    if let Err(error) = broker.check(&challenge, now) {
        let problem = refuse_challenge(broker, decision, client.peer, now, error);
        body.discard().await;
        return Err(problem);
    }
    let body = body.whole().await.inspect_err(|problem| broker.metrics.refused(problem.code()))?;
    let arrival = Arrival::enter(broker, client, body.room());
    let now = clock::now();
    let refuse = |reason: String| malformed(broker, decision, client, now, &reason);
    let request: T = body.parse().map_err(|error| refuse(error.to_string()))?;
    let received = request.try_into().map_err(|error| refuse(error.to_string()))?;
    let digest = RequestDigest::of(body.as_slice());
    Ok(Incoming { decision, received, digest, arrival, now })
}

fn challenge(bytes: &[u8]) -> Opening<Challenge> {
    match messages::Opening::parse(bytes) {
        messages::Opening::Challenge(challenge) => Opening::Found(challenge),
        messages::Opening::Incomplete => Opening::Incomplete,
        messages::Opening::Malformed(reason) => Opening::Malformed(reason),
    }
}

/// A malformed request: operators can look up why, the guest gets no detail.
fn malformed(
    broker: &Broker,
    decision: DecisionId,
    client: Client,
    at: UnixTime,
    reason: &str,
) -> HttpProblem {
    let code = ReasonCode::MalformedRequest;
    broker.metrics.refused(code);
    let reason: String = reason.chars().take(LONGEST_REASON).collect();
    let refusal = RefusalRecord {
        at,
        baseline: None,
        claims: None,
        code,
        decision,
        evidence: Vec::new(),
        instance: None,
        paths: Vec::new(),
        peer: client.peer,
        reasons: vec![reason],
    };
    broker.refusals.keep(refusal, Standing::Malformed);
    HttpProblem::new(code).under(decision)
}

/// The parser's message may quote the body.
const LONGEST_REASON: usize = 200;
