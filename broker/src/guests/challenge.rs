//! `POST /v1/challenge`: a fresh nonce, unless the broker is overloaded.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::messages::ChallengeAnswer;

use crate::broker::Broker;
use crate::clock;
use crate::problem::HttpProblem;

pub(super) async fn post(broker: Data<Broker>) -> Result<HttpResponse, HttpProblem> {
    if !broker.gate.open() {
        broker.metrics.refused(ReasonCode::Overloaded);
        return Err(HttpProblem::for_guest(ReasonCode::Overloaded).retry_after(RETRY_AFTER));
    }
    let challenge = broker.issue(clock::now()).map_err(|_| HttpProblem::new(ReasonCode::Internal))?;
    broker.metrics.challenges.inc();
    Ok(HttpResponse::Ok().json(ChallengeAnswer { challenge, identity: broker.identity() }))
}

/// Seconds after which a guest that was turned away retries. Guests add their own jitter.
pub(super) const RETRY_AFTER: u32 = 2;
