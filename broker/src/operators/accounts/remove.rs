//! `POST /v1/operators/remove`: removes an operator; the token stops working at once.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::operators::RemoveOperator;
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::done;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let RemoveOperator { name } = body.json()?;
    let permit = principal.authorize_everywhere(Act::ManageOperators)?;
    broker.keystore.remove_operator(principal.by(&permit), &name).await?;
    done()
}
