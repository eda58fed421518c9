//! `GET /v1/guardrails`: the conditions on every release. Every operator may read them.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::guardrails::Guardrails;
use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let permit = principal.authorize_everywhere(Act::ReadGuardrails)?;
    let (text, shipped) = broker.keystore.permitted(&permit).guardrails().await?;
    answer(&Guardrails { shipped, text })
}
