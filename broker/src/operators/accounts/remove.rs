//! `POST /v1/operators/remove`: the token stops working at once.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::operators::RemoveOperator;
use crate::body::Body;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, done};
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let RemoveOperator { name } = body.json()?;
    operator.must_everywhere(Act::ManageOperators)?;
    broker.keystore.remove_operator(operator.by(), &name).await?;
    done()
}
