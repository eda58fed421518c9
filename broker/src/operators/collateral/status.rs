//! `GET /v1/collateral`: which CRLs and issuing CAs are in force.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer, blocking};
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, operator: Operator) -> Result<HttpResponse, HttpProblem> {
    operator.must_everywhere(Act::ManageCollateral)?;
    answer(&blocking(move || broker.collateral_status()).await?)
}
