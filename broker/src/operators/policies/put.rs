//! `POST /v1/policies/put`: a new version of a policy, in force at once.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::documents::{NewDocument, StoredVersion};
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let NewDocument { name, text } = body.json()?;
    let permit = principal.authorize(Act::ManagePolicies, name.namespace())?;
    let version = broker.keystore.put_policy(principal.by(&permit), &name, &text).await?;
    answer(&StoredVersion { name, version })
}
