//! `POST /v1/guardrails/put`: replaces those in force. Shipped rules that the text drops are named in `drop`.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::guardrails::{GuardrailsVersion, PutGuardrails};
use crate::body::Body;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let PutGuardrails { text, drop } = body.json()?;
    operator.must_everywhere(Act::ManageGuardrails)?;
    let version = broker.keystore.put_guardrails(operator.by(), &text, &drop).await?;
    answer(&GuardrailsVersion { version })
}
