//! `GET /v1/baselines`: the baselines that the operator may read, with their end and state.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::clock;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, operator: Operator) -> Result<HttpResponse, HttpProblem> {
    let mut baselines = broker.keystore.baselines(clock::now()).await?;
    baselines.retain(|baseline| operator.may(Act::ReadObjects, baseline.name.namespace()));
    answer(&baselines)
}
