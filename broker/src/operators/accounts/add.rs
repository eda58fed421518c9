//! `POST /v1/operators/add`: a new operator. The answer is the only time the token can be seen.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use vouchsafe_keystore::store::OperatorRole;

use crate::body::Body;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    role: OperatorRole,
    #[serde(default)]
    namespaces: Vec<String>,
}

#[derive(Serialize)]
struct Added<'a> {
    name: &'a str,
    token: &'a str,
}

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let Add { name, role, namespaces } = body.json()?;
    operator.must_everywhere(Act::ManageOperators)?;
    let token = broker.keystore.add_operator(operator.by(), &name, role, &namespaces).await?;
    answer(&Added { name: &name, token: token.expose() })
}
