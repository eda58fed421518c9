//! `GET /v1/baselines`: the baselines that the operator may read.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::store::DocumentKind;

use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, operator: Operator) -> Result<HttpResponse, HttpProblem> {
    let mut baselines = broker.keystore.documents(DocumentKind::Baseline).await?;
    baselines.retain(|baseline| operator.may(Act::ReadObjects, baseline.name.namespace()));
    answer(&baselines)
}
