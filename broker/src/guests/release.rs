//! `POST /v1/release`.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::record::RefusalRecord;
use vouchsafe_protocol::messages::ReleaseRequest;
use vouchsafe_protocol::{DecisionId, ReasonCode, UnixTime};

use crate::body::Body;
use crate::broker::Broker;
use crate::problem::HttpProblem;
use crate::release::release;
use crate::{clock, random};

pub(super) async fn post(broker: Data<Broker>, body: Body) -> Result<HttpResponse, HttpProblem> {
    let started = Instant::now();
    let broker = broker.into_inner();
    let _admitted = broker.gate.enter();
    let decision = random::decision_id().map_err(|_| HttpProblem::new(ReasonCode::Internal))?;
    let now = clock::now();
    let request: ReleaseRequest = body.parse().map_err(|error| malformed(&broker, decision, now, &error))?;
    let count = request.paths.as_slice().len();
    let answer = release(&broker, decision, request, now).await;
    let answer = answer.map_err(|refused| refused.problem(&broker, body.as_slice()))?;
    let elapsed = started.elapsed();
    broker.metrics.grants.inc();
    broker.metrics.release_seconds.observe(elapsed.as_secs_f64());
    tracing::info!(event = "release.granted", %decision, secrets = count, elapsed_us = elapsed.as_micros());
    Ok(HttpResponse::Ok().json(answer))
}

/// What is no request: operators can look up why, the guest is told no more than that.
fn malformed(broker: &Broker, decision: DecisionId, at: UnixTime, error: &serde_json::Error) -> HttpProblem {
    let code = ReasonCode::MalformedRequest;
    broker.metrics.refused(code);
    let reason: String = error.to_string().chars().take(LONGEST_REASON).collect();
    broker.refusals.keep(RefusalRecord {
        at,
        claims: None,
        code,
        decision,
        evidence: Vec::new(),
        instance: None,
        paths: Vec::new(),
        reasons: vec![reason],
    });
    HttpProblem::new(code).under(decision)
}

/// The parser's words may repeat what was sent.
const LONGEST_REASON: usize = 200;
