//! `GET /v1/secrets`: what there is in the namespaces that the operator may read. Never values.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, operator: Operator) -> Result<HttpResponse, HttpProblem> {
    let mut secrets = broker.keystore.secrets(None).await?;
    secrets.retain(|secret| operator.may(Act::ReadObjects, secret.path.namespace()));
    answer(&secrets)
}
