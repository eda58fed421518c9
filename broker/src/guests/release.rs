//! `POST /v1/release`.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_protocol::messages::ReleaseRequest;

use super::query::NoQuery;
use super::request::receive;
use crate::body::BodyReader;
use crate::broker::Broker;
use crate::problem::HttpProblem;
use crate::release::{Answered, release};

pub(super) async fn post(
    broker: Data<Broker>,
    _: NoQuery,
    body: BodyReader,
) -> Result<HttpResponse, HttpProblem> {
    let started = Instant::now();
    let broker = broker.into_inner();
    let request = receive::<ReleaseRequest>(&broker, body).await?;
    let (decision, digest) = (request.decision, request.digest);
    let peer = request.peer().map(tracing::field::display);
    let (trace, namespaces) = (request.trace.clone(), request.received.namespaces());
    let count = request.received.body().paths().len();
    let answered = release(&broker, request).await;
    let Answered { answer, instance } = answered.map_err(|refused| refused.problem(&digest))?;
    let elapsed = started.elapsed();
    broker.metrics.grants.inc();
    broker.metrics.release_seconds.observe(elapsed.as_secs_f64());
    tracing::info!(
        event = "release.granted",
        %decision,
        outcome = "granted",
        instance,
        namespaces,
        secrets = count,
        elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        peer,
        trace = trace.id().map(tracing::field::display),
    );
    Ok(HttpResponse::Ok().json(answer))
}
