//! `GET /v1/guardrails`: the conditions on every release. Every operator may read them.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::guardrails::Guardrails;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, operator: Operator) -> Result<HttpResponse, HttpProblem> {
    operator.must_everywhere(Act::ReadGuardrails)?;
    let (text, shipped) = broker.keystore.guardrails().await?;
    answer(&Guardrails { shipped, text })
}
