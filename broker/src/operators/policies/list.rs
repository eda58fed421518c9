//! `GET /v1/policies`: the policies that the operator may read.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::store::DocumentKind;

use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, operator: Operator) -> Result<HttpResponse, HttpProblem> {
    let mut policies = broker.keystore.documents(DocumentKind::Policy).await?;
    policies.retain(|policy| operator.may(Act::ReadObjects, policy.name.namespace()));
    answer(&policies)
}
