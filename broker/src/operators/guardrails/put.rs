//! `POST /v1/guardrails/put`: replaces the guardrails. Shipped rules that the text drops must be named in
//! `drop`.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::guardrails::{GuardrailsVersion, PutGuardrails};
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let PutGuardrails { text, drop } = body.json()?;
    let permit = principal.authorize_everywhere(Act::ManageGuardrails)?;
    let version = broker.keystore.put_guardrails(principal.by(&permit), &text, &drop).await?;
    answer(&GuardrailsVersion { version })
}
