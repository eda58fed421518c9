//! `POST /v1/release`.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::messages::ReleaseRequest;

use crate::body::Body;
use crate::broker::Broker;
use crate::problem::HttpProblem;
use crate::release::release;
use crate::{clock, random};

pub(super) async fn post(broker: Data<Broker>, body: Body) -> Result<HttpResponse, HttpProblem> {
    let started = Instant::now();
    let broker = broker.into_inner();
    let _admitted = broker.gate.enter();
    let request: ReleaseRequest =
        body.json().inspect_err(|problem| broker.metrics.refused(problem.code()))?;
    let decision = random::decision_id().map_err(|_| HttpProblem::new(ReasonCode::Internal))?;
    let count = request.paths.as_slice().len();
    let answer = release(&broker, decision, request, clock::now()).await;
    let answer = answer.map_err(|refused| refused.problem(&broker, body.as_slice()))?;
    let elapsed = started.elapsed();
    broker.metrics.grants.inc();
    broker.metrics.release_seconds.observe(elapsed.as_secs_f64());
    tracing::info!(event = "release.granted", %decision, secrets = count, elapsed_us = elapsed.as_micros());
    Ok(HttpResponse::Ok().json(answer))
}
