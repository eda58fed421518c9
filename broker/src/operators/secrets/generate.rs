//! `POST /v1/secrets/generate`: a secret that no operator ever sees.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::registry::NewVersion;

use crate::api::secrets::{GenerateSecret, SecretVersion};
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let GenerateSecret { path, purpose, policy, per_instance, length } = body.json()?;
    let permit = principal.authorize(Act::ManageSecrets, path.namespace())?;
    let new = NewVersion { path: &path, purpose, policy: &policy };
    let version = if per_instance {
        broker.keystore.generate_per_instance(principal.by(&permit), new).await?
    } else {
        broker.keystore.generate_secret(principal.by(&permit), new, length).await?
    };
    answer(&SecretVersion { path, version })
}
