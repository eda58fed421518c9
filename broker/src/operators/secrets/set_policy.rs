//! `POST /v1/secrets/set-policy`: puts a secret under another policy.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::secrets::SetPolicy;
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
    let SetPolicy { path, policy } = body.json()?;
    operator.must(Act::ManageSecrets, path.namespace())?;
    broker.keystore.set_secret_policy(operator.by(), &path, &policy).await?;
    done()
}
