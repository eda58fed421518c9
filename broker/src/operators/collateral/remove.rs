//! `POST /v1/collateral/remove`: takes one item out. What the broker fetches by itself comes back with its next fetch.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::collateral::RemoveCollateral;
use crate::body::Body;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer, blocking};
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let RemoveCollateral { digest } = body.json()?;
    operator.must_everywhere(Act::ManageCollateral)?;
    let by = operator.by();
    let at = by.at;
    let status = blocking(move || broker.collateral_service().remove(digest, at)).await?;
    tracing::info!(event = "collateral.removed", operator = by.operator, %digest);
    answer(&status)
}
