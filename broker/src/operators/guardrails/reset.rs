//! `POST /v1/guardrails/reset`: the shipped guardrails are in force again, at once.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::guardrails::GuardrailsReset;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

pub(super) async fn post(broker: Data<Broker>, operator: Operator) -> Result<HttpResponse, HttpProblem> {
    operator.must_everywhere(Act::ManageGuardrails)?;
    let changed = broker.keystore.reset_guardrails(operator.by()).await?;
    answer(&GuardrailsReset { changed })
}
