//! `GET /v1/collateral`: the status of all collateral.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::{answer, blocking};
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let permit = principal.authorize_everywhere(Act::ManageCollateral)?;
    answer(&blocking(move || broker.collateral_service().managed(&permit)?.status()).await?)
}
