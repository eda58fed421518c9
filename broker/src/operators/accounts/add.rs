//! `POST /v1/operators/add`: a new operator. The answer is the only time the token can be seen.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::operators::{AddedOperator, NewOperator};
use crate::body::Body;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let NewOperator { name, role, namespaces } = body.json()?;
    operator.must_everywhere(Act::ManageOperators)?;
    let token = broker.keystore.add_operator(operator.by(), &name, role, &namespaces).await?;
    answer(&AddedOperator { name: name.into(), token: token.expose().into() })
}
