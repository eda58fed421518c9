//! `GET /v1/collateral/export`: everything in one bundle, signed by the broker's identity.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::collateral::CollateralFileError;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer, blocking};
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, operator: Operator) -> Result<HttpResponse, HttpProblem> {
    operator.must_everywhere(Act::ManageCollateral)?;
    let by = operator.by();
    let at = by.at;
    let export = move || Ok::<_, CollateralFileError>(broker.collateral_service().export(at));
    let bundle = blocking(export).await?;
    tracing::info!(event = "collateral.exported", operator = by.operator);
    answer(&bundle)
}
