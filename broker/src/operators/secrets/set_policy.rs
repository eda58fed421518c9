//! `POST /v1/secrets/set-policy`: moves a secret to another policy.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::secrets::SetPolicy;
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::done;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let SetPolicy { path, policy } = body.json()?;
    let permit = principal.authorize(Act::ManageSecrets, path.namespace())?;
    broker.keystore.set_secret_policy(principal.by(&permit), &path, &policy).await?;
    done()
}
