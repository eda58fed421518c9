//! `GET /v1/collateral/export`: everything in one bundle, signed by the broker's identity.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::collateral::CollateralFileError;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::{answer, blocking};
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let permit = principal.authorize_everywhere(Act::ManageCollateral)?;
    let at = principal.at;
    let export =
        move || Ok::<_, CollateralFileError>(broker.collateral_service().managed(&permit)?.export(at));
    answer(&blocking(export).await?)
}
