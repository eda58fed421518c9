//! `POST /v1/collateral/remove`: takes one item out. What the broker fetches by itself comes back with its next fetch.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Deserialize;
use vouchsafe_protocol::Digest32;

use crate::body::Body;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer, blocking};
use crate::problem::HttpProblem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Remove {
    /// SHA-256 of the item.
    digest: Digest32,
}

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let Remove { digest } = body.json()?;
    operator.must_everywhere(Act::ManageCollateral)?;
    let by = operator.by();
    let at = by.at;
    let status = blocking(move || broker.collateral_service().remove(digest, at)).await?;
    tracing::info!(event = "collateral.removed", operator = by.operator, %digest);
    answer(&status)
}
