//! `POST /v1/collateral/remove`: removes one item. An item that the broker fetches automatically returns with
//! its next fetch.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::collateral::RemoveCollateral;
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::{answer, blocking};
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let RemoveCollateral { digest } = body.json()?;
    let permit = principal.authorize_everywhere(Act::ManageCollateral)?;
    let at = principal.at;
    let remove = move || broker.collateral_service().managed(&permit)?.remove(digest, at);
    answer(&blocking(remove).await?)
}
