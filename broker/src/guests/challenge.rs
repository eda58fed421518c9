//! `POST /v1/challenge`: a fresh nonce, unless the broker is overloaded.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use vouchsafe_protocol::ReasonCode;

use super::query::NoQuery;
use crate::broker::Broker;
use crate::clock;
use crate::pool::Lane;
use crate::problem::HttpProblem;
use crate::server::client::Client;
use crate::traces::Trace;

pub(super) async fn post(
    broker: Data<Broker>,
    _: NoQuery,
    request: HttpRequest,
    trace: Trace,
) -> Result<HttpResponse, HttpProblem> {
    let network = Client::of(&request).network;
    if !broker.gate.admits(network) {
        broker.metrics.refused(ReasonCode::Overloaded);
        let seconds = broker.pool.retry_after(Lane::Guests(network));
        return Err(HttpProblem::for_guest(ReasonCode::Overloaded).retry_after(seconds));
    }
    let answer = broker.issue(clock::now()).map_err(|_| HttpProblem::new(ReasonCode::Internal))?;
    trace.under(&answer.challenge.nonce);
    broker.metrics.challenges.inc();
    Ok(HttpResponse::Ok().json(answer))
}
