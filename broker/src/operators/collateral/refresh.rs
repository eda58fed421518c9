//! `POST /v1/collateral/refresh`: makes every item due. Returns at once; items are fetched in the background.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::{answer, blocking};
use crate::problem::HttpProblem;

pub(super) async fn post(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let permit = principal.authorize_everywhere(Act::ManageCollateral)?;
    let refresh = move || {
        let collateral = broker.collateral_service().managed(&permit)?;
        collateral.refresh();
        collateral.status()
    };
    answer(&blocking(refresh).await?)
}
