//! `POST /v1/collateral/import`: the body is a file, PEM or DER.

use actix_web::HttpResponse;
use actix_web::web::Data;

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
    operator.must_everywhere(Act::ManageCollateral)?;
    let by = operator.by();
    let status = broker.import(body.as_slice(), by.at)?;
    tracing::info!(event = "collateral.imported", operator = by.operator, crls = status.crls.len());
    answer(&status)
}
