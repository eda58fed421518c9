//! `POST /v1/collateral/refresh`: everything is due now. Answers at once; the fetches run on.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer, blocking};
use crate::problem::HttpProblem;

pub(super) async fn post(broker: Data<Broker>, operator: Operator) -> Result<HttpResponse, HttpProblem> {
    operator.must_everywhere(Act::ManageCollateral)?;
    broker.collateral_service().refresh();
    tracing::info!(event = "collateral.refresh", operator = operator.by().operator);
    answer(&blocking(move || broker.collateral_status()).await?)
}
