//! `GET /v1/operators`: who there is. Never tokens.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, operator: Operator) -> Result<HttpResponse, HttpProblem> {
    operator.must_everywhere(Act::ManageOperators)?;
    answer(&broker.keystore.operators().await?)
}
