//! `POST /v1/secrets/generate`: a secret that no operator ever sees.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::store::NewVersion;

use crate::api::secrets::{GenerateSecret, SecretVersion};
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
    let GenerateSecret { path, purpose, policy, per_instance, length } = body.json()?;
    operator.must(Act::ManageSecrets, path.namespace())?;
    let new = NewVersion { path: &path, purpose, policy: &policy };
    let version = if per_instance {
        broker.keystore.generate_per_instance(operator.by(), new).await?
    } else {
        broker.keystore.generate_secret(operator.by(), new, length).await?
    };
    answer(&SecretVersion { path, version })
}
