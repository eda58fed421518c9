//! `POST /v1/policies/put`: a new version of a policy, in force at once.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::documents::{NewDocument, StoredVersion};
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
    let version = broker.keystore.put_policy(operator.by(), &name, &text).await?;
    answer(&StoredVersion { name, version })
}
