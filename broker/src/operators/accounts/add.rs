//! `POST /v1/operators/add`: adds an operator. The token is returned once, in this answer.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::operators::{AddedOperator, NewOperator};
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let NewOperator { name, role, namespaces, expires_in } = body.json()?;
    let permit = principal.authorize_everywhere(Act::ManageOperators)?;
    let by = principal.by(&permit);
    let token = broker.keystore.add_operator(by, &name, role, &namespaces, expires_in).await?;
    let expires_at = expires_in.end(principal.at)?;
    answer(&AddedOperator { name: name.into(), token: token.expose().into(), expires_at })
}
