//! `POST /v1/release`.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::record::RefusalRecord;
use vouchsafe_protocol::limits::MAX_OPENING;
use vouchsafe_protocol::messages::{self, ReleaseRequest};
use vouchsafe_protocol::{Challenge, DecisionId, ReasonCode, RequestDigest, UnixTime};

use crate::attested::{Arrival, Received};
use crate::body::{BodyReader, NoOpening, Opening};
use crate::broker::Broker;
use crate::problem::HttpProblem;
use crate::refusals::Standing;
use crate::release::{refuse_challenge, release};
use crate::{clock, random};

pub(super) async fn post(broker: Data<Broker>, mut body: BodyReader) -> Result<HttpResponse, HttpProblem> {
    let started = Instant::now();
    let broker = broker.into_inner();
    let decision = random::decision_id().map_err(|_| HttpProblem::new(ReasonCode::Internal))?;
    // A body is read only under a live challenge, which is in its first bytes.
    let challenge = match body.opening(MAX_OPENING, challenge).await {
        Ok(challenge) => challenge,
        Err(error) => {
            body.discard().await;
            return Err(match error {
                NoOpening::Malformed(reason) => malformed(&broker, decision, clock::now(), &reason),
                NoOpening::Problem(problem) => problem,
            });
        }
    };
    let now = clock::now();
    if let Err(error) = broker.check(&challenge, now) {
        let problem = refuse_challenge(&broker, decision, now, error);
        body.discard().await;
        return Err(problem);
    }
    let client = body.network();
    let body = body.whole().await.inspect_err(|problem| broker.metrics.refused(problem.code()))?;
    let arrival = Arrival::enter(&broker, client, body.room());
    let now = clock::now();
    let request: ReleaseRequest =
        body.parse().map_err(|error| malformed(&broker, decision, now, &error.to_string()))?;
    let request =
        Received::try_from(request).map_err(|error| malformed(&broker, decision, now, &error.to_string()))?;
    let count = request.body().paths().len();
    let digest = RequestDigest::of(body.as_slice());
    let answer = release(&broker, decision, request, digest, arrival, now).await;
    let answer = answer.map_err(|refused| refused.problem(&broker, &digest))?;
    let elapsed = started.elapsed();
    broker.metrics.grants.inc();
    broker.metrics.release_seconds.observe(elapsed.as_secs_f64());
    tracing::info!(event = "release.granted", %decision, secrets = count, elapsed_us = elapsed.as_micros());
    Ok(HttpResponse::Ok().json(answer))
}

fn challenge(bytes: &[u8]) -> Opening<Challenge> {
    match messages::Opening::parse(bytes) {
        messages::Opening::Challenge(challenge) => Opening::Found(challenge),
        messages::Opening::Incomplete => Opening::Incomplete,
        messages::Opening::Malformed(reason) => Opening::Malformed(reason),
    }
}

/// A malformed request: operators can look up why, the guest gets no detail.
fn malformed(broker: &Broker, decision: DecisionId, at: UnixTime, reason: &str) -> HttpProblem {
    let code = ReasonCode::MalformedRequest;
    broker.metrics.refused(code);
    let reason: String = reason.chars().take(LONGEST_REASON).collect();
    let refusal = RefusalRecord {
        at,
        claims: None,
        code,
        decision,
        evidence: Vec::new(),
        instance: None,
        paths: Vec::new(),
        reasons: vec![reason],
    };
    broker.refusals.keep(refusal, Standing::Malformed);
    HttpProblem::new(code).under(decision)
}

/// The parser's message may quote the body.
const LONGEST_REASON: usize = 200;
