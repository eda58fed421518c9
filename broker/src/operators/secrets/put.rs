//! `POST /v1/secrets/put`: a secret, or a new version of it.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::registry::NewVersion;
use vouchsafe_protocol::ReasonCode;

use crate::api::secrets::{PutSecret, SecretVersion};
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let PutSecret { path, purpose, policy, value } = body.secret_json()?;
    let permit = principal.authorize(Act::ManageSecrets, path.namespace())?;
    let secret = value
        .into_secret()
        .map_err(|error| HttpProblem::for_operator(ReasonCode::InvalidObject, error.to_string()))?;
    let new = NewVersion { path: &path, purpose, policy: &policy };
    let version = broker.keystore.put_secret(principal.by(&permit), new, &secret).await?;
    answer(&SecretVersion { path, version })
}
