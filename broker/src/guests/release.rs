//! `POST /v1/release`.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_protocol::messages::ReleaseRequest;

use super::request::receive;
use crate::body::BodyReader;
use crate::broker::Broker;
use crate::problem::HttpProblem;
use crate::release::release;

pub(super) async fn post(broker: Data<Broker>, body: BodyReader) -> Result<HttpResponse, HttpProblem> {
    let started = Instant::now();
    let broker = broker.into_inner();
    let request = receive::<ReleaseRequest>(&broker, body).await?;
    let (decision, digest) = (request.decision, request.digest);
    let peer = request.peer().map(tracing::field::display);
    let count = request.received.body().paths().len();
    let answer = release(&broker, request).await;
    let answer = answer.map_err(|refused| refused.problem(&broker, &digest))?;
    let elapsed = started.elapsed();
    broker.metrics.grants.inc();
    broker.metrics.release_seconds.observe(elapsed.as_secs_f64());
    tracing::info!(event = "release.granted", %decision, secrets = count, elapsed_us = elapsed.as_micros(), peer);
    Ok(HttpResponse::Ok().json(answer))
}
