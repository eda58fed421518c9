//! `POST /v1/baseline-proposals`: proposes the next boot of a VM for a baseline.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_protocol::messages::ProposalRequest;

use super::query::NoQuery;
use super::request::receive;
use crate::body::BodyReader;
use crate::broker::Broker;
use crate::problem::HttpProblem;
use crate::release::{Answered, propose_baseline};

pub(super) async fn post(
    broker: Data<Broker>,
    _: NoQuery,
    body: BodyReader,
) -> Result<HttpResponse, HttpProblem> {
    let broker = broker.into_inner();
    let request = receive::<ProposalRequest>(&broker, body).await?;
    let (decision, digest) = (request.decision, request.digest);
    let peer = request.peer().map(tracing::field::display);
    let (trace, namespaces) = (request.trace.clone(), request.received.namespaces());
    let answered = propose_baseline(&broker, request).await;
    let Answered { answer, instance } = answered.map_err(|refused| refused.problem(&digest))?;
    broker.metrics.proposals.answered(&answer.proposal);
    tracing::info!(
        event = "proposal.answered",
        %decision,
        outcome = answer.proposal.name(),
        instance,
        namespaces,
        peer,
        trace = trace.id().map(tracing::field::display),
    );
    Ok(HttpResponse::Ok().json(answer))
}
