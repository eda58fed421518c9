//! `GET /metrics`: the Prometheus text format. Open to anyone who can reach this listener; it names no object
//! and is cheap: expensive metrics are updated by the readiness probe.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_protocol::ReasonCode;

use crate::broker::Broker;
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>) -> Result<HttpResponse, HttpProblem> {
    let metrics = &broker.metrics;
    metrics.releases_in_flight.set(count(broker.gate.releases()));
    metrics.verifications_waiting.set(count(broker.pool.waiting()));
    let text = metrics.text().map_err(|_| HttpProblem::new(ReasonCode::Internal))?;
    Ok(HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
