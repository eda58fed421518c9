//! `POST /v1/guardrails/reset`: restores the shipped guardrails at once.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::guardrails::GuardrailsReset;
use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn post(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let permit = principal.authorize_everywhere(Act::ManageGuardrails)?;
    let changed = broker.keystore.reset_guardrails(principal.by(&permit)).await?;
    answer(&GuardrailsReset { changed })
}
