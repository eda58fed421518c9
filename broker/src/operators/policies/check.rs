//! `POST /v1/policies/check`: whether a policy would be taken. Stores nothing.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::documents::NewDocument;
use crate::api::policies::CheckedPolicy;
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
    let NewDocument { name, text } = body.json()?;
    operator.must(Act::ManagePolicies, name.namespace())?;
    let (policy, notes) = broker.keystore.check_policy(&name, &text, operator.by().at).await?;
    answer(&CheckedPolicy::new(name, &policy, &notes))
}
