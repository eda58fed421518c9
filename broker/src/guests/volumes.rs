//! `POST /v1/volumes`: registers the header of a volume, or announces its next one.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_protocol::messages::VolumeRequest;

use super::query::NoQuery;
use super::request::receive;
use crate::body::BodyReader;
use crate::broker::Broker;
use crate::problem::HttpProblem;
use crate::release::{Answered, change_volume};

pub(super) async fn post(
    broker: Data<Broker>,
    _: NoQuery,
    body: BodyReader,
) -> Result<HttpResponse, HttpProblem> {
    let broker = broker.into_inner();
    let request = receive::<VolumeRequest>(&broker, body).await?;
    let (decision, digest) = (request.decision, request.digest);
    let peer = request.peer().map(tracing::field::display);
    let (trace, namespaces) = (request.trace.clone(), request.received.namespaces());
    let action = request.received.body().action();
    let answered = change_volume(&broker, request).await;
    let Answered { answer, instance } = answered.map_err(|refused| refused.problem(&digest))?;
    broker.metrics.volume(action);
    let generation = answer.volume.generation;
    tracing::info!(
        event = "volume.answered",
        %decision,
        outcome = "granted",
        instance,
        namespaces,
        action = action.name(),
        generation,
        peer,
        trace = trace.id().map(tracing::field::display),
    );
    Ok(HttpResponse::Ok().json(answer))
}
